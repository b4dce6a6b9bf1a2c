"""What a terminal tells of itself in a poll, out of its trade server's book."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from simulators.decimals import plain
from simulators.mt4_terminal.book import Book
from simulators.mt4_terminal.tickets import Symbol, Ticket
from simulators.mt4_terminal.wire import write

_TWO = Decimal("0.01")


def account_record(book: Book, *, connected: bool, trade_allowed: bool) -> str:
    """The account and its money."""
    options, equity, margin = book.options, book.equity(), book.margin()
    return write(
        "ACCOUNT",
        {
            "login": options.login,
            "server": options.server,
            "company": options.company,
            "currency": options.currency,
            "balance": plain(book.balance.quantize(_TWO)),
            "equity": plain(equity.quantize(_TWO)),
            "margin": plain(margin),
            "free_margin": plain((equity - margin).quantize(_TWO)),
            "leverage": options.leverage,
            "demo": not options.real,
            "connected": connected,
            "trade_allowed": trade_allowed,
        },
    )


def symbol_record(symbol: Symbol) -> str:
    """A symbol and its market, as MarketInfo gives them: 0 while it is not loaded."""
    known = {
        "bid": plain(symbol.bid),
        "ask": plain(symbol.ask),
        "time_server": symbol.time,
        "digits": symbol.digits,
        "lot_size": plain(symbol.lot_size),
        "lot_step": plain(symbol.lot_step),
        "min_lot": plain(symbol.min_lot),
        "max_lot": plain(symbol.max_lot),
        "stops_level": 0,
        "freeze_level": 0,
        "trade_allowed": True,
    }
    shown = known if symbol.loaded else dict.fromkeys(known, 0)
    return write("SYMBOL", {"name": symbol.name, **shown})


def ticket_record(book: Book, ticket: Ticket) -> str:
    """A ticket as OrderSelect would give it."""
    return write(
        "TICKET",
        {
            "ticket": ticket.ticket,
            "symbol": ticket.symbol,
            "type": ticket.type,
            "lots": plain(ticket.lots),
            "open_time_server": ticket.open_time,
            "open_price": plain(ticket.open_price),
            "close_time_server": ticket.close_time,
            "close_price": plain(ticket.close_price),
            "stop_loss": plain(ticket.stop_loss),
            "take_profit": plain(ticket.take_profit),
            "expiration_server": ticket.expiration,
            "commission": plain(ticket.commission),
            "swap": plain(ticket.swap),
            "profit": plain(book.profit_of(ticket)),
            "magic": ticket.magic,
            "comment": ticket.comment,
        },
    )


def ticket_records(book: Book, history_from: int | None) -> Iterator[str]:
    """All open tickets, and those closed since `history_from` (the server's seconds)."""
    held = book.open_tickets()
    yield write(
        "TICKETS",
        {"open": len(held), "history": history_from is not None, "from_server": history_from},
    )
    if history_from is not None:
        held += [ticket for ticket in book.closed_tickets() if ticket.close_time >= history_from]
    for ticket in held:
        yield ticket_record(book, ticket)
