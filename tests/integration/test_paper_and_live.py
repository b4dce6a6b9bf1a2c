"""Paper and live never mix: the database refuses it in plain SQL, whoever asks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import psycopg2
import psycopg2.errors
import psycopg2.extras
import pytest

from execution.domain.lifecycle import Step
from execution.domain.orders import Order
from execution.domain.reports import VenueOrder
from execution.domain.vocabulary import BrokerName, ExecutionMode, OrderState
from execution.intake import new_id
from execution.store import executions, giving_up, orders, positions, reports
from execution.store.engine import Store

from .stored import SESSION, TIMING, apply, intended, persisted, reload, step5, trade


@pytest.fixture(scope="module")
def store(module_database_url: str) -> Iterator[Store]:
    """A database for all these tests: each looks at orders of its own."""
    store = Store(module_database_url)
    yield store
    store.close()


_ATTEMPT = """
    INSERT INTO order_attempts (attempt_id, order_id, attempt_no, broker, environment,
        account, execution_mode, venue_order_id, quantity, state)
    VALUES (%s, %s, %s, %s, 'practice', 'main', %s, %s, 1, 'PENDING')
"""


def attempt_of(order: Order, broker: BrokerName, number: int) -> tuple[Any, ...]:
    """The parameters of an attempt."""
    mode = ExecutionMode.PAPER if broker is BrokerName.PAPER else ExecutionMode.LIVE
    own = (str(uuid4()), str(order.order_id))
    return (*own, number, broker.value, mode.value, uuid4().hex[:22])


class Sql:
    """Plain SQL, each statement committed by itself."""

    def __init__(self, database_url: str) -> None:
        self.url = database_url.replace("postgresql+psycopg2://", "postgresql://")

    def run(self, statement: str, *parameters: Any) -> int:
        """Run a statement; returns how many rows it touched."""
        with closing(psycopg2.connect(self.url)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement, parameters)
                return int(cursor.rowcount)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Rows of a query."""
        with closing(psycopg2.connect(self.url)) as connection, connection.cursor() as cursor:
            cursor.execute(query)
            return list(cursor.fetchall())

    def attempt(self, order: Order, broker: BrokerName, number: int = 2) -> int:
        """Insert one more attempt of an order."""
        return self.run(_ATTEMPT, *attempt_of(order, broker, number))


@pytest.fixture(scope="module")
def sql(module_database_url: str) -> Sql:
    """Plain SQL on the same database."""
    return Sql(module_database_url)


def stands(sql: Sql, order: Order, state: OrderState, filled: str = "0") -> None:
    """Say how the attempts of an order stand."""
    assert sql.run(
        "UPDATE order_attempts SET state = %s, filled_quantity = %s WHERE order_id = %s",
        state.value,
        filled,
        str(order.order_id),
    )


@pytest.mark.parametrize("state", [state for state in OrderState if state != OrderState.REJECTED])
@pytest.mark.parametrize("filled", ["0", "0.1"])
def test_no_paper_beside_live(store: Store, sql: Sql, state: OrderState, filled: str) -> None:
    """Whatever state a live attempt is in, if it may be at the venue no paper one joins it."""
    order = persisted(store)
    stands(sql, order, state, filled)
    with pytest.raises(psycopg2.errors.CheckViolation, match="definitely refused"):
        sql.attempt(order, BrokerName.PAPER)


def test_paper_after_a_refusal(store: Store, sql: Sql) -> None:
    """A live attempt that was refused and of which nothing was executed may be followed."""
    order = persisted(store)
    stands(sql, order, OrderState.REJECTED)
    assert sql.attempt(order, BrokerName.PAPER) == 1


def test_no_paper_after_a_refusal_that_was_filled(store: Store, sql: Sql) -> None:
    """A refusal that an execution has given the lie is none."""
    order = persisted(store)
    stands(sql, order, OrderState.REJECTED, "0.1")
    with pytest.raises(psycopg2.errors.CheckViolation, match="definitely refused"):
        sql.attempt(order, BrokerName.PAPER)


def test_one_live_attempt_is_enough(store: Store, sql: Sql) -> None:
    """Of two live attempts both must have been refused."""
    order = persisted(store)
    stands(sql, order, OrderState.REJECTED)
    sql.attempt(order, BrokerName.BINANCE)
    with pytest.raises(psycopg2.errors.CheckViolation, match="definitely refused"):
        sql.attempt(order, BrokerName.PAPER, 3)
    stands(sql, order, OrderState.REJECTED)
    assert sql.attempt(order, BrokerName.PAPER, 3) == 1


@pytest.mark.parametrize("state", list(OrderState))
def test_no_live_after_paper(store: Store, sql: Sql, state: OrderState) -> None:
    """What was simulated is never sent, however the simulation ended."""
    order = persisted(store, BrokerName.PAPER)
    stands(sql, order, state)
    with pytest.raises(psycopg2.errors.CheckViolation, match="may not follow a paper one"):
        sql.attempt(order, BrokerName.BINANCE)


@pytest.mark.parametrize("table", ["orders", "order_attempts", "fills"])
def test_a_row_says_what_it_is(store: Store, sql: Sql, table: str) -> None:
    """PAPER is the mode of the paper broker and of no other; LIVE of every other."""
    live, paper = persisted(store), persisted(store, BrokerName.PAPER)
    for order in (live, paper):
        acknowledge(store, order)
        apply(store, order, trade(order, "a", "1", "100"))
    for order, mode in ((live, "PAPER"), (paper, "LIVE")):
        rule = "does not change" if table == "order_attempts" else "mode_check"
        with pytest.raises(psycopg2.errors.CheckViolation, match=rule):
            sql.run(
                f"UPDATE {table} SET execution_mode = %s WHERE order_id = %s",
                mode,
                str(order.order_id),
            )


