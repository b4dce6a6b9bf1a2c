"""What the terminal in Python reports of its commands, and by which clocks it judges them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from simulators.mt4_terminal.errors import class_of, never_left
from simulators.mt4_terminal.journal import Entry, TerminalJournal

LONG_LOOK = 10
"""So many times `look_seconds` is looked for what may have been sent, counted from the answer."""


class Patience(Protocol):
    """How often and how long: see `simulators.mt4_terminal.terminal.TerminalOptions`."""

    @property
    def look_seconds(self) -> float:
        """A tenth of how long to look for what may have been sent; connected at least so long."""

    @property
    def max_tries(self) -> int:
        """Of a request that is refused for the moment."""

    @property
    def retry_seconds(self) -> float:
        """Between them."""


class Outcomes:
    """Writes results down and decides what a doubt has become."""

    def __init__(
        self, patience: Patience, journal: TerminalJournal, clock: Callable[[], datetime]
    ) -> None:
        self._patience = patience
        self._journal = journal
        self._clock = clock
        self._bridge: tuple[int, float] | None = None
        self._connected_at: float | None = None
        self._looking_since: dict[str, float] = {}

    def hear_bridge(self, now: int, asked_at: float) -> None:
        """The bridge's clock (milliseconds), in answer to a request begun at `asked_at`."""
        self._bridge = (now, asked_at)

    def now(self) -> int:
        """The latest of the clocks: an order must rather be refused than be late."""
        own = int(self._clock().timestamp() * 1000)
        if self._bridge is None:
            return own
        said, asked_at = self._bridge
        since = asyncio.get_running_loop().time() - asked_at
        return max(own, said + int(since * 1000))

    def note_connection(self, *, connected: bool) -> None:
        """Absence is proven only by a terminal that has been connected for long enough."""
        if not connected:
            self._connected_at = None
        elif self._connected_at is None:
            self._connected_at = asyncio.get_running_loop().time()

    def report_error(self, entry: Entry, error: int) -> None:
        """What a call that was not done means for its command."""
        if class_of(error) == "UNKNOWN":
            self._looking_since[entry.id] = asyncio.get_running_loop().time()
            self.doubt(entry, str(error), "the trade server did not say what became of it")
        elif never_left(error):
            self.refuse(entry, str(error), "the terminal refused it")
        else:
            self.report(
                entry,
                "FAILED",
                "YES",
                code=str(error),
                error_class=class_of(error),
                reason="the trade server refused it",
            )

    def report_absence(self, entry: Entry) -> None:
        """Absent only when whatever was sent must have shown by now.

        The look begins with the answer, or with the start of a terminal that has had none.
        """
        now, look = asyncio.get_running_loop().time(), self._patience.look_seconds
        connected = now - (self._connected_at if self._connected_at is not None else now)
        looked = now - self._looking_since.setdefault(entry.id, now)
        if looked > look * LONG_LOOK and connected > look:
            self.fail(entry, "absent", "looked for it long enough: it is not there")
        else:
            self.doubt(entry, "unseen", "sent, and not seen yet")

    def done(self, entry: Entry, number: int) -> None:
        """It happened, to that ticket."""
        self.report(entry, "DONE", "YES", ticket=number)

    def refuse(self, entry: Entry, code: str, reason: str) -> None:
        """It never left the terminal."""
        self.report(entry, "FAILED", "NO", code=code, error_class="FINAL", reason=reason)

    def fail(self, entry: Entry, code: str, reason: str) -> None:
        """It was sent, and has definitely not happened."""
        self.report(entry, "FAILED", "YES", code=code, error_class="FINAL", reason=reason)

    def doubt(self, entry: Entry, code: str, reason: str) -> None:
        """Told once: the bridge knows that this terminal goes on looking."""
        if entry.result is None:
            self.report(entry, "UNKNOWN", "MAYBE", code=code, error_class="UNKNOWN", reason=reason)

    def report(
        self,
        entry: Entry,
        outcome: str,
        sent: str,
        *,
        ticket: int | None = None,
        code: str | None = None,
        error_class: str | None = None,
        reason: str | None = None,
        protected: int | None = None,
    ) -> None:
        """Settle or doubt an entry; what is final is in the journal before anybody hears of it."""
        entry.result = {
            "id": entry.id,
            "outcome": outcome,
            "sent": sent,
            "ticket": ticket,
            "code": code,
            "class": error_class,
            "reason": reason,
            "protected": protected,
        }
        entry.is_final = outcome != "UNKNOWN"
        entry.acknowledged = False
        if entry.is_final:
            self._journal.settle(entry)
