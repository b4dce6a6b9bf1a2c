"""`commit`: any partition of works into batches leaves the rows that one by one would."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from execution.domain import order_changes as changes
from execution.domain.errors import IllegalTransition
from execution.domain.lifecycle import Step
from execution.domain.orders import Order
from execution.domain.reports import VenueOrder
from execution.domain.vocabulary import BrokerName, OrderState
from execution.intake import new_id
from execution.store import orders
from execution.store.engine import Store
from execution.store.work import OrderWork, commit

from .stored import SESSION, TIMING, intended, persisted, reload, submitted, trade

TABLES = ("orders", "order_attempts", "order_events", "events", "execution_reports")
SOON = timedelta(seconds=3)


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """A fresh database."""
    store = Store(database_url)
    yield store
    store.close()


@dataclass(frozen=True)
class Kind:
    """An order to begin with, and what is to be written of it. `stale`: it has changed since."""

    begin: Callable[[Store], Order]
    make: Callable[[Order], OrderWork]
    stale: bool = False


def unsent(store: Store) -> Order:
    """After step 2."""
    return persisted(store)


def sent(store: Store) -> Order:
    """With its intent committed."""
    return intended(store, persisted(store))


def working(store: Store) -> Order:
    """As the venue holds it."""
    return submitted(store)


def answer(order: Order, filled: str | None = None) -> VenueOrder:
    """What the venue says of an order, once some of it is filled."""
    done = () if filled is None else (trade(order, "a", filled, "100"),)
    return VenueOrder(
        broker_order_id="7",
        state=OrderState.PARTIALLY_FILLED if done else OrderState.SUBMITTED,
        symbol=order.symbol,
        side=order.side,
        quantity=order.quantity,
        filled_quantity=Decimal(filled or 0),
        venue_order_id=order.attempt.venue_order_id,
        executions=done,
    )


def waits(order: Order) -> OrderWork:
    """Its venue is away."""
    return OrderWork(order, [changes.gateway_waits("connection down", SOON)])


def connects(order: Order) -> OrderWork:
    """Step 3."""
    return OrderWork(order, [changes.gateway_connected(order, TIMING)])


def connects_and_intends(order: Order) -> OrderWork:
    """Two changes of one order, in one commit."""
    return connects(order).record(changes.intent(SESSION, TIMING))


def ends(order: Order) -> OrderWork:
    """Its producer cancels it."""
    change = changes.settled(order, OrderState.CANCELLED, "enough", step=Step.SUBMIT_ORDER)
    return OrderWork(order, [change])


def turns_to_paper(order: Order) -> OrderWork:
    """With another attempt."""
    change = changes.rerouted(
        order, "away", attempt_id=new_id(), step=Step.CONNECT_GATEWAY, timing=TIMING
    )
    return OrderWork(order, [change])


def doubts(order: Order) -> OrderWork:
    """No answer to its send."""
    return OrderWork(order, [changes.in_doubt("no answer", SOON)])


def is_taken(order: Order) -> OrderWork:
    """The venue has it."""
    said = answer(order)
    return OrderWork(order, [changes.acknowledged(order, said, SESSION, TIMING)], said=said)


def is_filled(order: Order) -> OrderWork:
    """The venue has it, and has filled some of it."""
    said = answer(order, "1")
    return OrderWork(order, [changes.acknowledged(order, said, SESSION, TIMING)], said=said)


def is_watched(order: Order) -> OrderWork:
    """A session waits for it."""
    return OrderWork(order, [changes.watched(order, SESSION)])


def cannot_be_written(order: Order) -> OrderWork:
    """A value that the table's constraint refuses."""
    change = changes.gateway_waits("x", SOON)
    return OrderWork(order, [replace(change, order={"quantity": Decimal(-1)})])


KINDS = (
    Kind(unsent, waits),
    Kind(unsent, connects),
    Kind(unsent, connects, stale=True),
    Kind(unsent, connects_and_intends),
    Kind(unsent, ends),
    Kind(unsent, turns_to_paper),
    Kind(unsent, cannot_be_written),
    Kind(sent, doubts),
    Kind(sent, is_taken),
    Kind(sent, is_filled),
    Kind(sent, is_filled, stale=True),
    Kind(working, is_watched),
    Kind(working, ends),
)


def rows_of(store: Store, order: Order) -> dict[str, list[str]]:
    """What each table holds of an order, without ids and times."""
    found = {}
    with store.transaction() as connection:
        for table in TABLES:
            rows = connection.execute(
                text(f"SELECT to_jsonb(t)::text FROM {table} t WHERE order_id = :id"),
                {"id": order.order_id},
            ).scalars()
            found[table] = sorted(plain(row, order) for row in rows)
    return found


def plain(row: str, order: Order) -> str:
    """A row without what differs between two orders."""
    for name in (order.client_order_id, order.attempt.venue_order_id, str(order.order_id)):
        row = row.replace(name, "ID")
    row = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UUID", row)
    row = re.sub(r'"\d{4}-\d\d-\d\dT[^"]*"', '"TIME"', row)
    row = re.sub(r'"venue_order_id": "[^"]*"', '"venue_order_id": "V"', row)
    return re.sub(r'"(\w+_no|\w+_event_id|\w*report_id|sequence)": \d+', r'"\1": 0', row)