def test_an_attempt_does_not_change_sides(store: Store, sql: Sql) -> None:
    """No attempt becomes another kind, or another order's, afterwards."""
    order, other = persisted(store), persisted(store)
    for change in (
        "broker = 'PAPER', execution_mode = 'PAPER'",
        f"order_id = '{other.order_id}', attempt_no = 2",
    ):
        with pytest.raises(psycopg2.errors.CheckViolation, match="does not change"):
            sql.run(f"UPDATE order_attempts SET {change} WHERE order_id = %s", str(order.order_id))


def test_paper_and_live_at_the_same_time(store: Store, sql: Sql) -> None:
    """Two writers, neither of which can see the other's attempt yet: the second one waits."""
    order = persisted(store)
    stands(sql, order, OrderState.REJECTED)
    live, paper = attempt_of(order, BrokerName.BINANCE, 2), attempt_of(order, BrokerName.PAPER, 3)
    with (
        closing(psycopg2.connect(sql.url)) as first,
        closing(psycopg2.connect(sql.url)) as second,
        first.cursor() as writer,
        second.cursor() as other,
    ):
        writer.execute(_ATTEMPT, live)
        other.execute("SET lock_timeout = '200ms'")
        with pytest.raises(psycopg2.errors.LockNotAvailable):
            other.execute(_ATTEMPT, paper)
        second.rollback()
        first.commit()
        with pytest.raises(psycopg2.errors.CheckViolation, match="may follow a live one only"):
            other.execute(_ATTEMPT, paper)


def acknowledge(store: Store, order: Order) -> Order:
    """The order as its venue has it, unfilled."""
    sent = intended(store, order)
    said = VenueOrder("1", OrderState.SUBMITTED, sent.symbol, sent.side, sent.quantity)
    with store.transaction() as connection:
        assert orders.acknowledged(connection, sent, said, SESSION, TIMING)
    return reload(store, order.order_id)


def test_filled_on_paper_and_then_for_real(store: Store, sql: Sql) -> None:
    """A broker executes what it had refused, after paper has filled it: each in its own books.

    What really happened is recorded, told and counted; the order has more than it asked for, and
    an alert says so.
    """
    live = intended(store, persisted(store, account="both"))
    with store.transaction() as connection:
        assert orders.reroute(
            connection, live, "refused", attempt_id=uuid4(), step=Step.SUBMIT_ORDER, timing=TIMING
        )
    paper = acknowledge(store, reload(store, live.order_id))
    apply(store, paper, trade(paper, "p", "3", "100"))
    late = trade(live, "l", "3", "110")
    for _ in range(2):
        with store.transaction() as connection:
            reports.record_from_venue(
                connection,
                [late],
                broker=BrokerName.BINANCE,
                environment="practice",
                account="main",
            )
        settle(store, live.order_id)
    order = reload(store, live.order_id)
    assert order.state is OrderState.FILLED
    assert (order.filled_quantity, order.average_price) == (Decimal(6), Decimal(105))
    held = "SELECT broker, quantity, average_price FROM {} WHERE account = 'both'"
    assert sql.rows(held.format("positions")) == [("BINANCE", 3, 110)]
    assert sql.rows(held.format("paper_positions")) == [("PAPER", 3, 100)]
    ours = f"order_id = '{live.order_id}'"
    assert sql.rows(
        f"SELECT execution_mode, broker, quantity FROM fills WHERE {ours} ORDER BY fill_id"
    ) == [("PAPER", "PAPER", 3), ("LIVE", "BINANCE", 3)]
    assert sql.rows(
        f"""SELECT type, payload ->> 'execution_mode', payload ->> 'broker' FROM events
        WHERE stream = 'fills' AND {ours} ORDER BY event_no"""
    ) == [("FILL", "PAPER", "PAPER"), ("FILL", "LIVE", "BINANCE")]
    assert sql.rows(f"SELECT kind FROM alerts WHERE {ours}") == [("OVERFILLED",)]


def settle(store: Store, order_id: UUID) -> None:
    """Steps 5 to 7 for whatever is reported."""
    step5(store, order_id)
    with store.transaction() as connection:
        executions.apply_to_order(connection, order_id, TIMING.step)
    with store.transaction() as connection:
        positions.apply_for_order(connection, order_id, TIMING.step)


@pytest.mark.parametrize("doubted", [False, True])
def test_what_a_search_did_not_find_is_not_simulated(store: Store, doubted: bool) -> None:  # noqa: FBT001 - parametrized
    """Refused in the venue's answer it may be, with REROUTE_REFUSED; after doubt it may turn up."""
    order = intended(store, persisted(store, on_failure="paper"))
    if doubted:
        with store.transaction() as connection:
            assert orders.in_doubt(connection, order, "no answer", TIMING.step)
        order = reload(store, order.order_id)
    with store.transaction() as connection:
        rerouted = giving_up.refused(
            connection,
            order,
            "looked for it long enough",
            step=Step.SUBMIT_ORDER,
            attempt_id=new_id(),
            timing=TIMING,
            reroutes=True,
        )
    assert rerouted is not doubted
    now = reload(store, order.order_id)
    assert (now.broker is BrokerName.PAPER) is not doubted
    assert (now.state is OrderState.REJECTED) is doubted
