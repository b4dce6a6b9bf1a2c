"""Statistics of history: each line counts once, whoever measures, and the sums agree."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from threading import Barrier, Thread
from uuid import uuid4

import pytest
from sqlalchemy import text

from execution.domain.mapping import ExchangeMapper
from execution.domain.vocabulary import BrokerName
from execution.intake import Intake
from execution.recovering import Sweep
from execution.store import measuring
from execution.store.engine import Store
from tests.integration.stored import START, TIMING, apply, persisted, submitted, trade

NOW = timedelta(0)


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """A fresh database."""
    store = Store(database_url)
    yield store
    store.close()


def rows(store: Store, statement: str) -> list[tuple[object, ...]]:
    """What a query gives."""
    with store.transaction() as connection:
        return [tuple(row) for row in connection.execute(text(statement))]


def totals(store: Store, metric: str) -> dict[tuple[str, str], int]:
    """The totals of a metric by broker and label, all buckets together."""
    found = rows(
        store,
        f"""SELECT broker, label, sum(total)::bigint FROM measured_totals
        WHERE metric = '{metric}' GROUP BY 1, 2""",
    )
    return {(str(broker), str(label)): int(str(total)) for broker, label, total in found}


def measure_all(store: Store) -> None:
    """Measure until nothing is left."""
    while measuring.measure(store, NOW):
        pass


def filled(store: Store) -> None:
    """An order that is filled at 64010."""
    order = submitted(store)
    apply(store, order, trade(order, "1", "3", "64010"))


def test_steps_states_fills_and_requests(store: Store) -> None:
    """A filled order is one of each step's latencies, of each state, one fill and one request."""
    filled(store)
    Intake(store, ExchangeMapper(), TIMING.step).receive({"symbol": "BTC-USDT", "side": "UP"})
    measure_all(store)
    steps = totals(store, "step")
    assert steps["", "create_order"] == 1
    assert {step for broker, step in steps if broker == "BINANCE"} >= {
        "persist_order", "connect_gateway", "submit_order", "persist_fill", "update_positions",
    }  # fmt: skip
    states = totals(store, "state")
    assert states["BINANCE", "SUBMITTED"] == states["BINANCE", "FILLED"] == 1
    assert totals(store, "fill") == {("BINANCE", "LIVE"): 1}
    assert totals(store, "request") == {("", "ACCEPTED"): 1, ("", "REFUSED"): 1}


def test_fills_on_paper_of_orders_meant_for_a_broker(store: Store) -> None:
    """By the broker that was asked for; one that asked for paper is none of them."""
    filled(store)
    for _ in range(2):  # meant for Binance, and on paper
        order = submitted(store, BrokerName.PAPER)
        apply(store, order, trade(order, "1", "3", "64010"))
    order = submitted(store, BrokerName.PAPER)
    with store.transaction() as connection:
        connection.execute(
            text("UPDATE orders SET requested_broker = 'PAPER' WHERE order_id = :order_id"),
            {"order_id": order.order_id},
        )
    apply(store, order, trade(order, "1", "3", "64010"))
    measure_all(store)
    assert totals(store, "fill") == {("BINANCE", "LIVE"): 1, ("PAPER", "PAPER"): 3}
    assert totals(store, "instead") == {("BINANCE", ""): 2}


