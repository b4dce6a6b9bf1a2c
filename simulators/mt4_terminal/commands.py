"""Commands as the terminal in Python executes them: once, never again; after any doubt it looks.

The same rules as the expert's Commands.mqh, in the same order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from decimal import Decimal

from simulators.mt4_terminal.chart import (
    find_open_pending,
    find_placed,
    follow,
    is_closed_by_server,
    select,
)
from simulators.mt4_terminal.crashes import CrashPoint, CrashPoints, TerminalKilled
from simulators.mt4_terminal.errors import TradeCode, TradeError, class_of
from simulators.mt4_terminal.journal import Entry, TerminalJournal
from simulators.mt4_terminal.outcomes import Outcomes, Patience
from simulators.mt4_terminal.tickets import BUY, SELL, Ticket
from simulators.mt4_terminal.trade_server import TradeServer
from simulators.mt4_terminal.wire import Record

_PROTECTION_MILLISECONDS = 60_000

Call = Callable[[], Awaitable[int]]


class Commands(Outcomes):
    """What one start of a terminal does with its commands."""

    def __init__(
        self,
        patience: Patience,
        server: TradeServer,
        may_trade: Callable[[], bool],
        journal: TerminalJournal,
        *,
        crashes: CrashPoints,
        clock: Callable[[], datetime],
    ) -> None:
        super().__init__(patience, journal, clock)
        self._server = server
        self._book = server.book
        self._may_trade = may_trade
        self._crashes = crashes

    async def execute(self, command: Record) -> None:
        """Take a command from the bridge."""
        known = self._journal.entries.get(command.text("id"))
        if known is not None:
            if known.result is not None:
                known.acknowledged = False
            else:
                await self._look(known)
            return
        entry = self._journal.entries[command.text("id")] = Entry(command.text("id"), command)
        if command.text("mode") != "RUN":
            if command.text("leased_to") == self._journal.name:
                self.refuse(entry, "too_late", "it was never sent, and its time is over")
            else:
                self._journal.write_down(entry, command, "LOOK", self.now())
                await self._look(entry)
        elif self.now() > command.integer("valid_until"):
            self.refuse(entry, "too_late", "its time was over when it came")
        elif not self._server.is_connected:
            self.refuse(entry, "6", "no connection to the trade server")
        elif not self._may_trade():
            self.refuse(entry, "4109", "trading is not allowed here")
        else:
            runs = {"PLACE": self._place, "CLOSE": self._close, "MODIFY": self._modify}
            await runs[command.text("kind")](entry, command)

    async def look_for_all(self) -> None:
        """Look for what became of every command without an outcome."""
        self.note_connection(connected=self._server.is_connected)
        for entry in self._journal.entries.values():
            if not entry.is_final:
                await self._look(entry)

    async def _place(self, entry: Entry, command: Record) -> None:
        if command.text("symbol") not in self._book.symbols:
            self.refuse(entry, "4106", "the terminal does not know that symbol")
            return
        if not self._book.symbols[command.text("symbol")].loaded:
            self.refuse(entry, "not_loaded", "the terminal has not loaded that symbol yet")
            return
        placed = self._find(entry, command)
        self._write_down(entry, command, lots=Decimal(command.text("lots")))
        if placed is not None:
            await self._finish_placed(entry, placed.ticket)
            return
        kind, name = command.integer("type"), command.text("symbol")
        expires = command.integer("expires")
        wanted = Ticket(
            ticket=0,
            symbol=name,
            type=kind,
            lots=Decimal(command.text("lots")),
            open_time=0,
            open_price=Decimal(command.text("price") or 0),
            magic=command.integer("magic"),
            comment=entry.id,
            expiration=expires // 1000 + self._book.server_offset if expires else 0,
        )

        async def send() -> int:
            price = wanted.open_price
            if kind in {BUY, SELL}:
                price = self._price(name, buys=kind == BUY)
            return await self._server.send(wanted, price, command.integer("deviation"))

        number, error = await self._call(send, command.integer("valid_until"))
        if error is None:
            await self._finish_placed(entry, number)
        else:
            self.report_error(entry, error)

    async def _close(self, entry: Entry, command: Record) -> None:
        ticket = self._target(command)
        pending = command.text("target") == "PENDING"
        if ticket is None:
            self.refuse(entry, "unknown_ticket", "there is no such ticket")
        elif not ticket.is_open:
            self.refuse(entry, "closed", "the ticket is closed")
        elif pending != ticket.is_pending:
            word = "it became a position" if pending else "it is a pending order"
            self.refuse(entry, "filled" if pending else "pending", word)
        else:
            await self._close_ticket(entry, command, ticket)

    async def _close_ticket(self, entry: Entry, command: Record, ticket: Ticket) -> None:
        lots = Decimal(command.text("lots") or 0) or ticket.lots
        number, deviation = ticket.ticket, command.integer("deviation")
        if lots > ticket.lots:
            self.refuse(entry, "lots", "more lots than the ticket has")
            return
        self._write_down(entry, command, ticket=number, lots=lots)

        async def close() -> int:
            if command.text("target") == "PENDING":
                await self._server.delete(number, entry.id)
            else:
                price = self._price(ticket.symbol, buys=not ticket.buys)
                await self._server.close(number, lots, price, deviation, entry.id)
            return number

        _, error = await self._call(close, command.integer("valid_until"))
        if error is None:
            self.done(entry, number)
        else:
            self.report_error(entry, error)

    async def _modify(self, entry: Entry, command: Record) -> None:
        ticket = self._target(command)
        if ticket is None:
            self.refuse(entry, "unknown_ticket", "there is no such ticket")
            return
        if not ticket.is_open:
            self.refuse(entry, "closed", "the ticket is closed")
            return
        if not ticket.is_pending and command.fields.keys() & {"price", "expires"}:
            self.refuse(entry, "filled", "a position has neither price nor end to change")
            return
        self._write_down(entry, command, ticket=ticket.ticket, lots=ticket.lots)
        if self._is_modified(ticket, command):
            self.done(entry, ticket.ticket)
            return
        error = await self._change(ticket, command, entry.id, command.integer("valid_until"))
        if error is None:
            self.done(entry, ticket.ticket)
        else:
            self.report_error(entry, error)

    async def _change(
        self, ticket: Ticket, command: Record, note: str, valid_until: int
    ) -> int | None:
        """OrderModify to what the command wants; the last error."""
        price, stop_loss, take_profit, expiration = self._wanted(ticket, command)

        async def modify() -> int:
            stops = (stop_loss, take_profit)
            await self._server.modify(ticket.ticket, price, stops, expiration, note)
            return ticket.ticket

        return (await self._call(modify, valid_until))[1]

    async def _call(self, call: Call, valid_until: int) -> tuple[int, int | None]:
        """Call until it is done, refused, in doubt, or too late. No send follows a doubt."""
        error = 0
        for tries in range(self._patience.max_tries):
            if tries and self.now() > valid_until:
                break
            self._crashes.reach(CrashPoint.BEFORE_SEND)
            try:
                number = await call()
            except TradeError as failed:
                error = failed.code
                self._crashes.reach(CrashPoint.AFTER_SEND)
                if class_of(error) != "RETRY":
                    break
                await asyncio.sleep(self._patience.retry_seconds)
            else:
                self._crashes.reach(CrashPoint.AFTER_SEND)
                return number, None
        return 0, error

    async def _finish_placed(self, entry: Entry, number: int) -> None:
        """A PLACE is there: see to its stops, then say so."""
        command = entry.command
        if command is None or not command.fields.keys() & {"stop_loss", "take_profit"}:
            self.done(entry, number)
            return
        ticket = follow(self._book, number)
        wanted = Record(
            "COMMAND",
            {name: command.text(name) or "0" for name in ("stop_loss", "take_profit")},
        )
        error = None
        if ticket is not None and ticket.is_open and not self._is_modified(ticket, wanted):
            valid_until = command.integer("valid_until") + _PROTECTION_MILLISECONDS
            error = await self._change(ticket, wanted, entry.id, valid_until)
        if error is None or (ticket is not None and self._is_modified(ticket, wanted)):
            self.report(entry, "DONE", "YES", ticket=number, protected=1)
        else:
            self.report(
                entry,
                "DONE",
                "YES",
                ticket=number,
                code=str(error),
                error_class=class_of(error),
                reason="placed, but its stop loss and take profit could not be set",
                protected=0,
            )

    async def _look(self, entry: Entry) -> None:
        command = entry.command
        if command is None:
            return
        if not self._server.is_connected:
            self.doubt(entry, "unseen", "no connection to the trade server")
        elif command.text("kind") == "PLACE":
            placed = self._find(entry, command)
            if placed is None:
                self.report_absence(entry)
            else:
                await self._finish_placed(entry, placed.ticket)
        elif command.text("kind") == "CLOSE":
            self._look_for_closed(entry, command)
        else:
            self._look_for_modified(entry, command)

    def _look_for_closed(self, entry: Entry, command: Record) -> None:
        pending = command.text("target") == "PENDING"
        number = entry.ticket_sent or (command.integer("ticket") if entry.look_only else 0)
        ticket = select(self._book, number)
        if ticket is None:
            self.doubt(entry, "unseen", "the ticket is not in the terminal's lists")
        elif ticket.is_open and not (pending and not ticket.is_pending):
            self.report_absence(entry)
        elif ticket.is_open:
            self.fail(entry, "filled", "it became a position")
        elif entry.look_only:
            words = "the ticket is closed, and this journal does not know by whom"
            self.doubt(entry, "unattributed", words)
        elif pending and (not ticket.is_pending or "to #" in ticket.comment):
            self.fail(entry, "filled", "it became a position")
        elif not pending and (
            is_closed_by_server(ticket.comment)
            or ticket.lots != entry.lots_sent
            or self._is_closed_by_another(entry, number)
        ):
            self.fail(entry, "closed", "something else closed the ticket")
        else:
            self.done(entry, number)

    def _is_closed_by_another(self, entry: Entry, number: int) -> bool:
        """Another command of ours is known to have closed that ticket."""
        return any(
            other.command is not None
            and other.command.text("kind") == "CLOSE"
            and (other.result or {}).get("outcome") == "DONE"
            and other.ticket_sent == number
            for other in self._journal.entries.values()
            if other is not entry
        )

    def _look_for_modified(self, entry: Entry, command: Record) -> None:
        target = self._target(command)
        ticket = select(self._book, entry.ticket_sent) if entry.ticket_sent else target
        if ticket is None:
            self.doubt(entry, "unseen", "the ticket is not in the terminal's lists")
        elif self._is_modified(ticket, command):
            self.done(entry, ticket.ticket)
        elif not ticket.is_open:
            self.fail(entry, "closed", "the ticket is closed")
        else:
            self.report_absence(entry)

    def _find(self, entry: Entry, command: Record) -> Ticket | None:
        magic = command.integer("magic")
        return find_placed(self._book, entry.id, magic, command.text("symbol"))

    def _target(self, command: Record) -> Ticket | None:
        number = command.integer("ticket")
        if not number and "order" in command.fields:
            magic = command.integer("order_magic")
            placed = find_placed(self._book, command.text("order"), magic, "")
            number = placed.ticket if placed is not None else 0
        ticket = follow(self._book, number)
        pending = command.text("target") == "PENDING" or "price" in command.fields
        if ticket is None or ticket.is_open or not pending:
            return ticket
        return find_open_pending(self._book, command.integer("order_magic")) or ticket

    def _price(self, name: str, *, buys: bool) -> Decimal:
        symbol = self._book.symbols.get(name)
        if symbol is None or not symbol.loaded or not symbol.has_market:
            raise TradeError(TradeCode.OFF_QUOTES)
        return symbol.ask if buys else symbol.bid

    def _wanted(self, ticket: Ticket, command: Record) -> tuple[Decimal, Decimal, Decimal, int]:
        """Price, stop loss, take profit and expiration; what is not named stays."""
        text, expires = command.fields, command.integer("expires")
        return (
            Decimal(text.get("price", ticket.open_price)),
            Decimal(text.get("stop_loss", ticket.stop_loss)),
            Decimal(text.get("take_profit", ticket.take_profit)),
            expires // 1000 + self._book.server_offset if expires else ticket.expiration,
        )

    def _is_modified(self, ticket: Ticket, command: Record) -> bool:
        return self._wanted(ticket, command) == (
            ticket.open_price,
            ticket.stop_loss,
            ticket.take_profit,
            ticket.expiration,
        )

    def _write_down(
        self, entry: Entry, command: Record, *, ticket: int = 0, lots: Decimal = Decimal(0)
    ) -> None:
        if self._crashes.is_due(CrashPoint.TORN_JOURNAL):
            self._journal.tear("SEND", command)
            raise TerminalKilled(CrashPoint.TORN_JOURNAL.value)
        self._journal.write_down(entry, command, "SEND", self.now(), ticket=ticket, lots=lots)
