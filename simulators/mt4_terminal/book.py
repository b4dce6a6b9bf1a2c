"""The trade server's memory: tickets, symbols, money, and the ledger of what it really did.

Every change is journalled as one line before anybody hears of it, so a kill leaves whole changes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from simulators.journal import Journal
from simulators.ledger.records import Trade
from simulators.mt4_terminal.tickets import (
    ORDER_TYPES,
    LedgerOrder,
    Symbol,
    Ticket,
    new_symbol,
)

_CENT = Decimal("0.01")
_FIRST_TICKET = 100_001


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """How this trade server behaves.

    `commission_per_lot` is charged when a position begins. `comment_limit` cuts comments, as some
    servers do. `separate_stops` refuses stops that come with the order itself, as accounts with
    market execution do. `server_offset`: seconds that its clock is ahead of UTC.
    """

    login: int = 7001
    server: str = "Simulated-Demo"
    company: str = "Simulated Broker"
    currency: str = "USD"
    real: bool = False
    balance: Decimal = Decimal(1_000_000_000)
    leverage: int = 500
    commission_per_lot: Decimal = Decimal("7.00")
    suffix: str = ""
    server_offset: int = 10_800
    comment_limit: int = 31
    separate_stops: bool = True
    symbols: tuple[str, ...] = ("EURUSD", "GBPUSD", "USDJPY", "AUDUSD", "XAUUSD")


class Book:
    """The one account. Its methods change one thing each and journal it with `commit`."""

    def __init__(
        self, options: ServerOptions, journal: Journal, clock: Callable[[], datetime]
    ) -> None:
        self.options = options
        self.clock = clock
        self.balance = options.balance
        self.server_offset = options.server_offset
        self.tickets: dict[int, Ticket] = {}
        self.symbols: dict[str, Symbol] = {}
        self.orders: dict[str, LedgerOrder] = {}
        self.trades: list[Trade] = []
        self.version = 0
        self._journal = journal
        self._changed: dict[str, Ticket | Symbol | LedgerOrder] = {}
        self._booked: list[Trade] = []
        for name in options.symbols:
            self.symbols[name + options.suffix] = new_symbol(name + options.suffix)
        for entry in journal.read():
            self._replay(entry)

    @property
    def server_time(self) -> int:
        """The server's clock, in its own seconds."""
        return int(self.clock().timestamp()) + self.server_offset

    def open_tickets(self) -> list[Ticket]:
        """Positions and pending orders, oldest first."""
        return [ticket for ticket in self.tickets.values() if ticket.is_open and not ticket.hidden]

    def closed_tickets(self) -> list[Ticket]:
        """What is over."""
        return [ticket for ticket in self.tickets.values() if not ticket.is_open]

    def profit_of(self, ticket: Ticket) -> Decimal:
        """What closing it now would bring, in the account's currency, to the cent."""
        symbol = self.symbols[ticket.symbol]
        price = symbol.bid if ticket.buys else symbol.ask
        if ticket.is_pending or not ticket.is_open or not symbol.has_market:
            return ticket.profit
        return self._profit(ticket, price)

    def equity(self) -> Decimal:
        """Balance and what is open."""
        open_profit = (self.profit_of(ticket) for ticket in self.open_tickets())
        return self.balance + sum(open_profit, Decimal(0))

    def margin(self) -> Decimal:
        """What the open positions bind, in quote money as it comes."""
        bound = (
            ticket.lots * self.symbols[ticket.symbol].lot_size * ticket.open_price
            for ticket in self.open_tickets()
            if not ticket.is_pending
        )
        return (sum(bound, Decimal(0)) / self.options.leverage).quantize(_CENT)

    def symbol_of_ours(self, name: str) -> str:
        """The project's spelling: without this server's suffix."""
        return name.removesuffix(self.options.suffix)

    def new_ticket(self, **fields: Any) -> Ticket:
        """Number and keep another ticket."""
        number = max(self.tickets, default=_FIRST_TICKET - 1) + 1
        ticket = Ticket(ticket=number, **fields)
        ticket.comment = ticket.comment[: self.options.comment_limit]
        self.tickets[number] = ticket
        return self.touch(ticket)

    def touch(self, ticket: Ticket) -> Ticket:
        """Mark a ticket as changed."""
        self._changed[f"ticket {ticket.ticket}"] = ticket
        return ticket

    def accept(self, ticket: Ticket, note: str, *, suffix: str = "") -> LedgerOrder:
        """Enter an accepted request into the ledger; `note` is the id that it came with."""
        kind = ORDER_TYPES[ticket.type]
        order = LedgerOrder(
            broker_order_id=f"{ticket.ticket}{suffix}",
            venue_order_id=note,
            symbol=self.symbol_of_ours(ticket.symbol),
            side=ticket.side,
            order_type=kind,
            quantity=self.units(ticket),
            accepted_at=self.clock(),
            limit_price=ticket.open_price if kind == "LIMIT" else None,
            stop_price=ticket.open_price if kind == "STOP" else None,
        )
        self.orders[order.broker_order_id] = order
        return self.touch_order(order)

    def order_of(self, ticket: Ticket) -> LedgerOrder | None:
        """The order of the ledger that a ticket is, or is a part of."""
        return self.orders.get(ticket.entry or str(ticket.ticket))

    def touch_order(self, order: LedgerOrder) -> LedgerOrder:
        """Mark an order of the ledger as changed."""
        self._changed[f"order {order.broker_order_id}"] = order
        return order

    def units(self, ticket: Ticket) -> Decimal:
        """A ticket's lots in units of its base currency."""
        return (ticket.lots * self.symbols[ticket.symbol].lot_size).normalize() + Decimal(0)

    def begin(self, ticket: Ticket, price: Decimal, order: LedgerOrder | None) -> None:
        """A position begins: charge its commission and book the execution."""
        ticket.open_price, ticket.open_time = price, self.server_time
        ticket.commission = -(ticket.lots * self.options.commission_per_lot).quantize(_CENT)
        ticket.hidden = False
        self._book(
            ticket,
            f"O{ticket.ticket}",
            ticket.side,
            order,
            price=price,
            commission=-ticket.commission,
        )
        self.touch(ticket)

    def finish(self, ticket: Ticket, price: Decimal, order: LedgerOrder | None) -> None:
        """A position ends: settle its profit and book the execution."""
        ticket.profit = self._profit(ticket, price)
        ticket.close_price, ticket.close_time = price, self.server_time
        self.balance += ticket.profit + ticket.commission + ticket.swap
        side = "SELL" if ticket.buys else "BUY"
        self._book(ticket, f"C{ticket.ticket}", side, order, price=price, commission=Decimal(0))
        self.touch(ticket)

    def split(self, ticket: Ticket, lots: Decimal) -> Ticket:
        """Leave `lots` in the ticket and move the rest to a new one, as a partial close does."""
        rest = ticket.lots - lots
        share = (ticket.commission * lots / ticket.lots).quantize(_CENT)
        remainder = self.new_ticket(
            symbol=ticket.symbol,
            type=ticket.type,
            lots=rest,
            open_time=ticket.open_time,
            open_price=ticket.open_price,
            magic=ticket.magic,
            comment=f"from #{ticket.ticket}",
            entry=ticket.entry or str(ticket.ticket),
            stop_loss=ticket.stop_loss,
            take_profit=ticket.take_profit,
            commission=ticket.commission - share,
        )
        ticket.lots, ticket.commission = lots, share
        ticket.comment = f"to #{remainder.ticket}"
        self.touch(ticket)
        return remainder

    def drop(self, ticket: Ticket, state: str, reason: str | None = None) -> None:
        """A pending order ends without a position."""
        ticket.close_time = self.server_time
        ticket.close_price = self.symbols[ticket.symbol].ask
        order = self.order_of(ticket)
        if order is not None:
            order.state, order.reason = state, reason
            self.touch_order(order)
        self.touch(ticket)

    def set_price(self, name: str, bid: Decimal, ask: Decimal) -> Symbol:
        """Set a market; a symbol that is new is added with what is usual."""
        symbol = self.symbols.setdefault(name, new_symbol(name))
        symbol.bid, symbol.ask, symbol.time = bid, ask, self.server_time
        self._changed[f"symbol {name}"] = symbol
        return symbol

    def load_symbol(self, name: str, *, loaded: bool) -> None:
        """Let terminals see a symbol's data, or nothing but its name. ValueError."""
        if name not in self.symbols:
            raise ValueError(f"there is no {name} here")
        self.symbols[name].loaded = loaded
        self._changed[f"symbol {name}"] = self.symbols[name]

    def commit(self) -> None:
        """Journal what has changed, as one line."""
        self.version += 1
        if not self._changed and not self._booked:
            return
        entry: dict[str, Any] = {"balance": str(self.balance)}
        for key, record in self._changed.items():
            entry.setdefault(key.split()[0], []).append(record.as_json())
        entry["trades"] = [trade.as_json() for trade in self._booked]
        self._journal.append(entry)
        self._changed, self._booked = {}, []

    def _profit(self, ticket: Ticket, price: Decimal) -> Decimal:
        """In the account's currency where that is the quote or the base; else as it comes."""
        moved = price - ticket.open_price if ticket.buys else ticket.open_price - price
        profit = moved * ticket.lots * self.symbols[ticket.symbol].lot_size
        if self.symbol_of_ours(ticket.symbol).startswith(self.options.currency):
            profit /= price
        return profit.quantize(_CENT)

    def _book(
        self,
        ticket: Ticket,
        execution_id: str,
        side: str,
        order: LedgerOrder | None,
        *,
        price: Decimal,
        commission: Decimal,
    ) -> None:
        seconds = self.server_time - self.server_offset
        trade = Trade(
            execution_id=execution_id,
            sequence=len(self.trades) + 1,
            symbol=self.symbol_of_ours(ticket.symbol),
            side=side,
            quantity=self.units(ticket),
            price=price,
            executed_at=datetime.fromtimestamp(seconds, UTC),
            venue_order_id=order.venue_order_id if order else None,
            broker_order_id=order.broker_order_id if order else None,
            commission=commission,
            commission_currency=self.options.currency,
        )
        self.trades.append(trade)
        self._booked.append(trade)
        if order is not None:
            order.filled_quantity += trade.quantity
            whole = order.filled_quantity >= order.quantity
            order.state = "FILLED" if whole else "PARTIALLY_FILLED"
            self.touch_order(order)

    def _replay(self, entry: Mapping[str, Any]) -> None:
        self.balance = Decimal(entry["balance"])
        for data in entry.get("ticket", ()):
            ticket = Ticket.from_json(data)
            self.tickets[ticket.ticket] = ticket
        for data in entry.get("symbol", ()):
            symbol = Symbol.from_json(data)
            self.symbols[symbol.name] = symbol
        for data in entry.get("order", ()):
            order = LedgerOrder.from_json(data)
            self.orders[order.broker_order_id] = order
        for data in entry.get("trades", ()):
            self.trades.append(Trade.from_json(data))