def test_nothing_counts_twice(store: Store) -> None:
    """Measuring again, and by two at once, adds nothing; what comes later is added."""
    filled(store)
    measure_all(store)
    before = [totals(store, metric) for metric in ("step", "state", "fill", "request")]
    assert not measuring.measure(store, NOW)
    assert [totals(store, metric) for metric in ("step", "state", "fill", "request")] == before
    filled(store)
    barrier = Barrier(2)

    def race() -> None:
        barrier.wait()
        measuring.measure(store, NOW)

    threads = [Thread(target=race) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    measure_all(store)
    for metric, once in zip(("step", "state", "fill", "request"), before, strict=True):
        assert totals(store, metric) == {place: 2 * total for place, total in once.items()}


def test_in_pieces_as_at_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces of two lines add up to the same as one; no line falls between them."""
    for _ in range(3):
        filled(store)
    lines = rows(store, "SELECT count(*) FROM order_events WHERE step <> 'waiting'")
    monkeypatch.setattr(measuring, "BATCH", 2)
    measure_all(store)
    assert sum(totals(store, "step").values()) == lines[0][0]
    assert totals(store, "fill") == {("BINANCE", "LIVE"): 3}
    assert totals(store, "state")["BINANCE", "FILLED"] == 3


def test_fresh_history_waits(store: Store) -> None:
    """What could still be joined by a transaction that began before is left for later."""
    filled(store)
    assert not measuring.measure(store, timedelta(minutes=1))
    assert totals(store, "step") == totals(store, "fill") == totals(store, "request") == {}


def test_latency_is_from_the_last_change(store: Store) -> None:
    """A step that ends 40 s after the one before is in the bucket up to 60 s; sums agree."""
    order = persisted(store)
    rows(store, "UPDATE order_events SET at = at - interval '1 hour' RETURNING 1")
    rows(store, "UPDATE measured SET upto = upto - interval '2 hours' RETURNING 1")
    rows(
        store,
        f"""
        INSERT INTO order_events (order_id, at, step, state, broker, attempt_no)
        SELECT order_id, max(at) + interval '40 seconds', 'connect_gateway', 'PENDING', 'BINANCE', 1
        FROM order_events WHERE order_id = '{order.order_id}' GROUP BY order_id RETURNING 1
        """,
    )
    measure_all(store)
    found = rows(
        store,
        "SELECT le, total, seconds FROM measured_totals WHERE label = 'connect_gateway'",
    )
    assert found == [(60.0, 1, pytest.approx(40))]
    by_hour = rows(
        store,
        "SELECT le, steps, seconds FROM step_latency_by_hour WHERE step = 'connect_gateway'",
    )
    assert by_hour == [(60.0, Decimal(1), pytest.approx(40))]
    assert max(measuring.BOUNDS) == math.inf


def test_a_beginning_that_is_not_known(store: Store) -> None:
    """A first line without its request is a state reached, and no latency of 0."""
    rows(
        store,
        """INSERT INTO order_events (order_id, step, state)
        VALUES (gen_random_uuid(), 'create_order', 'PENDING') RETURNING 1""",
    )
    measure_all(store)
    assert totals(store, "step") == {}
    assert totals(store, "state") == {("", "PENDING"): 1}


def test_fills_by_hour_and_slippage_by_symbol(store: Store) -> None:
    """Slippage is in basis points worse than the reference, for either side; none without one."""
    for side, price in (("BUY", "64064"), ("SELL", "63968")):
        order = submitted(store, side=side, reference_price="64000")
        apply(store, order, trade(order, "1", "3", price))
    filled(store)
    measure_all(store)
    hour, broker, mode, fills = rows(store, "SELECT * FROM fills_by_hour")[0]
    assert (hour, broker, mode, fills) == (START, "BINANCE", "LIVE", 3)
    found = rows(
        store, "SELECT symbol, fills, with_reference, slippage, worst FROM slippage_by_symbol"
    )
    assert found == [("BTC-USDT", 3, 2, pytest.approx(7.5), pytest.approx(10))]


def test_only_old_quotes_and_latencies_go(store: Store) -> None:
    """What is kept long enough goes, in batches; what is younger and all of the history stays."""
    filled(store)
    rows(store, "UPDATE order_events SET at = at - interval '10 years' RETURNING 1")
    for days in (1, 89, 91, 400):
        rows(
            store,
            f"""INSERT INTO quotes SELECT clock_timestamp() - interval '{days} days', 'SPY', 1, 2,
            'test' RETURNING 1""",
        )
    rows(
        store,
        """INSERT INTO step_latencies SELECT clock_timestamp() - d * interval '1 day', 's', '', 1,
        1, 1 FROM unnest(ARRAY[1, 31]) d RETURNING 1""",
    )
    before = rows(store, "SELECT count(*) FROM order_events")
    assert measuring.prune(store) == 3
    assert measuring.prune(store) == 0
    assert rows(store, "SELECT count(*) FROM quotes") == [(2,)]
    assert rows(store, "SELECT count(*) FROM order_events") == before


class Unsent:
    """Messages that are lost."""

    def steps(self, *_: object) -> None:
        """Send nothing."""

    def task(self, *_: object) -> None:
        """Send nothing."""


def test_repairs_are_counted(store: Store) -> None:
    """What a sweep sends on is added up; a sweep that finds nothing adds nothing."""
    persisted(store, BrokerName.PAPER)
    sweep = Sweep(store, ExchangeMapper(), TIMING, timedelta(minutes=1), Unsent())
    assert sweep.once().orders == 0
    assert totals(store, "repair") == {}
    for _ in range(2):
        rows(store, "UPDATE orders SET due_at = clock_timestamp() - interval '1 s' RETURNING 1")
        assert sweep.once().orders == 1
    assert totals(store, "repair") == {("", "orders"): 2}


def test_a_counter_of_nothing_is_no_row(store: Store) -> None:
    """Amounts of zero are not written."""
    with store.transaction() as connection:
        measuring.count(connection, "repair", {"orders": 0, uuid4().hex: 0})
    assert totals(store, "repair") == {}
