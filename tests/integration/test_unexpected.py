"""What a venue, a crash or a lost reply makes of an order when things go otherwise than planned."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from execution.domain.lifecycle import Step
from execution.domain.mapping import ExchangeMapper
from execution.domain.orders import Order
from execution.domain.ports import Modification
from execution.domain.reports import ReportKind, VenueOrder
from execution.domain.vocabulary import BrokerName, OrderState, SessionStatus
from execution.store import (
    alerts,
    amendments,
    executions,
    following,
    loading,
    orders,
    positions,
    recovery,
    reports,
    sessions,
)
from execution.store.engine import Store
from tests.fleet import wait_until

from .stored import START, TIMING, apply, intended, persisted, reload, submitted, trade


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """A fresh database."""
    store = Store(database_url)
    yield store
    store.close()


def said(order: Order, state: OrderState, filled: str = "0", **changes: Any) -> VenueOrder:
    """The venue's word on an order."""
    return VenueOrder(
        "1", state, order.symbol, order.side, order.quantity, Decimal(filled), **changes
    )


def rows(store: Store, statement: str) -> list[Any]:
    """Rows of a query."""
    with store.statement() as connection:
        return list(connection.execute(text(statement)))


def waiting(store: Store) -> Order:
    """An order that rests, watched, with nothing due."""
    order = submitted(store)
    with store.transaction() as connection:
        assert orders.watched(connection, order, uuid4())
    return reload(store, order.order_id)


def test_news_are_due_without_their_message(store: Store) -> None:
    """What the venue said makes step 5 due in the same commit: the message may be lost."""
    order = waiting(store)
    assert order.due_at is None
    with store.transaction() as connection:
        assert orders.news(connection, order, said(order, OrderState.CANCELLED), timedelta(0))
    with store.transaction() as connection:
        due = recovery.due_orders(connection, timedelta(seconds=1))
    assert [(one.order_id, one.step) for one in due] == [(order.order_id, Step.AWAIT_FILL)]


def test_a_stale_wait_does_not_hide_news(store: Store) -> None:
    """Step 5, having read the order before the news, cannot put it to rest after them."""
    order = submitted(store)
    with store.transaction() as connection:
        assert orders.news(connection, order, said(order, OrderState.EXPIRED), TIMING.step)
        assert not orders.watched(connection, order, uuid4())
    assert reload(store, order.order_id).due_at is not None


def test_the_last_word_stays(store: Store) -> None:
    """An older word, told late by another watcher, does not replace the venue's last one."""
    order = waiting(store)
    with store.transaction() as connection:
        assert orders.news(connection, order, said(order, OrderState.CANCELLED), TIMING.step)
        assert not orders.news(connection, order, said(order, OrderState.SUBMITTED), TIMING.step)
    assert reload(store, order.order_id).attempt.reported_state is OrderState.CANCELLED


def test_the_last_word_between_fills_is_not_forgotten(store: Store) -> None:
    """CANCELLED comes while a fill is on its way through 6 to 8: step 5 is due after them."""
    order = waiting(store)
    order = apply(store, order, trade(order, "a", "1", "100"))
    with store.transaction() as connection:
        orders.news(connection, order, said(order, OrderState.CANCELLED, "1"), TIMING.step)
    order = reload(store, order.order_id)
    with store.transaction() as connection:
        assert orders.published(connection, order, TIMING.step)
    assert reload(store, order.order_id).due_at is not None


def test_a_cancel_does_not_hide_what_was_reported(store: Store) -> None:
    """An attempt that waits to be sent is cancelled, and the one before it has filled after all."""
    first = intended(store, persisted(store))
    with store.transaction() as connection:
        assert following.anew(connection, first, "nothing is there", uuid4(), TIMING.step)
    order = reload(store, first.order_id)
    with store.transaction() as connection:
        assert reports.record_from_venue(
            connection,
            [trade(first, "late", "1", "100")],
            broker=first.broker,
            environment=first.environment,
            account=first.account,
        )
        # Whoever read the order before must read it anew.
        assert not orders.settle(
            connection, order, OrderState.CANCELLED, None, step=Step.SUBMIT_ORDER
        )
    order = reload(store, first.order_id)
    with store.transaction() as connection:
        assert orders.settle(connection, order, OrderState.CANCELLED, None, step=Step.SUBMIT_ORDER)
    assert reload(store, first.order_id).due_at is not None


def _held_up(store: Store) -> bool:
    """Whether one connection waits for another's lock."""
    return bool(
        rows(store, "SELECT 1 FROM pg_stat_activity WHERE cardinality(pg_blocking_pids(pid)) > 0")
    )


