"""A session looks at what happened while nobody was there before it takes new work."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest
from sqlalchemy import text

from execution.domain.capabilities import CAPABILITIES
from execution.domain.errors import (
    AccessRefused,
    BrokerUnavailable,
    CredentialsRefused,
    OutcomeUnknown,
    RateLimited,
)
from execution.domain.orders import Order
from execution.domain.pacing import Pauses
from execution.domain.ports import Attempt, Capabilities
from execution.domain.reports import Account, Execution, VenueOrder, VenuePosition
from execution.domain.trading_rules import TradingRules
from execution.domain.vocabulary import BrokerName, Environment, OrderState, Side
from execution.store.clock import DatabaseClock
from execution.store.engine import Store
from tests.fleet import wait_until
from workers.context import Context
from workers.session import BrokerSession

from .stored import TIMING, reload, submitted, trade

NETTING = replace(CAPABILITIES[BrokerName.BINANCE], positions=True)


@dataclass
class Venue:
    """A venue that says what it is told to, once it is asked for its open orders."""

    capabilities: Capabilities = NETTING
    name: BrokerName = BrokerName.BINANCE
    needs_loop: bool = True
    open: list[VenueOrder] = field(default_factory=list)
    known: dict[str, VenueOrder] = field(default_factory=dict)
    too_old: set[str] = field(default_factory=set)
    silent: set[str] = field(default_factory=set)
    held: list[VenuePosition] = field(default_factory=list)
    happened: list[Execution] = field(default_factory=list)
    asked_since: list[datetime] = field(default_factory=list)
    may_answer: threading.Event = field(default_factory=threading.Event)
    sent: list[Attempt] = field(default_factory=list)

    async def connect(self) -> None: ...
    async def close(self) -> None: ...
    async def health_check(self) -> None: ...

    async def account(self) -> Account:
        return Account("main", is_real=False, balances={})

    async def accounts(self) -> Sequence[Account]:
        return [await self.account()]

    async def all_rules(self) -> Sequence[TradingRules]:
        return ()

    async def open_orders(self) -> Sequence[VenueOrder]:
        await asyncio.to_thread(self.may_answer.wait, 30)
        return self.open

    async def find(self, attempt: Attempt) -> VenueOrder | None:
        if attempt.venue_order_id in self.too_old:
            raise OutcomeUnknown("of an earlier day")
        if attempt.venue_order_id in self.silent:
            raise BrokerUnavailable("the answer makes no sense")
        return self.known.get(attempt.venue_order_id)

    async def executions(self, since: datetime) -> Sequence[Execution]:
        self.asked_since.append(since)
        return self.happened

    async def positions(self) -> Sequence[VenuePosition]:
        return self.held

    async def submit(self, attempt: Attempt) -> VenueOrder:
        self.sent.append(attempt)
        return self.known[attempt.venue_order_id]

    async def watch(
        self, waiting: Callable[[], Sequence[Attempt]]
    ) -> AsyncGenerator[VenueOrder, None]:
        while True:
            await asyncio.sleep(3600)
            for attempt in waiting():
                yield self.known[attempt.venue_order_id]


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """A fresh database."""
    store = Store(database_url)
    yield store
    store.close()


@pytest.fixture
def venue() -> Venue:
    """Nothing open, nothing held."""
    return Venue()


@pytest.fixture
def woken() -> list[UUID]:
    """The orders of which step 5 was told."""
    return []


@pytest.fixture
def session(store: Store, venue: Venue, woken: list[UUID]) -> Iterator[BrokerSession]:
    """A session that is not started yet."""
    settings = SimpleNamespace(
        session_timeout=timedelta(seconds=3),
        broker_call_timeout=timedelta(seconds=3),
        breaker_cooldown=timedelta(seconds=30),
        default_account="main",
        execution_environment=Environment.PRACTICE,
    )
    wanted = SimpleNamespace(wanted=list)
    context = cast(
        "Context",
        SimpleNamespace(
            store=store, settings=settings, timing=TIMING, quotes=wanted, clock=DatabaseClock()
        ),
    )
    session = BrokerSession(
        BrokerName.BINANCE,
        cast("Any", venue),
        context,
        lambda order: woken.append(order.order_id),
    )
    yield session
    venue.may_answer.set()
    session.stop()


def at_venue(order: Order, state: OrderState, *executions: Execution) -> VenueOrder:
    """What the venue says of an order."""
    return VenueOrder(
        broker_order_id="B1",
        state=state,
        symbol=order.symbol,
        side=order.side,
        quantity=order.quantity,
        filled_quantity=sum((one.quantity for one in executions), Decimal(0)),
        venue_order_id=order.attempt.venue_order_id,
        executions=executions,
    )


def alerts(store: Store) -> list[tuple[str, str | None]]:
    """The open alerts: kind and key."""
    with store.statement() as connection:
        rows = connection.execute(
            text("SELECT kind, key FROM alerts WHERE resolved_at IS NULL ORDER BY kind, key")
        )
        return [(row.kind, row.key) for row in rows]


def test_no_new_work_before(store: Store, venue: Venue, session: BrokerSession) -> None:
    """Until the venue has said what is open, nothing is sent; what was missed is heard first."""
    order = submitted(store)
    heard = trade(order, "x", "3", "100")
    venue.known[order.attempt.venue_order_id] = at_venue(order, OrderState.FILLED, heard)
    venue.happened = [replace(heard, execution_id="of-nobody", venue_order_id=None)]
    session.start()
    with pytest.raises(BrokerUnavailable):
        session.submit(order.for_venue())
    assert not venue.sent
    venue.may_answer.set()
    wait_until(lambda: session.down_for() == timedelta(0), what="the session")
    assert reload(store, order.order_id).unapplied == 1
    with store.statement() as connection:
        told = connection.execute(text("SELECT execution_id FROM execution_reports ORDER BY 1"))
        assert [row.execution_id for row in told] == [heard.execution_id, "of-nobody"]
    session.submit(order.for_venue())
    assert [attempt.venue_order_id for attempt in venue.sent] == [order.attempt.venue_order_id]


def test_adopted_orders_are_woken(
    store: Store, venue: Venue, session: BrokerSession, woken: list[UUID]
) -> None:
    """An order that filled meanwhile is looked at at once; one that still works is watched."""
    silent, too_old, filled, resting = (submitted(store) for _ in range(4))
    venue.too_old = {too_old.attempt.venue_order_id}
    venue.silent = {silent.attempt.venue_order_id}
    done = at_venue(filled, OrderState.FILLED, trade(filled, "x", "3", "100"))
    venue.known[filled.attempt.venue_order_id] = done
    venue.open = [at_venue(resting, OrderState.SUBMITTED)]
    venue.may_answer.set()
    session.start()
    wait_until(lambda: session.down_for() == timedelta(0), what="the session")
    assert filled.order_id in woken
    watchers = {reload(store, order.order_id).attempt.watcher for order in (filled, resting)}
    assert watchers == {session.session_id}


def test_what_the_database_does_not_take(
    store: Store, venue: Venue, session: BrokerSession, woken: list[UUID]
) -> None:
    """PostgreSQL takes no NUL in an id: an alert names it, and everybody else's news are there."""
    odd, other = submitted(store), submitted(store)
    for order, execution_id in ((odd, "odd\x00one"), (other, "other")):
        heard = replace(trade(order, "x", "3", "100"), execution_id=execution_id)
        said = at_venue(order, OrderState.FILLED, heard)
        venue.known[order.attempt.venue_order_id] = said
        stray = replace(heard, execution_id=f"stray {execution_id}", venue_order_id=None)
        venue.happened += [stray]
    venue.may_answer.set()
    session.start()
    wait_until(lambda: session.down_for() == timedelta(0), what="the session")
    assert woken == [other.order_id]
    assert reload(store, other.order_id).unapplied == 1
    with store.statement() as connection:
        told = connection.execute(text("SELECT execution_id FROM execution_reports ORDER BY 1"))
        assert [row.execution_id for row in told] == ["other", "stray other"]
    unread = {key for kind, key in alerts(store) if kind == "UNREADABLE_MESSAGE"}
    assert unread == {
        f"BINANCE:{odd.attempt.venue_order_id!r}",
        f"BINANCE:{'stray odd' + chr(0) + 'one'!r}",
    }


