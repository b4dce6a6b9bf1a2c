"""Steps written together leave what the same steps leave one by one."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
import redis
from sqlalchemy import text

from execution.domain.commands import CommandKind
from execution.domain.creation import make_order
from execution.domain.lifecycle import Step
from execution.domain.mapping import ExchangeMapper
from execution.domain.orders import Order
from execution.domain.reports import VenueOrder
from execution.domain.routing import Route, Verdict
from execution.domain.vocabulary import BrokerName, Environment, OrderState
from execution.events.publisher import Publisher
from execution.instructions import Instructions
from execution.intake import Intake, new_id
from execution.store import (
    executions,
    finishing,
    first_fills,
    in_one,
    inserting,
    orders,
    positions,
    reports,
    requests,
)
from execution.store.controls import FIRST_VERSION
from execution.store.engine import Store
from execution.store.finishing import Taken
from execution.store.in_one import Draft
from execution.store.outbox import Numbered
from execution.store.transitions import load

from .stored import SESSION, START, TIMING, trade
from .traces import comparable, traces


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """A fresh database."""
    store = Store(database_url)
    yield store
    store.close()


class Silent(Publisher):
    """Tells nobody."""

    def _publish(self, events: Sequence[Numbered]) -> None:
        pass


def draft(store: Store, name: str, account: str, **fields: Any) -> Draft:
    """An order after step 1, unwritten but for its request."""
    intake = Intake(store, ExchangeMapper(), TIMING.step)
    payload = {
        "symbol": "SPY",
        "side": "BUY",
        "quantity": "3",
        "client_order_id": name,
        "account": account,
        "strategy": "s",
        **fields,
    }
    receipt = intake.receive(payload)
    assert receipt.order_id is not None, receipt.reason
    request, instrument = intake.understand(payload)
    made = make_order(
        request,
        instrument,
        Route(BrokerName.IBKR, BrokerName.PAPER, Verdict.PAPER, "IBKR: no credentials"),
        order_id=receipt.order_id,
        attempt_id=new_id(),
        environment=Environment.PRACTICE,
        default_account="main",
        now=START,
    )
    accepted = requests.just_accepted(receipt, receipt.order_id, payload)
    return in_one.drafted(accepted, requests.spec_of(made, instrument), made, instrument)


def begun(store: Store, made: Draft) -> Order | None:
    """The order after its intent, written at once."""
    connected = replace(made.order, version=2, step=int(Step.CONNECT_GATEWAY))
    ready = made.after(made.order).after(connected)
    with store.direct() as link:
        return in_one.begin(link, ready, SESSION, TIMING, FIRST_VERSION)


def begun_by_steps(store: Store, made: Draft) -> Order:
    """The same, step by step."""
    with store.direct() as link:
        assert requests.prepare(link, made.request, made.spec, TIMING.step)
        inserted = inserting.insert(link, made.order.order_id, TIMING.step, made.spec)
        assert inserted is not None
        assert inserted[1] is False
        connected = orders.gateway_connected(link, inserted[0], TIMING)
        assert connected is not None
        intended = orders.commit_intent(link, connected, SESSION, TIMING, FIRST_VERSION)
    assert intended is not None
    return intended


def said_of(order: Order, *parts: tuple[str, str]) -> VenueOrder:
    """The venue's answer with executions, a second apart."""
    heard = tuple(
        trade(order, f"{number}", quantity, price, second=number)
        for number, (quantity, price) in enumerate(parts)
    )
    return VenueOrder(
        broker_order_id=order.attempt.venue_order_id,
        state=OrderState.FILLED,
        symbol=order.symbol,
        side=order.side,
        quantity=order.quantity,
        filled_quantity=sum((one.quantity for one in heard), Decimal(0)),
        venue_order_id=order.attempt.venue_order_id,
        executions=heard,
    )


def taken(order: Order, *parts: tuple[str, str]) -> Taken:
    """The order with that answer, after three unwritten steps."""
    return Taken(order, said_of(order, *parts), SESSION, (time.monotonic(),)).after().after()


def finished(store: Store, order: Order, *parts: tuple[str, str]) -> Order | None:
    """The order after step 7, written at once, or late where it must be."""
    kept = taken(order, *parts)
    assert finishing.filled_at_once(order, kept.said)
    with store.brief() as link:
        written = finishing.finish(link, kept, TIMING)
    if written is None:
        with store.transaction() as connection:
            written = finishing.finish_late(connection, kept, TIMING)
    return written


def finished_by_steps(store: Store, order: Order, *parts: tuple[str, str]) -> Order:
    """The same, step by step, by the statements that take anything."""
    with store.direct() as link:
        acknowledged = orders.acknowledged(link, order, said_of(order, *parts), SESSION, TIMING)
        assert acknowledged is not None
        assert orders.fill_heard(link, acknowledged, TIMING)
    with store.transaction() as connection:
        executions.apply_to_order(connection, order.order_id, TIMING.step)
    with store.transaction() as connection:
        positions.apply_for_order(connection, order.order_id, TIMING.step)
        done = load(connection, order.order_id)
    assert done is not None
    return done


