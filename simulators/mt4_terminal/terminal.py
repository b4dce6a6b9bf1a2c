"""The terminal in Python: does toward the bridge what the expert does, command for command.

It serves where no compiler is at hand; tests hold the two to the same cases.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import aiohttp

from simulators.mt4_terminal.commands import Commands
from simulators.mt4_terminal.crashes import CrashPoint, CrashPoints, TerminalKilled
from simulators.mt4_terminal.journal import Entry, TerminalJournal
from simulators.mt4_terminal.snapshot import (
    account_record,
    symbol_record,
    ticket_record,
    ticket_records,
)
from simulators.mt4_terminal.trade_server import TradeServer
from simulators.mt4_terminal.wire import END, Record, read, write

JOURNAL_NAME = "superintel-bridge.journal"
_HISTORY_EVERY_SECONDS = 60.0
_OK = 200

MayTrade = Callable[[], bool]


@dataclass(frozen=True, slots=True)
class TerminalOptions:
    """How a terminal is set up; the expert's inputs by other names."""

    bridge_url: str
    token: str
    folder: Path
    poll_seconds: float = 0.2
    request_timeout: float = 5.0
    look_seconds: float = 60.0
    max_tries: int = 10
    retry_seconds: float = 0.3
    allow_real: bool = False


class Terminal:
    """One start of a terminal: `run` until it is cancelled or killed by a crash point."""

    def __init__(
        self,
        options: TerminalOptions,
        server: TradeServer,
        may_trade: MayTrade,
        clock: Callable[[], datetime],
    ) -> None:
        self._options = options
        self._server = server
        self._may_trade = may_trade
        self._crashes = CrashPoints(options.folder / "crash")
        self._journal = TerminalJournal(
            options.folder / JOURNAL_NAME, f"simulated-{secrets.token_hex(8)}"
        )
        self._instance = secrets.token_hex(8)
        self._polls = 0
        self._history_from: int | None = None
        self._history_told: tuple[int, float] = (-1, 0.0)
        self._commands = Commands(
            options, server, may_trade, self._journal, crashes=self._crashes, clock=clock
        )

    async def run(self) -> None:
        """Poll and execute. TerminalKilled when a crash point was reached."""
        timeout = aiohttp.ClientTimeout(total=self._options.request_timeout)
        headers = {
            "Authorization": f"Bearer {self._options.token}",
            "Content-Type": "text/plain; charset=utf-8",
        }
        try:
            async with aiohttp.ClientSession(timeout=timeout, headers=headers) as session:
                while True:
                    await self._work(session)
                    await asyncio.sleep(self._options.poll_seconds)
        finally:
            self._journal.close()

    async def _work(self, session: aiohttp.ClientSession) -> None:
        """Ask, execute, report, until there is nothing more to do."""
        while True:
            await self._commands.look_for_all()
            command = await self._poll(session)
            if command is None:
                return
            await self._commands.execute(command)

    async def _poll(self, session: aiohttp.ClientSession) -> Record | None:
        """One poll; the command that came with the answer."""
        self._polls += 1
        reporting = [
            entry
            for entry in self._journal.entries.values()
            if entry.result is not None and not entry.acknowledged
        ]
        closed = len(self._server.book.closed_tickets())
        asked_at = asyncio.get_running_loop().time()
        body = "".join(f"{line}\n" for line in self._lines(reporting, closed, asked_at))
        if reporting:
            self._crashes.reach(CrashPoint.BEFORE_REPORT)
        try:
            async with session.post(
                f"{self._options.bridge_url}/terminal/poll", data=body.encode()
            ) as reply:
                text, status = await reply.text(), reply.status
        except (aiohttp.ClientError, TimeoutError, OSError):
            return None
        lines = text.split("\n")
        if status != _OK or lines[-2:] != [END, ""] or not lines[0].startswith("OK"):
            return None
        if reporting:
            self._crashes.reach(CrashPoint.AFTER_REPORT)
        return self._take([read(line) for line in lines[:-2]], closed, asked_at)

    def _take(self, answer: list[Record], closed: int, asked_at: float) -> Record | None:
        """Heed an answer; the command in it."""
        command: Record | None = None
        told_history = self._is_history_due(closed, asked_at)
        self._commands.hear_bridge(answer[0].integer("now"), asked_at)
        for record in answer[1:]:
            if record.kind == "ACK":
                entry = self._journal.entries.get(record.text("id"))
                if entry is not None and not entry.acknowledged:
                    self._journal.acknowledge(entry)
            elif record.kind == "HISTORY":
                self._history_from = record.integer("from_server")
            elif record.kind == "COMMAND":
                command = record
        if told_history:
            self._history_told = (closed, asked_at)
        if command is not None:
            self._crashes.reach(CrashPoint.AFTER_COMMAND)
        return command

    def _is_history_due(self, closed: int, now: float) -> bool:
        told, at = self._history_told
        return self._history_from is not None and (
            told != closed or now - at >= _HISTORY_EVERY_SECONDS
        )

    def _lines(self, reporting: list[Entry], closed: int, now: float) -> Iterator[str]:
        book = self._server.book
        yield write(
            "HELLO",
            {
                "protocol": 1,
                "terminal": self._journal.name,
                "instance": self._instance,
                "poll": self._polls,
                "expert": "simulated",
            },
        )
        connected = self._server.is_connected
        yield account_record(book, connected=connected, trade_allowed=self._may_trade())
        offset = book.server_offset
        clock = {"now_server": book.server_time, "utc": self._commands.now(), "offset": offset}
        yield write("CLOCK", clock)
        for symbol in book.symbols.values():
            yield symbol_record(symbol)
        due = self._is_history_due(closed, now)
        yield from ticket_records(book, self._history_from if due else None)
        for entry in reporting:
            result = entry.result or {}
            ticket = book.tickets.get(int(str(result.get("ticket") or 0)))
            if ticket is not None and not ticket.is_open:
                yield ticket_record(book, ticket)
            yield write("RESULT", result)
        yield END


__all__ = ["JOURNAL_NAME", "MayTrade", "Terminal", "TerminalKilled", "TerminalOptions"]
