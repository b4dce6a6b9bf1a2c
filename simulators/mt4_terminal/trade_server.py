"""The trade server: carries out what a terminal asks, or goes wrong as it was told to.

A request raises TradeError with GetLastError's number. What an armed fault does:

drop_request  128 (timeout), nothing was taken      drop_reply  taken, then 128
error_reply   taken, then 1 (result unknown)        delay, delay_reply  it takes `seconds`
disconnect    6 (no connection), for `seconds`      unavailable  132 (market closed)
taken_late    `code` (else 128), and `seconds` later it is carried out all the same
reject        `code` if it is a number (138 requote, 136 off quotes, 146 busy, ...), else 134;
              with scope VENUE 133 (trade disabled)
hold_fills    a market order: 142 (enqueued), carried out when the fault ends; a pending order is
              not triggered for as long
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from decimal import Decimal

from simulators.faults import COMMON, Fault, FaultKind, Faults
from simulators.mt4_terminal.book import Book
from simulators.mt4_terminal.errors import TradeCode, TradeError
from simulators.mt4_terminal.tickets import BUY, SELL, Symbol, Ticket

SUPPORTED = COMMON | {FaultKind.TAKEN_LATE}


class TradeServer:
    """The operations of the account in `book`. `allows_trading` is the account's own switch."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self.faults = Faults(SUPPORTED)
        self.allows_trading = True
        self._away_until = 0.0
        self._held: dict[int, Fault] = {}
        self._late: list[asyncio.TimerHandle] = []

    @property
    def is_connected(self) -> bool:
        """True while terminals reach it."""
        return asyncio.get_running_loop().time() >= self._away_until

    def close_down(self) -> None:
        """Forget what was to be carried out later, as a server that dies does."""
        for handle in self._late:
            handle.cancel()

    async def send(self, ticket: Ticket, price: Decimal, deviation: int) -> int:
        """OrderSend: `ticket` says what is wanted; gives its number."""
        await self._before("submit", ticket.symbol, ticket.comment)
        self._check_order(ticket, price, deviation)
        self._take_late(
            "submit", ticket.symbol, ticket.comment, lambda: self._take(ticket, price, None)
        )
        held = self.faults.take(
            FaultKind.HOLD_FILLS, symbol=self._ours(ticket.symbol), venue_order_id=ticket.comment
        )
        number = self._take(ticket, price, held)
        await self._after("submit", ticket.symbol, ticket.comment)
        if held is not None and not self.book.tickets[number].is_pending:
            raise TradeError(TradeCode.ENQUEUED)
        return number

    async def close(
        self, number: int, lots: Decimal, price: Decimal, deviation: int, note: str
    ) -> None:
        """OrderClose, in whole or in part."""
        ticket = self._open(number)
        await self._before("submit", ticket.symbol, note)
        ticket = self._open(number)
        if ticket.is_pending or not Decimal(0) < lots <= ticket.lots:
            raise TradeError(TradeCode.INVALID_VOLUME)
        symbol = self._market(ticket.symbol)
        now = symbol.bid if ticket.buys else symbol.ask
        self._check_price(symbol, price, now, deviation)
        self._take_late(
            "submit", ticket.symbol, note, lambda: self._close(self._open(number), lots, now, note)
        )
        self._close(ticket, lots, now, note)
        await self._after("submit", ticket.symbol, note)

    async def delete(self, number: int, note: str) -> None:
        """OrderDelete of a pending order."""
        ticket = self._open(number)
        await self._before("cancel", ticket.symbol, note)
        ticket = self._open(number)
        self._take_late("cancel", ticket.symbol, note, lambda: self._delete(number))
        self._delete(number)
        await self._after("cancel", ticket.symbol, note)

    async def modify(
        self,
        number: int,
        price: Decimal,
        stops: tuple[Decimal, Decimal],
        expiration: int,
        note: str,
    ) -> None:
        """OrderModify: `stops` are stop loss and take profit, 0 for none."""
        ticket = self._open(number)
        await self._before("modify", ticket.symbol, note)
        ticket = self._open(number)
        wanted = (price if ticket.is_pending else ticket.open_price, *stops, expiration)
        if wanted == (ticket.open_price, ticket.stop_loss, ticket.take_profit, ticket.expiration):
            raise TradeError(TradeCode.NO_RESULT)
        self._check_stops(ticket, wanted[0], stops)
        if ticket.is_pending:
            self._check_pending(ticket, price)
        self._take_late("modify", ticket.symbol, note, lambda: self._modify(number, wanted))
        self._modify(number, wanted)
        await self._after("modify", ticket.symbol, note)

    def set_price(self, name: str, bid: Decimal, ask: Decimal) -> None:
        """Set a market (the server's own spelling); whatever it reaches is carried out."""
        self.book.set_price(name, bid, ask)
        self.match(name)

    def match(self, name: str) -> None:
        """Trigger what the market of a symbol has reached, and end what is over."""
        symbol = self.book.symbols[name]
        for ticket in [one for one in self.book.open_tickets() if one.symbol == name]:
            if ticket.is_pending:
                self._match_pending(ticket, symbol)
            elif symbol.has_market:
                self._match_stops(ticket, symbol)
        self.book.commit()

    def pass_time(self) -> None:
        """Do what time alone does: expirations, and holds that have run out."""
        over = [ticket for ticket in self.book.open_tickets() if self._is_over(ticket)]
        for name in {ticket.symbol for ticket in over}:
            self.match(name)
        waiting = {ticket.ticket for ticket in self.book.tickets.values() if ticket.hidden}
        for number in waiting | self._held.keys():
            if not self._is_held(self.book.tickets[number]):
                self.release(number)

    def release(self, number: int) -> None:
        """End the hold of one order: what it could do by now, it does."""
        self._held.pop(number, None)
        ticket = self.book.tickets[number]
        if ticket.hidden:
            symbol = self._market(ticket.symbol)
            price = symbol.ask if ticket.buys else symbol.bid
            self.book.begin(ticket, price, self.book.order_of(ticket))
        self.match(ticket.symbol)

    def on_cleared(self, faults: Sequence[Fault]) -> None:
        """Let go of what those faults were holding."""
        for number, fault in list(self._held.items()):
            if fault in faults:
                self.release(number)
        if any(fault.kind is FaultKind.DISCONNECT for fault in faults):
            self._away_until = 0.0

    def close_by_hand(self, number: int, lots: Decimal | None = None) -> None:
        """Somebody closes a position at the market, without a terminal of ours. ValueError."""
        ticket = self.book.tickets.get(number)
        if ticket is None or not ticket.is_open or ticket.is_pending:
            raise ValueError(f"{number} is no open position")
        symbol = self._market(ticket.symbol)
        price = symbol.bid if ticket.buys else symbol.ask
        self._close(ticket, lots or ticket.lots, price, None)

    def place_by_hand(self, name: str, side: str, lots: Decimal) -> int:
        """Somebody trades at the market, without a terminal of ours."""
        symbol = self._market(name)
        ticket = Ticket(
            0, name, BUY if side == "BUY" else SELL, lots, 0, Decimal(0), magic=0, comment=""
        )
        return self._take(ticket, symbol.ask if ticket.buys else symbol.bid, None)

    def _take_late(
        self, operation: str, name: str, note: str, request: Callable[[], object]
    ) -> None:
        """Where it is armed: answer with a code that says nothing, and carry it out later."""
        fault = self.faults.take(
            FaultKind.TAKEN_LATE, operation, symbol=self._ours(name), venue_order_id=note
        )
        if fault is None:
            return

        def carry_out() -> None:
            with suppress(TradeError):  # what it was about may be gone by then
                request()

        self._late.append(asyncio.get_running_loop().call_later(fault.seconds, carry_out))
        raise TradeError(int(fault.code) if fault.code.isdigit() else TradeCode.TRADE_TIMEOUT)

    def _delete(self, number: int) -> None:
        ticket = self._open(number)
        if not ticket.is_pending:
            raise TradeError(TradeCode.INVALID_TICKET)
        self.book.drop(ticket, "CANCELLED")
        self.book.commit()

    def _modify(self, number: int, wanted: tuple[Decimal, Decimal, Decimal, int]) -> None:
        ticket = self._open(number)
        ticket.open_price, ticket.stop_loss, ticket.take_profit, ticket.expiration = wanted
        order = self.book.order_of(ticket)
        if order is not None and ticket.is_pending:
            order.limit_price = wanted[0] if order.limit_price is not None else None
            order.stop_price = wanted[0] if order.stop_price is not None else None
            self.book.touch_order(order)
        self.book.touch(ticket)
        self.match(ticket.symbol)

    def _close(self, ticket: Ticket, lots: Decimal, price: Decimal, note: str | None) -> None:
        if lots < ticket.lots:
            self.book.split(ticket, lots)
        order = None
        if note is not None:
            order = self.book.accept(ticket, note, suffix="C")
            order.side = "SELL" if ticket.buys else "BUY"
        self.book.finish(ticket, price, order)
        self.book.commit()

    def _take(self, wanted: Ticket, price: Decimal, held: Fault | None) -> int:
        """Accept an order; a market order is carried out at once unless it is held."""
        book = self.book
        ticket = book.new_ticket(
            symbol=wanted.symbol,
            type=wanted.type,
            lots=wanted.lots,
            open_time=book.server_time,
            open_price=price,
            magic=wanted.magic,
            comment=wanted.comment,
            expiration=wanted.expiration,
            stop_loss=wanted.stop_loss,
            take_profit=wanted.take_profit,
        )
        order = book.accept(ticket, wanted.comment) if wanted.comment else None
        if held is not None:
            self._held[ticket.ticket] = held
            ticket.hidden = not ticket.is_pending
        elif not ticket.is_pending:
            symbol = self._market(ticket.symbol)
            book.begin(ticket, symbol.ask if ticket.buys else symbol.bid, order)
        book.commit()
        self.match(ticket.symbol)
        return ticket.ticket

    def _match_pending(self, ticket: Ticket, symbol: Symbol) -> None:
        if self._is_over(ticket):
            self.book.drop(ticket, "EXPIRED", "its time is over")
            return
        if not symbol.has_market or self._is_held(ticket):
            return
        now = symbol.ask if ticket.buys else symbol.bid
        falls_to = ticket.type in {2, 5}
        if now > ticket.open_price if falls_to else now < ticket.open_price:
            return
        order = self.book.order_of(ticket)
        ticket.type = BUY if ticket.buys else SELL
        self.book.begin(ticket, now, order)

    def _match_stops(self, ticket: Ticket, symbol: Symbol) -> None:
        now = symbol.bid if ticket.buys else symbol.ask
        gain = now - ticket.open_price if ticket.buys else ticket.open_price - now
        for level, word in ((ticket.stop_loss, "[sl]"), (ticket.take_profit, "[tp]")):
            if not level:
                continue
            to_level = level - ticket.open_price if ticket.buys else ticket.open_price - level
            if gain <= to_level if word == "[sl]" else gain >= to_level:
                kept = self.book.options.comment_limit - len(word)
                ticket.comment = ticket.comment[:kept] + word
                self.book.finish(ticket, now, None)
                return

    def _is_over(self, ticket: Ticket) -> bool:
        return (
            ticket.is_pending
            and ticket.expiration != 0
            and self.book.server_time >= ticket.expiration
        )

    def _is_held(self, ticket: Ticket) -> bool:
        fault = self._held.get(ticket.ticket)
        if fault is None:
            return False
        since = self.book.server_time - ticket.open_time
        return not 0 < fault.seconds <= since

    def _check_order(self, ticket: Ticket, price: Decimal, deviation: int) -> None:
        symbol = self._market(ticket.symbol)
        if not symbol.min_lot <= ticket.lots <= symbol.max_lot or ticket.lots % symbol.lot_step:
            raise TradeError(TradeCode.INVALID_VOLUME)
        if (ticket.stop_loss or ticket.take_profit) and self.book.options.separate_stops:
            raise TradeError(TradeCode.INVALID_STOPS)
        self._check_stops(ticket, price, (ticket.stop_loss, ticket.take_profit))
        needed = ticket.lots * symbol.lot_size * symbol.ask / self.book.options.leverage
        if not ticket.is_pending and needed > self.book.equity() - self.book.margin():
            raise TradeError(TradeCode.NOT_ENOUGH_MONEY)
        if ticket.is_pending:
            self._check_pending(ticket, price)
        else:
            now = symbol.ask if ticket.buys else symbol.bid
            self._check_price(symbol, price, now, deviation)

    def _check_pending(self, ticket: Ticket, price: Decimal) -> None:
        """A limit lies on the good side of the market, a stop on the bad one."""
        symbol = self._market(ticket.symbol)
        now = symbol.ask if ticket.buys else symbol.bid
        falls_to = ticket.type in {2, 5}
        if price <= 0 or (price >= now if falls_to else price <= now):
            raise TradeError(TradeCode.INVALID_STOPS)

    @staticmethod
    def _check_price(symbol: Symbol, price: Decimal, now: Decimal, deviation: int) -> None:
        if abs(price - now) > deviation * symbol.point:
            raise TradeError(TradeCode.REQUOTE)

    @staticmethod
    def _check_stops(ticket: Ticket, price: Decimal, stops: tuple[Decimal, Decimal]) -> None:
        stop_loss, take_profit = stops
        sign = 1 if ticket.buys else -1
        if (stop_loss and (price - stop_loss) * sign <= 0) or (
            take_profit and (take_profit - price) * sign <= 0
        ):
            raise TradeError(TradeCode.INVALID_STOPS)

    def _open(self, number: int) -> Ticket:
        ticket = self.book.tickets.get(number)
        if ticket is None or not ticket.is_open or ticket.hidden:
            raise TradeError(TradeCode.INVALID_TICKET)
        return ticket

    def _market(self, name: str) -> Symbol:
        symbol = self.book.symbols.get(name)
        if symbol is None:
            raise TradeError(TradeCode.UNKNOWN_SYMBOL)
        if not symbol.has_market:
            raise TradeError(TradeCode.OFF_QUOTES)
        return symbol

    def _ours(self, name: str) -> str:
        return self.book.symbol_of_ours(name)

    async def _before(self, operation: str, name: str, note: str) -> None:
        """Whatever may go wrong before the server takes a request."""
        match = {"symbol": self._ours(name), "venue_order_id": note}
        if fault := self.faults.take(FaultKind.DISCONNECT, operation, **match):
            self._away_until = asyncio.get_running_loop().time() + fault.seconds
            raise TradeError(TradeCode.NO_CONNECTION)
        if not self.is_connected:
            raise TradeError(TradeCode.NO_CONNECTION)
        if self.faults.take(FaultKind.UNAVAILABLE, operation, **match):
            raise TradeError(TradeCode.MARKET_CLOSED)
        if self.faults.take(FaultKind.DROP_REQUEST, operation, **match):
            raise TradeError(TradeCode.TRADE_TIMEOUT)
        if fault := self.faults.take(FaultKind.DELAY, operation, **match):
            await asyncio.sleep(fault.seconds)
        if fault := self.faults.take(FaultKind.REJECT, operation, **match):
            if fault.scope == "VENUE":
                raise TradeError(TradeCode.TRADE_DISABLED)
            raise TradeError(
                int(fault.code) if fault.code.isdigit() else TradeCode.NOT_ENOUGH_MONEY
            )
        if not self.allows_trading:
            raise TradeError(TradeCode.TRADE_DISABLED)

    async def _after(self, operation: str, name: str, note: str) -> None:
        """Whatever may go wrong once it has."""
        match = {"symbol": self._ours(name), "venue_order_id": note}
        if fault := self.faults.take(FaultKind.DELAY_REPLY, operation, **match):
            await asyncio.sleep(fault.seconds)
        if self.faults.take(FaultKind.DROP_REPLY, operation, **match):
            raise TradeError(TradeCode.TRADE_TIMEOUT)
        if self.faults.take(FaultKind.ERROR_REPLY, operation, **match):
            raise TradeError(TradeCode.NO_RESULT)