@pytest.mark.parametrize("parts", [[("3", "100")], [("1", "100"), ("2", "101.5")]])
@pytest.mark.parametrize("held", [False, True])
def test_same_as_step_by_step(store: Store, parts: list[tuple[str, str]], held: bool) -> None:  # noqa: FBT001
    """Every row of every table is the same; so is the order that is handed on."""
    left = []
    for number, together in enumerate((True, False)):
        account = f"account-{number}"
        if held:
            first = draft(store, f"first-{number}", account, side="SELL", quantity="5")
            finished_by_steps(store, begun_by_steps(store, first), ("5", "90"))
        made = draft(store, f"order-{number}", account)
        order = begun(store, made) if together else begun_by_steps(store, made)
        assert order is not None
        with store.transaction() as connection:
            assert comparable(order) == comparable(load(connection, order.order_id))
        done = (
            finished(store, order, *parts) if together else finished_by_steps(store, order, *parts)
        )
        assert done is not None
        with store.transaction() as connection:
            assert comparable(done) == comparable(load(connection, order.order_id))
        left.append(traces(store, done, account))
    assert left[0] == left[1]
    assert {table: len(rows) for table, rows in left[0].items()} == {
        **dict.fromkeys(("order_requests", "orders", "order_attempts", "paper_positions"), 1),
        "positions": 0,
        **dict.fromkeys(("execution_reports", "fills"), len(parts)),
        "order_events": 8,  # the intent has a line of its own, and step 8 is not done yet
        "events": 5 + len(parts),
    }


def test_a_late_execution_goes_where_it_belongs(store: Store) -> None:
    """Its time is before the position's last fill: the position is folded anew from there."""
    account = "a"
    first = begun(store, draft(store, "1", account, quantity="2"))
    second = begun(store, draft(store, "2", account, side="SELL", quantity="3"))
    third = begun(store, draft(store, "3", account, side="SELL", quantity="1"))
    assert first is not None
    assert second is not None
    assert third is not None
    sold, early = said_of(second, ("3", "110")), said_of(third, ("1", "50"))
    assert finished(store, first, ("2", "100")) is not None
    assert finished_at(store, second, sold, 20) is not None
    assert finished_at(store, third, early, -20) is not None
    with store.statement() as connection:
        row = connection.execute(text("SELECT * FROM paper_positions")).one()
        after = connection.execute(
            text("SELECT position_quantity FROM fills ORDER BY executed_at, fill_id")
        ).scalars()
        # Short 1 at 50; bought 2: closed at a loss of 50, long 1 at 100; sold 3: 10, short 2.
        assert (row.quantity, row.average_price, row.realised_pnl) == (-2, 110, -40)
        assert list(after) == [-1, 1, -2]


def finished_at(store: Store, order: Order, said: VenueOrder, seconds: int) -> Order | None:
    """Finish an order whose executions are so far from the start."""
    moved = tuple(
        replace(one, executed_at=START + timedelta(seconds=seconds)) for one in said.executions
    )
    kept = Taken(order, replace(said, executions=moved), SESSION, (0.0, 0.0, 0.0))
    with store.brief() as link:
        written = finishing.finish(link, kept, TIMING)
    if written is None:
        with store.transaction() as connection:
            written = finishing.finish_late(connection, kept, TIMING)
    return written


def test_a_cancel_that_was_first_stops_the_intent(store: Store) -> None:
    """Nothing is written then, and the long way cancels the order."""
    made = draft(store, "order-x", "account-x")
    payload = {"client_order_id": "order-x", "cancel_id": "c"}
    Instructions(store, TIMING.step).receive(CommandKind.CANCEL, payload)
    assert begun(store, made) is None
    with store.direct() as link:
        assert load(link, made.order.order_id) is None
        assert requests.prepare(link, made.request, made.spec, TIMING.step)
        inserted = inserting.insert(link, made.order.order_id, TIMING.step, made.spec)
    assert inserted is not None
    assert inserted[1] is True
    assert inserted[0].due_at is None


def test_only_the_first_writes(store: Store) -> None:
    """A draft or an answer that is written a second time changes nothing."""
    made = draft(store, "order-x", "account-x")
    order = begun(store, made)
    assert order is not None
    assert begun(store, made) is None
    assert finished(store, order, ("3", "100")) is not None
    before = traces(store, order, "account-x")
    assert finished(store, order, ("3", "100")) is None
    assert traces(store, order, "account-x") == before