def prepared(store: Store, kinds: Sequence[Kind]) -> list[tuple[Order, OrderWork]]:
    """An order of each kind, and what is to be written of it."""
    made = []
    for kind in kinds:
        order = kind.begin(store)
        work = kind.make(order)
        if kind.stale:
            with store.transaction() as connection:
                assert orders.watched(connection, order, SESSION)
        made.append((order, work))
    return made


def one_by_one(store: Store, works: Sequence[OrderWork]) -> list[bool]:
    """Commit each work by itself; whether it was written."""
    done = []
    for work in works:
        try:
            with store.brief() as link:
                done.append(commit(link, [work])[0] is not None)
        except psycopg2.errors.CheckViolation:
            done.append(False)
    return done


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(data=st.data())
def test_any_partition(store: Store, data: st.DataObject) -> None:
    """Orders, attempts, history, events and reports are the same, however they are batched."""
    kinds = data.draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=8))
    cuts = data.draw(st.lists(st.booleans(), min_size=len(kinds), max_size=len(kinds)))
    alone, together = prepared(store, kinds), prepared(store, kinds)
    expected = one_by_one(store, [work for _, work in alone])
    batches: list[list[OrderWork]] = []
    for cut, (_, work) in zip(cuts, together, strict=True):
        if cut or not batches:
            batches.append([])
        batches[-1].append(work)
    done: list[bool] = []
    for batch in batches:
        if len(batch) == 1:
            done += one_by_one(store, batch)
            continue
        with store.brief() as link:
            done += [order is not None for order in commit(link, batch)]
    assert done == expected
    for (one, _), (other, _) in zip(alone, together, strict=True):
        assert rows_of(store, other) == rows_of(store, one)


def test_fifty_are_one_statement(store: Store) -> None:
    """Each gets what it gets alone; what is returned is what is read."""
    made = prepared(store, [Kind(sent, is_filled)] * 50)
    with store.brief() as link:
        written = commit(link, [work for _, work in made])
    for order, returned in zip((order for order, _ in made), written, strict=True):
        read = reload(store, order.order_id)
        assert returned is not None
        assert replace(returned, read_at=read.read_at) == read
        assert read.unapplied == 1


def test_two_changes_in_one_commit(store: Store) -> None:
    """Each counts in the version, and is a line of the history."""
    order = persisted(store)
    with store.brief() as link:
        (returned,) = commit(link, [connects_and_intends(order)])
    read = reload(store, order.order_id)
    assert returned is not None
    assert returned.version == read.version == order.version + 2
    assert read.state is OrderState.SUBMITTING
    with store.transaction() as connection:
        lines = text("SELECT step FROM order_events WHERE order_id = :id ORDER BY at, detail")
        steps = connection.execute(lines, {"id": order.order_id}).scalars().all()
    assert sorted(steps[-2:]) == ["connect_gateway", "submit_order"]


def test_who_is_held_by_another_holds_up_nobody(store: Store) -> None:
    """One stuck row is left out; the others are written."""
    made = prepared(store, [Kind(unsent, connects)] * 3)
    with store.transaction() as other:
        other.execute(
            text("SELECT 1 FROM orders WHERE order_id = :id FOR UPDATE"),
            {"id": made[1][0].order_id},
        )
        with store.brief() as link:
            written = commit(link, [work for _, work in made])
    assert [order is not None for order in written] == [True, False, True]


def test_a_value_that_is_refused_fails_alone(store: Store) -> None:
    """Of several it is left out; alone it raises what PostgreSQL says."""
    made = prepared(store, [Kind(unsent, waits), Kind(unsent, cannot_be_written)])
    with store.brief() as link:
        written = commit(link, [work for _, work in made])
    assert [order is not None for order in written] == [True, False]
    with pytest.raises(psycopg2.errors.CheckViolation), store.brief() as link:
        commit(link, [made[1][1]])


def test_two_works_of_one_order(store: Store) -> None:
    """A batch holds an order once: the second would be stale by the first."""
    order = persisted(store)
    with pytest.raises(ValueError, match="two works"), store.brief() as link:
        commit(link, [connects(order), waits(order)])


def test_without_a_transaction(store: Store) -> None:
    """Several works, or a next attempt, would be several transactions."""
    first, second = persisted(store), persisted(store)
    with pytest.raises(ValueError, match="transaction"), store.direct() as link:
        commit(link, [connects(first), connects(second)])


def test_nothing_is_added_after_another_attempt(store: Store) -> None:
    """What follows concerns the new attempt, which nobody has read yet."""
    work = turns_to_paper(persisted(store))
    with pytest.raises(ValueError, match="another attempt"):
        work.record(changes.gateway_waits("x", SOON))


def test_an_illegal_change_is_refused(store: Store) -> None:
    """A step that would bring back what is over is a defect, and writes nothing."""
    order = persisted(store, BrokerName.PAPER)
    with store.transaction() as connection:
        assert orders.settle(
            connection, order, OrderState.CANCELLED, "enough", step=Step.SUBMIT_ORDER
        )
    over = reload(store, order.order_id)
    with pytest.raises(IllegalTransition, match="makes no CANCELLED order SUBMITTING"):
        OrderWork(over, [changes.intent(uuid4(), TIMING)])
    late: Any = replace(changes.in_doubt("late", SOON), reported=True)
    assert OrderWork(over, [late]).foreseen.state is OrderState.UNKNOWN
