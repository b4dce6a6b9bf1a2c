"""What happens to tickets without a request of a terminal of ours: parts, close-by, a stop-out.

Comments as field reports have them: "from #N" or "split from #N" on what is left of a ticket,
"close hedge by #N" on the smaller one of two that close each other, whose lots are 0 from then on,
"partial close" on the larger. A pending order keeps its ticket as a position (MetaTrader 4 help,
"Placing of Pending Orders", read in November 2026); brokers that fill it in parts differ in which
part does.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from simulators.mt4_terminal.book import Book
from simulators.mt4_terminal.tickets import BUY, SELL, Ticket


class Keeps(StrEnum):
    """Who keeps the ticket of a pending order that fills in part; the others get new ones."""

    FILLED = "filled"
    """What is filled; the rest is pending under a new ticket."""
    REST = "rest"
    """The rest, with fewer lots; what is filled has a new ticket."""
    NEITHER = "neither"
    """Nobody: the order is closed, and both are new."""


def fill_part(book: Book, ticket: Ticket, lots: Decimal, keeps: Keeps) -> None:
    """Fill `lots` of a pending order at its price. ValueError."""
    if not (ticket.is_pending and ticket.is_open and 0 < lots < ticket.lots):
        raise ValueError(f"{ticket.ticket} is no pending order of more than {lots} lots")
    rest, order = ticket.lots - lots, book.order_of(ticket)
    if keeps is Keeps.FILLED:
        filled = ticket
        _part_of(book, ticket, rest)
    elif keeps is Keeps.REST:
        filled = _part_of(book, ticket, lots)
        ticket.lots = rest
        book.touch(ticket)
    else:
        filled = _part_of(book, ticket, lots)
        _part_of(book, ticket, rest)
        ticket.close_time, ticket.close_price = book.server_time, ticket.open_price
        book.touch(ticket)
    filled.lots = lots
    filled.type = BUY if ticket.buys else SELL
    book.begin(filled, ticket.open_price, order)
    book.commit()


def close_by(book: Book, one: Ticket, other: Ticket) -> None:
    """Close two opposite positions by each other; what is left of the larger has a new ticket."""
    if one.buys == other.buys or one.symbol != other.symbol or not (one.is_open and other.is_open):
        raise ValueError(f"{one.ticket} and {other.ticket} are no opposite positions")
    larger, smaller = (one, other) if one.lots >= other.lots else (other, one)
    price, lots = smaller.open_price, smaller.lots
    comment = f"close hedge by #{smaller.ticket}"
    if larger.lots > lots:
        book.split(larger, lots).comment = f"split from #{larger.ticket}"
        comment = "partial close"
    book.finish(larger, price, None)
    book.finish(smaller, price, None)
    larger.comment = comment
    smaller.comment, smaller.lots = f"close hedge by #{larger.ticket}", Decimal(0)
    book.commit()


def stop_out(book: Book, ticket: Ticket) -> None:
    """The broker closes a position for want of margin, at the market."""
    symbol = book.symbols[ticket.symbol]
    if ticket.is_pending or not ticket.is_open:
        raise ValueError(f"{ticket.ticket} is no open position")
    book.finish(ticket, symbol.bid if ticket.buys else symbol.ask, None)
    ticket.comment = "so: 48.7%/102.3/210.1"
    book.commit()


def _part_of(book: Book, ticket: Ticket, lots: Decimal) -> Ticket:
    return book.new_ticket(
        symbol=ticket.symbol,
        type=ticket.type,
        lots=lots,
        open_time=book.server_time,
        open_price=ticket.open_price,
        magic=ticket.magic,
        comment=f"from #{ticket.ticket}",
        expiration=ticket.expiration,
        entry=ticket.entry or str(ticket.ticket),
    )