def test_what_was_heard_meanwhile_is_not_overlooked(store: Store) -> None:
    """An execution that somebody has recorded sends the order the long way."""
    order = begun(store, draft(store, "order-x", "account-x"))
    assert order is not None
    said = said_of(order, ("3", "100"))
    with store.direct() as link:
        assert orders.acknowledged(link, order, replace(said, executions=()), SESSION, TIMING)
    assert finished(store, order, ("3", "100")) is None


@pytest.mark.parametrize("held", [False, True])
def test_an_execution_that_came_without_our_id(store: Store, held: bool) -> None:  # noqa: FBT001
    """It is known already, so the order goes the long way, which gives it its execution."""
    if held:
        first = begun(store, draft(store, "order-0", "account-x", side="SELL", quantity="5"))
        assert first is not None
        finished_by_steps(store, first, ("5", "90"))
    order = begun(store, draft(store, "order-x", "account-x"))
    assert order is not None
    told = trade(order, "0", "3", "100")
    with store.transaction() as connection:
        assert reports.record_from_venue(
            connection,
            [replace(told, venue_order_id=None)],
            broker=order.broker,
            environment=order.environment,
            account=order.account,
        )
    assert finished(store, order, ("3", "100")) is None
    done = finished_by_steps(store, order, ("3", "100"))
    assert done.state is OrderState.FILLED
    assert done.filled_quantity == 3
    with store.statement() as connection:
        assert connection.execute(text("SELECT count(*) FROM fills")).scalar_one() == 1 + held


def test_odd_answers_are_not_for_the_short_way(store: Store) -> None:
    """Whatever is not all there, or not plain, is left to the steps."""
    order = begun(store, draft(store, "order-x", "account-x"))
    bracket = begun(store, draft(store, "y", "a", take_profit_price="200"))
    assert order is not None
    assert bracket is not None
    whole = said_of(order, ("3", "100"))
    assert finishing.filled_at_once(order, whole)
    odd = [
        said_of(order, ("2", "100")),
        said_of(order, ("4", "100")),
        replace(said_of(order, ("4", "100")), filled_quantity=Decimal(3)),
        replace(whole, executions=()),
        replace(whole, state=OrderState.SUBMITTED),
        replace(whole, executions=whole.executions * 2),
        replace(whole, executions=(replace(whole.executions[0], symbol="GBTC"),)),
    ]
    assert not any(finishing.filled_at_once(order, said) for said in odd)
    assert not finishing.filled_at_once(bracket, said_of(bracket, ("3", "100")))


def test_many_ends_at_once(store: Store) -> None:
    """Step 8 of several orders in one statement does what it does for each alone."""
    made = [begun(store, draft(store, f"{uuid4()}", "a")) for _ in range(4)]
    ready = [finished(store, order, ("3", "100")) for order in made if order is not None]
    done = [order for order in ready if order is not None]
    assert len(done) == 4
    with store.direct() as link:
        alone = orders.published(link, done[0], TIMING.step)
        ended: set[UUID] = orders.all_published(link, done, TIMING.step)
        assert ended == {order.order_id for order in done[1:]}
        last = load(link, done[1].order_id)
    assert alone is not None
    assert last is not None
    assert (last.step, last.due_at, last.version) == (alone.step, alone.due_at, alone.version)
    assert last.step == Step.PUBLISH_FILL_EVENT
    assert first_fills.are_plain(last, ()) is False


@pytest.mark.parametrize("short", [True, False])
def test_later_orders_read_no_more_than_first_ones(store: Store, short: bool) -> None:  # noqa: FBT001
    """Statements are planned once, on empty tables: no such plan may read all of a table later."""
    publisher = Silent(store, redis.Redis())

    def rows_read(first: int, last: int) -> int:
        before = rows_read_so_far(store)
        for number in range(first, last):
            made = draft(store, f"o{number}", f"account-{number}")
            if short:
                order = begun(store, made)
                assert order is not None
                done = finished(store, order, ("3", "100"))
            else:
                done = finished_by_steps(store, begun_by_steps(store, made), ("3", "100"))
            assert done is not None
            assert publisher.finish(done)
        return rows_read_so_far(store) - before

    rows_read(0, 5)
    first = rows_read(5, 15)
    rows_read(15, 100)
    assert rows_read(100, 110) <= first * 1.2


def rows_read_so_far(store: Store) -> int:
    """Rows that scans of tables and indexes have read so far, by whichever connection."""
    for way in (store.direct, store.transaction):
        with way() as link:
            link.connection.cursor().execute("SELECT pg_stat_force_next_flush()")
    with store.transaction() as connection:
        total = connection.execute(
            text(
                "SELECT sum(seq_tup_read) + sum(coalesce(idx_tup_fetch, 0))"
                " FROM pg_stat_user_tables WHERE relname NOT IN ('streams', 'alembic_version')"
            )
        ).scalar_one()
    return int(total)