@pytest.mark.parametrize("what", ["news", "positions"])
def test_nobody_locks_what_is_the_orders_before_the_order(store: Store, what: str) -> None:
    """A step that has the order still gets its attempt, its fills: otherwise it is a deadlock."""
    order = waiting(store)
    with store.transaction() as connection:
        reports.record(connection, order, [trade(order, "a", "3", "100")])
        orders.fill_heard(connection, reload(store, order.order_id), TIMING)
    with store.transaction() as connection:
        executions.apply_to_order(connection, order.order_id, TIMING.step)
    order = reload(store, order.order_id)

    def other() -> None:
        with store.transaction() as connection:
            if what == "news":
                orders.news(connection, order, said(order, OrderState.FILLED, "3"), TIMING.step)
            else:
                positions.apply_for_order(connection, order.order_id, TIMING.step)

    with ThreadPoolExecutor(1) as threads:
        with store.transaction() as connection:
            loading.lock_order(connection, order.order_id)
            waits = threads.submit(other)
            wait_until(lambda: _held_up(store), what="the other one being held up")
            for table in ("order_attempts", "fills"):
                connection.execute(
                    text(f"SELECT FROM {table} WHERE order_id = :order_id FOR UPDATE NOWAIT"),
                    {"order_id": order.order_id},
                )
        waits.result(10)


def test_what_never_left_has_no_intent(store: Store) -> None:
    """An order sent back to the gateway counts as unsent: it may wait or be rerouted."""
    order = intended(store, persisted(store))
    with store.transaction() as connection:
        assert orders.back_to_gateway(connection, order, "down", TIMING.step)
    order = reload(store, order.order_id)
    assert (order.state, order.attempt.intent_at) == (OrderState.PENDING, None)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [(ReportKind.COMMISSION, "100"), (ReportKind.CORRECTION, "90"), (ReportKind.BUST, None)],
)
def test_a_revision_before_its_trade(store: Store, kind: ReportKind, expected: str | None) -> None:
    """A commission, correction or bust heard of first is applied when its trade comes."""
    order = waiting(store)
    first = trade(order, "a", "1", "100")
    changes: dict[str, Any] = {"kind": kind, "commission": Decimal("0.5")}
    name = "a" if kind is ReportKind.COMMISSION else "x"
    if kind is not ReportKind.COMMISSION:
        changes["corrects"] = first.execution_id
    apply(store, order, trade(order, name, "1", "90", second=1, **changes))
    order = apply(store, order, first)
    assert order.average_price == (None if expected is None else Decimal(expected))
    assert not order.unapplied
    assert not order.unfinished
    if kind is ReportKind.COMMISSION:
        (fill,) = rows(store, "SELECT commission FROM fills")
        assert fill.commission == Decimal("0.5")


def test_a_correction_of_a_correction(store: Store) -> None:
    """The chain is followed down to the trade."""
    order = waiting(store)
    first = trade(order, "a", "1", "10")
    second = trade(order, "b", "1", "11", kind=ReportKind.CORRECTION, corrects=first.execution_id)
    third = trade(order, "c", "1", "12", kind=ReportKind.CORRECTION, corrects=second.execution_id)
    for told in (first, second, third):
        order = apply(store, order, told)
    assert order.average_price == 12


def test_a_late_fill_of_the_attempt_before(store: Store) -> None:
    """A broker fills what it had refused: it counts, and the simulation never begins."""
    live = intended(store, persisted(store))
    with store.transaction() as connection:
        assert orders.reroute(
            connection,
            live,
            "refused",
            attempt_id=uuid4(),
            step=Step.SUBMIT_ORDER,
            timing=TIMING,
        )
    with store.transaction() as connection:
        reports.record(connection, live, [trade(live, "late", "1", "100")])
    with store.transaction() as connection:
        executions.apply_to_order(connection, live.order_id, TIMING.step)
    with store.transaction() as connection:
        positions.apply_for_order(connection, live.order_id, TIMING.step)
    order = reload(store, live.order_id)
    assert (order.broker, order.state) == (BrokerName.PAPER, OrderState.CANCELLED)
    assert order.filled_quantity == 1
    assert order.due_at is None
    attempts = rows(store, "SELECT filled_quantity, state FROM order_attempts ORDER BY attempt_no")
    assert [(row.filled_quantity, row.state) for row in attempts] == [
        (1, "REJECTED"),
        (0, "CANCELLED"),
    ]
    assert [row.quantity for row in rows(store, "SELECT quantity FROM positions")] == [1]
    assert rows(store, "SELECT 1 FROM paper_positions") == []
    assert [row.kind for row in rows(store, "SELECT kind FROM alerts")] == ["LATE_FILL"]


