"""The sweep finds what stands still, however much else waits."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Connection, text

from execution.domain.commands import CommandKind
from execution.domain.lifecycle import Step
from execution.domain.orders import Order
from execution.store import commands, orders, recovery, reports
from execution.store.engine import Store

from .stored import persisted, reload, submitted, trade

MANY = 10_000
DEADLINE = timedelta(seconds=5)


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """A fresh database."""
    store = Store(database_url)
    yield store
    store.close()


def execute(store: Store, statement: str, **parameters: Any) -> None:
    """Run a statement."""
    with store.transaction() as connection:
        connection.execute(text(statement), parameters)


def copies(store: Store, order: Order) -> None:
    """Let there be many more orders like this one, each with its attempt."""
    execute(
        store,
        f"""
        INSERT INTO orders SELECT (jsonb_populate_record(o, jsonb_build_object(
            'order_id', md5(n::text)::uuid, 'client_order_id', 'copy-' || n))).*
        FROM orders o, generate_series(1, {MANY}) n WHERE o.order_id = :id
        """,
        id=order.order_id,
    )
    execute(
        store,
        f"""
        INSERT INTO order_attempts SELECT (jsonb_populate_record(a, jsonb_build_object(
            'order_id', md5(n::text)::uuid, 'attempt_id', md5('a' || n)::uuid,
            'venue_order_id', 'copy-' || n))).*
        FROM order_attempts a, generate_series(1, {MANY}) n WHERE a.order_id = :id
        """,
        id=order.order_id,
    )


def due(store: Store) -> list[tuple[UUID, Step]]:
    """What the next sweep sends on."""
    with store.transaction() as connection:
        return [(one.order_id, one.step) for one in recovery.due_orders(connection, DEADLINE)]


def test_a_lost_wake_up_does_not_queue_behind_those_that_wait(store: Store) -> None:
    """Ten thousand orders wait for their broker and are tried again and again, one was lost."""
    waiting, lost = persisted(store), persisted(store)
    with store.transaction() as connection:
        assert orders.gateway_waits(connection, waiting, "away", timedelta(0))
    copies(store, reload(store, waiting.order_id))
    execute(
        store,
        """UPDATE orders SET resends = 3, due_at = clock_timestamp() - interval '1 minute'
        WHERE order_id <> :id""",
        id=lost.order_id,
    )
    execute(
        store,
        "UPDATE orders SET due_at = clock_timestamp() - interval '1 ms' WHERE order_id = :id",
        id=lost.order_id,
    )
    found = due(store)
    assert (lost.order_id, Step.CONNECT_GATEWAY) in found
    assert len(found) == recovery.BATCH + 1


def test_what_still_waits_stays_among_those_that_wait(store: Store) -> None:
    """An order that finds its broker away once more, for another reason, was not lost."""
    order = persisted(store)
    execute(store, "UPDATE orders SET due_at = clock_timestamp() - interval '1 s'")
    assert due(store) == [(order.order_id, Step.CONNECT_GATEWAY)]
    for reason in ("away", "still away"):
        order = reload(store, order.order_id)
        with store.transaction() as connection:
            assert orders.gateway_waits(connection, order, reason, timedelta(0))
        assert reload(store, order.order_id).resends == 1


def test_what_is_due_first_comes_first(store: Store) -> None:
    """Batch by batch, in the order in which they became due; what rests is no hindrance."""
    resting = submitted(store)
    with store.transaction() as connection:
        assert orders.watched(connection, resting, uuid4())
    copies(store, reload(store, resting.order_id))
    execute(
        store,
        """UPDATE orders SET due_at = clock_timestamp() - make_interval(secs => 3600
            - substr(client_order_id, 6)::integer)
        WHERE client_order_id LIKE 'copy-%' AND substr(client_order_id, 6)::integer <= 450""",
    )
    found: list[UUID] = []
    for expected in (200, 200, 50, 0):
        batch = due(store)
        assert len(batch) == expected
        assert {step for _, step in batch} <= {Step.AWAIT_FILL}
        earlier, found = set(found), found + [order_id for order_id, _ in batch]
        assert not earlier & {order_id for order_id, _ in batch}
    with store.transaction() as connection:
        first = connection.execute(
            text(
                """SELECT order_id FROM orders WHERE client_order_id LIKE 'copy-%'
                AND substr(client_order_id, 6)::integer <= 200"""
            )
        ).scalars()
        assert set(first) == set(found[:200])


def test_a_lost_command_does_not_queue_behind_those_that_wait(store: Store) -> None:
    """A cancel that was never sent on goes out beside those that wait for their order's fate."""
    order = submitted(store)
    copies(store, order)

    def cancel(connection: Connection, name: str, ago: timedelta) -> UUID:
        command_id = uuid4()
        assert commands.record(
            connection,
            command_id=command_id,
            kind=CommandKind.CANCEL,
            client_order_id=name,
            external_id="c",
            payload={},
            payload_hash="h",
            reason=None,
            due=-ago,
        )
        return command_id

    with store.transaction() as connection:
        for number in range(300):
            cancel(connection, f"copy-{number + 1}", timedelta(minutes=1))
        connection.execute(text("UPDATE order_commands SET resends = 2"))
        lost = cancel(connection, order.client_order_id, timedelta(0))
        found = commands.due(connection, DEADLINE, recovery.MAXIMUM_WAIT, recovery.BATCH)
    assert lost in {command.command_id for command in found}
    assert len(found) == recovery.BATCH + 1


@pytest.mark.parametrize("what", ["report", "fill", "last word"])
def test_news_for_which_nothing_is_due_are_found_among_many(store: Store, what: str) -> None:
    """As an earlier release may leave them: recovery makes the order due, whatever else waits."""
    order, stranded = submitted(store), submitted(store)
    copies(store, order)
    execute(
        store,
        """
        INSERT INTO execution_reports (broker, environment, account, symbol, side, execution_id,
            kind, execution_mode, quantity, price, executed_at, order_id, attempt_id)
        SELECT o.broker, o.environment, o.account, o.symbol, o.side, o.client_order_id, 'TRADE',
            'LIVE', 1, 100, clock_timestamp(), o.order_id, a.attempt_id
        FROM orders o JOIN order_attempts a USING (order_id) WHERE client_order_id LIKE 'copy-%'
        """,
    )
    with store.transaction() as connection:
        if what != "last word":
            assert reports.record(connection, stranded, [trade(stranded, "a", "1", "100")])
    if what == "fill":
        execute(
            store,
            """
            INSERT INTO fills (report_id, order_id, attempt_id, broker, environment, account,
                symbol, side, execution_id, quantity, price, multiplier, execution_mode,
                executed_at)
            SELECT report_id, order_id, attempt_id, broker, environment, account, symbol, side,
                execution_id, quantity, price, 1, execution_mode, executed_at
            FROM execution_reports WHERE order_id = :id
            """,
            id=stranded.order_id,
        )
        execute(
            store,
            "UPDATE execution_reports SET applied_at = clock_timestamp() WHERE order_id = :id",
            id=stranded.order_id,
        )
    elif what == "last word":
        execute(
            store,
            """UPDATE order_attempts SET reported_state = 'CANCELLED', reported_quantity = 0
            WHERE order_id = :id""",
            id=stranded.order_id,
        )
    execute(store, "UPDATE orders SET due_at = NULL WHERE order_id = :id", id=stranded.order_id)
    with store.transaction() as connection:
        assert recovery.stranded(connection) == 1
    assert reload(store, stranded.order_id).due_at is not None
