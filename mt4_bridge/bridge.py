"""The bridge's core: one database, one terminal, and those who wait for an outcome.

Everything runs on one thread and one event loop. Statements are short and follow one another, so
no lock is needed, and what was answered is on disk.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sqlite3
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from mt4_bridge import commands, endings, views
from mt4_bridge.bodies import Change
from mt4_bridge.clock import Clock, milliseconds, system_clock
from mt4_bridge.errors import KeyReused, TerminalAway, UnknownOrder
from mt4_bridge.polls import Poll
from mt4_bridge.presence import Presence, Snapshot
from mt4_bridge.settings import Settings
from mt4_bridge.store import Store, fact, forget, set_fact
from mt4_bridge.tickets import open_tickets, take_tickets

log = structlog.get_logger(__name__)

SETTLED = frozenset({"DONE", "FAILED"})
# Closed tickets are asked for from a little before the last one known: two may close in a second,
# and a later one may be told first.
_OVERLAP_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class PollAnswer:
    """What the terminal is told. `command` has the fields of a COMMAND."""

    now: int
    serves: bool
    acknowledged: list[str]
    history_from: int
    command: Mapping[str, object | None] | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a client is told: 200 with the outcome, 202 while it is unknown."""

    status: int
    body: dict[str, Any]


class Bridge:
    """Opens the database at once; ConfigurationError when it cannot."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock = system_clock,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.store = Store(settings.database)
        connection = self.store.connection
        self.presence = Presence(settings.stale_after, monotonic, fact(connection, "account"))
        self.missing: set[int] = set()
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    @property
    def offset(self) -> int | None:
        """Seconds that the trade server's clock was last ahead of UTC."""
        known = fact(self.store.connection, "offset")
        return None if known is None else int(known)

    def close(self) -> None:
        """Let go of the database."""
        self.store.close()

    def forget(self) -> None:
        """Drop what is past its retention."""
        with self.store.transaction() as connection:
            forget(connection, self.clock() - self.settings.retention_milliseconds)

    def expire(self) -> None:
        """Settle the commands whose time has settled them."""
        now = self.clock()
        if commands.overdue(self.store.connection, now):
            with self.store.transaction() as connection:
                over = commands.expire(connection, now)
            self._tell(over)

    def take_poll(self, poll: Poll) -> PollAnswer:
        """Write down what a poll says, then choose what to offer. On disk when it returns."""
        speaker = self.presence.heard(poll.hello)
        snapshot = Snapshot(
            account=poll.account,
            symbols={symbol.name: symbol for symbol in poll.symbols},
            open_tickets=poll.open_tickets,
            offset=poll.offset,
            taken_at=self.clock(),
        )
        if speaker is self.presence.speakers[-1]:
            self.presence.snapshot = snapshot
        if self._is_bound(poll):
            self._bind(poll)
            changed, acknowledged = self._write(speaker.terminal, poll)
            self._tell(changed)
        else:
            acknowledged = []
        self.expire()
        serves = self.presence.serves(speaker)
        if serves and poll.account.connected:
            self._end_orders()
        return PollAnswer(
            now=self.clock(),
            serves=serves,
            acknowledged=acknowledged,
            history_from=self._history_from(poll.offset),
            command=self._lease(speaker.terminal) if serves and poll.account.connected else None,
        )

    async def change(self, kind: str, request: Change, key: str, wait: float | None) -> Answer:
        """Take a command once and wait for its outcome; the first answer to a key is the answer.

        Raises KeyReused, IdReused, TooLate, TerminalAway.
        """
        body = request.as_command()
        fingerprint = hashlib.sha256(f"{kind} {commands.canonical(body)}".encode()).hexdigest()
        answered = self._take(kind, body, milliseconds(request.valid_until), key, fingerprint)
        if answered is not None:
            return answered
        seconds = self.settings.wait if wait is None else wait
        await self._settled(request.id, seconds)
        with self.store.transaction() as connection:
            # Whoever waited beside this one on the same key may have answered first.
            answer = _kept(connection, key) or views.outcome(connection, request.id)
            connection.execute(
                "UPDATE answers SET status = ?, body = ? WHERE key = ? AND status IS NULL",
                (answer[0], json.dumps(answer[1]), key),
            )
        return Answer(*answer)

    def order(self, command_id: str) -> dict[str, Any]:
        """A command and what has come of it. Raises UnknownOrder."""
        self.expire()
        row = commands.get(self.store.connection, command_id)
        if row is None:
            raise UnknownOrder(f"{command_id} is not known here")
        return views.command(self.store.connection, row)

    def believed(self) -> Snapshot:
        """The last poll, when it can be believed now. Raises TerminalAway."""
        doubts = self.presence.doubts()
        if doubts or self.presence.snapshot is None:
            raise TerminalAway("; ".join(doubts))
        return self.presence.snapshot

    def _take(
        self, kind: str, body: dict[str, Any], valid_until: int, key: str, fingerprint: str
    ) -> Answer | None:
        """Store key and command in one transaction; the answer that the key already has."""
        now = self.clock()
        with self.store.transaction() as connection:
            known = connection.execute(
                "SELECT fingerprint FROM answers WHERE key = ?", (key,)
            ).fetchone()
            if known is not None and known["fingerprint"] != fingerprint:
                raise KeyReused(f"Idempotency-Key {key} was used with another request")
            kept = _kept(connection, key)
            if kept is not None:
                return Answer(*kept)
            if commands.get(connection, body["id"]) is None and (
                problems := self.presence.problems()
            ):
                raise TerminalAway("; ".join(problems))
            row = commands.submit(connection, kind, body, valid_until, now)
            if known is None:
                connection.execute(
                    "INSERT INTO answers (key, fingerprint, command_id, created_at) "
                    "VALUES (?, ?, ?, ?)",
                    (key, fingerprint, row["id"], now),
                )
        log.info("command taken", command_id=body["id"], kind=kind)
        return None

    async def _settled(self, command_id: str, seconds: float) -> None:
        """Wait until the command is DONE or FAILED, or the time is up."""
        told = asyncio.Event()
        self._waiting[command_id].add(told)
        try:
            async with asyncio.timeout(seconds):
                while self.order(command_id)["outcome"] == "UNKNOWN":
                    await told.wait()
                    told.clear()
        except TimeoutError:
            self.expire()
        finally:
            self._waiting[command_id].discard(told)
            if not self._waiting[command_id]:
                del self._waiting[command_id]

    def _tell(self, command_ids: Iterable[str]) -> None:
        for command_id in command_ids:
            for event in self._waiting.get(command_id, ()):
                event.set()

    def _is_bound(self, poll: Poll) -> bool:
        """True when this is the database's account, or may become it: a real login, connected."""
        if self.presence.bound_to is None:
            return poll.account.connected and poll.account.login not in {"", "0"}
        return self.presence.bound_to == poll.account.name

    def _bind(self, poll: Poll) -> None:
        """A database belongs to the first account it hears of; the offset is the latest known."""
        offset = None if poll.offset is None else str(poll.offset)
        connection = self.store.connection
        if self.presence.bound_to is None or fact(connection, "offset") != offset:
            with self.store.transaction() as connection:
                set_fact(connection, "account", poll.account.name)
                if offset is not None:
                    set_fact(connection, "offset", offset)
            self.presence.bound_to = poll.account.name

    def _write(self, terminal: str, poll: Poll) -> tuple[set[str], list[str]]:
        """Tickets first, then results; the commands that changed and the results taken."""
        now = self.clock()
        changed: set[str] = set()
        acknowledged: list[str] = []
        with self.store.transaction() as connection:
            for command_id in take_tickets(connection, poll.tickets):
                commands.settle_by_ticket(connection, command_id, now)
                changed.add(command_id)
            for result in poll.results:
                _, command_id = commands.settle(connection, terminal, result, now)
                changed.add(command_id)
                acknowledged.append(command_id)
            if poll.has_history and poll.offset is not None:
                self.missing = open_tickets(connection) - poll.open_tickets.keys()
        for result in poll.results:
            log.info("result", **{"command_id": result.text("id"), **_loggable(result.fields)})
        return changed, acknowledged

    def _end_orders(self) -> None:
        """Have those pending orders deleted whose time is over."""
        now = self.clock()
        over = endings.due(self.store.connection, now)
        if over:
            with self.store.transaction() as connection:
                for command_id in over:
                    endings.delete(connection, command_id, now)
                    log.info("its time is over", command_id=command_id)

    def _lease(self, terminal: str) -> dict[str, object | None] | None:
        if not commands.waiting(self.store.connection, terminal):
            return None
        with self.store.transaction() as connection:
            leased = commands.lease(connection, terminal, self.clock())
            return None if leased is None else views.offer(connection, *leased)

    def _history_from(self, offset: int | None) -> int:
        """From which second of the server's on closed tickets are wanted."""
        row = self.store.connection.execute(
            "SELECT max(close_server) AS latest FROM tickets"
        ).fetchone()
        server_now = self.clock() // 1000 + (offset or 0)
        if not row["latest"]:
            return server_now - int(self.settings.history.total_seconds())
        oldest = server_now - int(self.settings.retention.total_seconds())
        return max(int(row["latest"]) - _OVERLAP_SECONDS, oldest)


def _kept(connection: sqlite3.Connection, key: str) -> tuple[int, dict[str, Any]] | None:
    """The answer that was given to a key."""
    row = connection.execute(
        "SELECT status, body FROM answers WHERE key = ? AND status IS NOT NULL", (key,)
    ).fetchone()
    return None if row is None else (int(row["status"]), json.loads(row["body"]))


def _loggable(fields: Mapping[str, str]) -> dict[str, str]:
    names = ("outcome", "sent", "ticket", "code", "class", "reason", "protected")
    return {name: fields[name] for name in names if name in fields}
