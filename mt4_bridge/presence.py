"""Who speaks for the account, and whether it can be believed: heartbeats, two terminals, readiness.

Kept in memory: after a restart of the bridge the first poll brings all of it back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from mt4_bridge.wire import Record


@dataclass(frozen=True, slots=True)
class AccountState:
    """The account as the terminal last told it; money in `currency`."""

    login: str
    server: str
    company: str
    currency: str
    balance: Decimal
    equity: Decimal
    margin: Decimal
    free_margin: Decimal
    leverage: int
    demo: bool
    connected: bool
    trade_allowed: bool

    @property
    def name(self) -> str:
        """What a bridge's database is bound to."""
        return f"{self.login}@{self.server}"


@dataclass(frozen=True, slots=True)
class SymbolState:
    """A symbol as the terminal last told it. `quoted_at`: milliseconds UTC, None while unknown."""

    name: str
    bid: Decimal
    ask: Decimal
    quoted_at: int | None
    digits: int
    lot_size: Decimal
    lot_step: Decimal
    min_lot: Decimal
    max_lot: Decimal
    stops_level: int
    freeze_level: int
    trade_allowed: bool


@dataclass(frozen=True, slots=True)
class OpenTicket:
    """An open ticket with what moves by the tick and is not stored."""

    ticket: int
    profit: Decimal
    swap: Decimal


@dataclass(slots=True)
class Snapshot:
    """What the last poll of the served terminal said."""

    account: AccountState
    symbols: Mapping[str, SymbolState]
    open_tickets: Mapping[int, OpenTicket]
    offset: int | None
    taken_at: int


@dataclass(slots=True)
class Speaker:
    """One instance of an expert: `first` and `last` are monotonic seconds of its polls."""

    terminal: str
    instance: str
    first: float
    last: float


@dataclass(slots=True)
class Presence:
    """Everybody heard lately, newest last."""

    stale_after: float
    monotonic: Callable[[], float]
    bound_to: str | None = None
    snapshot: Snapshot | None = None
    speakers: list[Speaker] = field(default_factory=list)

    def heard(self, hello: Record) -> Speaker:
        """Note that somebody spoke. Malformed when it does not say who."""
        terminal, instance, now = hello.text("terminal"), hello.text("instance"), self.monotonic()
        self.speakers = [one for one in self.speakers if now - one.last <= self.stale_after]
        for speaker in self.speakers:
            if (speaker.terminal, speaker.instance) == (terminal, instance):
                speaker.last = now
                return speaker
        self.speakers.append(Speaker(terminal, instance, now, now))
        return self.speakers[-1]

    def serves(self, speaker: Speaker) -> bool:
        """True when commands may go to it: the newest, alone, of the right account."""
        return speaker is self.speakers[-1] and not self._rivals() and self._account_fits()

    def problems(self) -> list[str]:
        """Why orders cannot be placed now, in words; empty when they can."""
        found = self.doubts()
        if not found and self.snapshot is not None and not self.snapshot.account.trade_allowed:
            found.append("the terminal may not trade: AutoTrading, the expert's or the account's")
        return found

    def doubts(self) -> list[str]:
        """Why what the terminal last told cannot be believed now; empty when it can."""
        if self.snapshot is None or not self.speakers:
            return ["no terminal has been heard since the bridge started"]
        age = self.monotonic() - self.speakers[-1].last
        if age > self.stale_after:
            return [f"the terminal was last heard {age:.1f} s ago"]
        found = []
        if rivals := self._rivals():
            found.append(
                f"{len(rivals) + 1} terminals speak at once; stop all but one "
                f"({', '.join(one.terminal for one in [*rivals, self.speakers[-1]])})"
            )
        if self.bound_to is None:
            found.append("the terminal is not logged in to an account")
        elif not self._account_fits():
            found.append(
                f"the terminal is logged in to {self.snapshot.account.name}, and this bridge's "
                f"database belongs to {self.bound_to}"
            )
        if not self.snapshot.account.connected:
            found.append("the terminal has no connection to its trade server")
        if self.snapshot.offset is None:
            found.append("the trade server's clock is not known yet: no price has moved")
        return found

    def _rivals(self) -> list[Speaker]:
        """Older ones that have spoken after the newest began, and lately."""
        newest, now = self.speakers[-1], self.monotonic()
        return [
            one
            for one in self.speakers[:-1]
            if one.last >= newest.first and now - one.last <= self.stale_after
        ]

    def _account_fits(self) -> bool:
        return self.snapshot is not None and self.bound_to == self.snapshot.account.name