@pytest.mark.parametrize("published", [True, False])
def test_a_smaller_total_that_is_filled_ends_the_order(store: Store, *, published: bool) -> None:
    """2 of 3 are filled when the total becomes 2: FILLED, with nothing due but the messages."""
    order = waiting(store)
    order = apply(store, order, trade(order, "a", "2", "100"))
    if published:
        order = publish(store, order)
    with store.transaction() as connection:
        assert amendments.modified(connection, order, Modification(quantity=Decimal(2)))
    order = reload(store, order.order_id)
    assert (order.state, order.attempt.state) == (OrderState.FILLED, OrderState.FILLED)
    assert (order.due_at is None) is published
    if not published:
        assert order.step == Step.UPDATE_POSITIONS
        order = publish(store, order)
    assert (order.step, order.due_at) == (Step.PUBLISH_FILL_EVENT, None)
    labels = rows(store, "SELECT 1 FROM order_events WHERE step = 'publish_fill_event'")
    assert len(labels) == 1


def publish(store: Store, order: Order) -> Order:
    """The order after step 8."""
    with store.transaction() as connection:
        assert orders.published(connection, order, TIMING.step)
    return reload(store, order.order_id)


def test_a_larger_total_takes_a_filled_order_up_again(store: Store) -> None:
    """The reply of 3 to 5 was lost, 3 filled: known at last, somebody watches for the other 2."""
    order = waiting(store)
    order = apply(store, order, trade(order, "a", "3", "100"))
    assert order.state is OrderState.FILLED
    with store.transaction() as connection:
        assert amendments.modified(connection, order, Modification(quantity=Decimal(5)))
    with store.transaction() as connection:
        adopted = sessions.adopt(connection, uuid4(), BrokerName.BINANCE, timedelta(seconds=10))
    assert [one.order_id for one in adopted] == [order.order_id]
    order = apply(store, order, trade(order, "b", "2", "100", second=1))
    assert order.state is OrderState.FILLED
    assert order.filled_quantity == 5


def test_a_stranger_s_execution_that_is_ours_after_all(store: Store) -> None:
    """Told without our id first and with it later, it is one fill, and our order's."""
    order = waiting(store)
    ours = trade(order, "a", "3", "100")
    stranger = trade(order, "a", "3", "100", venue_order_id=None)
    for told in (stranger, ours):
        with store.transaction() as connection:
            reports.record_from_venue(
                connection,
                [told],
                broker=BrokerName.BINANCE,
                environment="practice",
                account="main",
            )
        for report in rows(store, "SELECT report_id FROM execution_reports"):
            with store.transaction() as connection:
                executions.apply_orphan(
                    connection,
                    report.report_id,
                    lambda symbol: ExchangeMapper().map(symbol, on=START.date()),
                )
    order = apply(store, order)
    assert order.state is OrderState.FILLED
    assert len(rows(store, "SELECT 1 FROM fills")) == 1


def test_an_orderly_restart_is_not_unserved(store: Store) -> None:
    """The grace begins when the last worker went, not when the order came."""
    persisted(store)
    session = uuid4()
    with store.transaction() as connection:
        connection.execute(
            text("UPDATE orders SET updated_at = clock_timestamp() - interval '1 hour'")
        )
        assert len(recovery.unserved(connection, timedelta(seconds=30))) == 1
        sessions.open_session(connection, session, BrokerName.BINANCE, "here")
        sessions.heartbeat(connection, session, SessionStatus.LIVE_READY, None, None)
        sessions.close_session(connection, session)
        assert recovery.unserved(connection, timedelta(seconds=30)) == []


@pytest.mark.parametrize("state", [OrderState.UNKNOWN, OrderState.SUBMITTING])
@pytest.mark.parametrize("how", ["a fill is heard of", "it is settled", "it goes back"])
def test_a_doubt_that_is_settled_otherwise(store: Store, how: str, state: OrderState) -> None:
    """Whoever finds out what became of an order settles the alert of its doubt with it."""
    order = intended(store, persisted(store))
    with store.transaction() as connection:
        if state is OrderState.UNKNOWN:
            assert orders.in_doubt(connection, order, "no answer", timedelta(0))
        key = order.order_id
        alerts.alert(connection, alerts.UNKNOWN_OUTCOME, key, "in doubt", order_id=key)
    order = reload(store, order.order_id)
    assert order.state is state
    if how == "a fill is heard of":
        order = apply(store, order, trade(order, "x", "3", "100"))
    else:
        with store.transaction() as connection:
            if how == "it is settled":
                step = Step.SUBMIT_ORDER
                assert orders.settle(connection, order, OrderState.REJECTED, "no", step=step)
            else:
                due = timedelta(seconds=1)
                assert orders.back_to_gateway(connection, order, "not there", due)
    left = rows(store, "SELECT kind FROM alerts WHERE resolved_at IS NULL")
    again = state is OrderState.SUBMITTING and how == "it goes back"
    assert [row.kind for row in left] == (["UNKNOWN_OUTCOME"] if again else [])