def test_breaks_are_told_and_settled(store: Store, venue: Venue, session: BrokerSession) -> None:
    """Somebody's order, one of ours that should be over, a position; gone when they are gone."""
    over = submitted(store)
    with store.transaction() as connection:
        connection.execute(text("UPDATE order_attempts SET state = 'CANCELLED'"))
        connection.execute(
            text(
                "INSERT INTO alerts (kind, key, broker, message)"
                " VALUES ('FOREIGN_ORDER', 'BINANCE:gone', 'BINANCE', '')"
            )
        )
    venue.open = [
        replace(at_venue(over, OrderState.SUBMITTED), broker_order_id="B2"),
        VenueOrder("B3", OrderState.SUBMITTED, "BTC-USDT", Side.BUY, Decimal(1)),
    ]
    venue.held = [VenuePosition("BTC-USDT", Decimal(2))]
    venue.may_answer.set()
    session.start()
    wait_until(lambda: session.down_for() == timedelta(0), what="the session")
    assert alerts(store) == [
        ("FOREIGN_ORDER", "BINANCE:B3"),
        ("POSITION_BREAK", "BINANCE:BTC-USDT"),
        ("STILL_OPEN", "BINANCE:B2"),
    ]


def test_a_database_that_never_answers(
    venue: Venue, session: BrokerSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread that never comes back is left behind: the session connects anew, and hears again."""
    let_go, record = threading.Event(), session._recorder.executions
    stuck: list[Sequence[Execution]] = []

    def hangs(heard: Sequence[Execution]) -> None:
        if not stuck:
            stuck.append(heard)
            let_go.wait(30)
        record(heard)

    monkeypatch.setattr(session._recorder, "executions", hangs)
    monkeypatch.setattr(session._context.settings, "broker_call_timeout", timedelta(seconds=0.5))
    venue.may_answer.set()
    session.start()
    wait_until(lambda: stuck, what="the recording that hangs")
    wait_until(lambda: session.down_for() == timedelta(0), what="the session")
    assert len(venue.asked_since) >= 2
    let_go.set()


def test_what_the_venue_misses(store: Store, venue: Venue, session: BrokerSession) -> None:
    """Orders that work here and that the venue shows no more, or cannot tell of, are told."""
    gone, too_old, works, fresh = (submitted(store) for _ in range(4))
    with store.transaction() as connection:
        connection.execute(
            text(
                """UPDATE orders SET updated_at = clock_timestamp() - interval '2 minutes'
                WHERE order_id <> :fresh"""
            ),
            {"fresh": fresh.order_id},
        )
    venue.too_old = {too_old.attempt.venue_order_id}
    venue.open = [at_venue(works, OrderState.SUBMITTED)]
    venue.may_answer.set()
    session.start()
    wait_until(lambda: session.down_for() == timedelta(0), what="the session")
    keys = [f"BINANCE:{one.attempt.venue_order_id}" for one in (gone, too_old)]
    assert alerts(store) == [("MISSING_ORDER", key) for key in sorted(keys)]


def test_executions_are_asked_for_from_when_somebody_last_listened(
    store: Store, venue: Venue, session: BrokerSession
) -> None:
    """After three days away, a look back of one day would miss two."""
    with store.transaction() as connection:
        connection.execute(
            text(
                """INSERT INTO broker_sessions
                    (session_id, broker, worker, status, heartbeat_at, ended_at)
                VALUES (gen_random_uuid(), 'BINANCE', 'w', 'LIVE_READY',
                    clock_timestamp() - interval '3 days', clock_timestamp() - interval '3 days')"""
            )
        )
    venue.may_answer.set()
    session.start()
    wait_until(lambda: venue.asked_since, what="the question")
    assert datetime.now(UTC) - venue.asked_since[0] > timedelta(days=3)


@pytest.mark.parametrize(
    ("error", "at_least"),
    [
        (BrokerUnavailable("nobody there"), 0.0),
        (CredentialsRefused("wrong key"), 60.0),
        (AccessRefused("not from here"), 60.0),
        (RateLimited("banned", wait=1234.0), 1234.0),
    ],
)
def test_pauses_between_tries(
    venue: Venue,
    session: BrokerSession,
    monkeypatch: pytest.MonkeyPatch,
    error: BrokerUnavailable,
    at_least: float,
) -> None:
    """Each is asked for as long as no connection lasts, with what the failure itself asks for."""
    asked: list[tuple[float, float]] = []

    class Recorded(Pauses):
        def after(self, lasted: float, *, at_least: float = 0.0) -> float:
            asked.append((lasted, at_least))
            return 0.001

    async def refused() -> None:
        raise error

    monkeypatch.setattr("workers.session.Pauses", Recorded)
    monkeypatch.setattr(venue, "connect", refused)
    session.start()
    wait_until(lambda: len(asked) > 5, what="some tries")
    assert set(asked[:5]) == {(0.0, at_least)}


def test_a_connection_that_does_not_last_shortens_no_pause(
    venue: Venue, session: BrokerSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was ready each time, and lost at once."""
    asked: list[float] = []

    class Recorded(Pauses):
        def after(self, lasted: float, *, at_least: float = 0.0) -> float:
            asked.append(lasted)
            return 0.001

    async def lost(_: object) -> None:
        raise BrokerUnavailable("lost again")

    monkeypatch.setattr("workers.session.Pauses", Recorded)
    monkeypatch.setattr(session, "_serve", lost)
    venue.may_answer.set()
    session.start()
    wait_until(lambda: len(asked) > 3, what="some tries")
    assert all(lasted < 5 for lasted in asked)
