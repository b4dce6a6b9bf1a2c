"""Executions in every order and shape: recorded once, positions right, alerts where due."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest
from sqlalchemy import text

from execution.domain.lifecycle import Step
from execution.domain.mapping import ExchangeMapper
from execution.domain.orders import Order
from execution.domain.reports import ReportKind, VenueOrder
from execution.domain.vocabulary import BrokerName, OrderState
from execution.store import executions, loading, orders, positions, reports
from execution.store.engine import Store

from .stored import START, TIMING, apply, persisted, reload, step5, submitted, trade


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """A fresh database."""
    store = Store(database_url)
    yield store
    store.close()


def rows(store: Store, statement: str) -> list[Any]:
    """Rows of a query."""
    with store.statement() as connection:
        return list(connection.execute(text(statement)))


def events(store: Store, stream: str = "fills") -> list[str]:
    """Types of a stream's events, in their order."""
    found = rows(store, f"SELECT type FROM events WHERE stream = '{stream}' ORDER BY event_no")
    return [row.type for row in found]


def position(store: Store, table: str = "positions") -> tuple[Any, Any, Any]:
    """Quantity, average price and realised profit of the one position."""
    (row,) = rows(store, f"SELECT * FROM {table}")
    return row.quantity, row.average_price, row.realised_pnl


def test_repeated(store: Store) -> None:
    """The same execution, however often and by whomever it is told, is one fill."""
    order = submitted(store)
    told = trade(order, "a", "1", "100")
    for _ in range(3):
        order = apply(store, order, told, told)
    with store.transaction() as connection:
        again = reports.record_from_venue(
            connection,
            [told],
            broker=BrokerName.BINANCE,
            environment="practice",
            account="main",
        )
    assert again == []
    assert order.filled_quantity == 1
    assert order.state is OrderState.PARTIALLY_FILLED
    assert position(store) == (1, 100, 0)
    assert events(store) == ["FILL"]


def test_out_of_order(store: Store) -> None:
    """Whatever order executions are heard in, positions fold in the order they happened."""
    parts = [("a", "1", "100", 1), ("b", "1", "110", 2), ("c", "1", "120", 3)]
    seen = set()
    for number, order_of in enumerate(permutations(parts)):
        account = f"account-{number}"
        first = submitted(store, account=account)
        closing = submitted(store, account=account, side="SELL", quantity="2")
        apply(store, closing, trade(closing, "x", "2", "130", second=2, executed_at=START))
        for name, quantity, price, second in order_of:
            first = apply(store, first, trade(first, name, quantity, price, second=second))
        with store.statement() as connection:
            row = connection.execute(
                text("SELECT * FROM positions WHERE account = :account"), {"account": account}
            ).one()
        seen.add((row.quantity, row.average_price, row.realised_pnl))
        assert first.state is OrderState.FILLED
        assert first.average_price == 110
    # Short 2 at 130, bought back at 100 and 110, then long 1 at 120.
    assert seen == {(Decimal(1), Decimal(120), Decimal(50))}


def test_beyond_the_quantity(store: Store) -> None:
    """An overfill is recorded whole, moves the position and raises one alert."""
    order = apply(store, submitted(store), *[])
    order = apply(store, order, trade(order, "a", "3", "100"))
    order = apply(store, order, trade(order, "b", "2", "100", second=1))
    assert order.filled_quantity == 5
    assert order.state is OrderState.FILLED
    assert position(store)[0] == 5
    assert [row.kind for row in rows(store, "SELECT kind FROM alerts")] == ["OVERFILLED"]
    assert "OVERFILLED" in events(store, "orders")


def test_after_cancelled(store: Store) -> None:
    """A fill that comes after CANCELLED counts; the order that is short of it stays CANCELLED."""
    order = submitted(store)
    with store.transaction() as connection:
        assert orders.settle(connection, order, OrderState.CANCELLED, "asked", step=Step.AWAIT_FILL)
    order = apply(store, reload(store, order.order_id), trade(order, "a", "1", "100"))
    assert order.state is OrderState.CANCELLED
    assert order.filled_quantity == 1
    assert position(store)[0] == 1
    assert [row.kind for row in rows(store, "SELECT kind FROM alerts")] == ["LATE_FILL"]


def test_cancelled_in_part(store: Store) -> None:
    """The venue's final word waits for every execution it speaks of."""
    order = submitted(store)
    said = VenueOrder(
        broker_order_id="1",
        state=OrderState.CANCELLED,
        symbol=order.symbol,
        side=order.side,
        quantity=order.quantity,
        filled_quantity=Decimal(2),
        executions=(trade(order, "a", "1", "100"),),
    )
    with store.transaction() as connection:
        assert orders.news(connection, order, said, TIMING.step)
    order = apply(store, order)
    assert order.state is OrderState.PARTIALLY_FILLED
    order = apply(store, order, trade(order, "b", "1", "102", second=1))
    assert order.state is OrderState.CANCELLED
    assert order.average_price == 101


def filled(order: Order) -> VenueOrder:
    """The order as its venue has it after one execution of all of it."""
    return VenueOrder(
        broker_order_id="1",
        state=OrderState.FILLED,
        symbol=order.symbol,
        side=order.side,
        quantity=order.quantity,
        filled_quantity=order.quantity,
        executions=(trade(order, "a", str(order.quantity), "100"),),
    )


def test_news_of_an_order_that_moved(store: Store) -> None:
    """News comes back with the order as it was read; should it have moved since, that is seen."""
    order = submitted(store)
    said = filled(order)
    moved = replace(order, version=order.version - 1)  # read before somebody else's change
    with store.transaction() as connection:
        stale = orders.news(connection, moved, said, TIMING.step)
        assert stale is not None
        assert orders.fill_heard(connection, stale, TIMING) is None
        assert orders.news(connection, order, said, TIMING.step) is None  # it is known by now
        latest = loading.load(connection, order.order_id)
        assert latest is not None
        assert (latest.unapplied, latest.attempt.reported_state) == (1, OrderState.FILLED)


def test_news_is_gone_on_with(store: Store) -> None:
    """What news makes of an order is what is read of it afterwards."""
    order = submitted(store)
    said = filled(order)
    with store.transaction() as connection:
        now = orders.news(connection, order, said, TIMING.step)
        read = loading.load(connection, order.order_id)
    assert now is not None
    assert read is not None
    assert replace(now, read_at=read.read_at) == read


def test_corrected_and_busted(store: Store) -> None:
    """A correction and a bust change the fill, re-fold the position and are told."""
    order = submitted(store)
    first, second = trade(order, "a", "1", "100"), trade(order, "b", "1", "110", second=1)
    order = apply(store, order, first, second)
    corrected = trade(
        order,
        "a2",
        "1",
        "90",
        second=2,
        kind=ReportKind.CORRECTION,
        corrects=first.execution_id,
    )
    order = apply(store, order, corrected)
    assert order.average_price == 100
    assert position(store) == (2, 100, 0)
    busted = trade(order, "b2", "0", "0", kind=ReportKind.BUST, corrects=second.execution_id)
    order = apply(store, order, busted)
    assert order.filled_quantity == 1
    assert position(store) == (1, 90, 0)
    assert events(store) == ["FILL", "FILL", "CORRECTION", "BUST"]


def test_commission_comes_later(store: Store) -> None:
    """FILL goes out with null, then COMMISSION; base-asset commission reduces what is held."""
    order = submitted(store)
    told = trade(order, "a", "1", "100")
    apply(store, order, told)
    late = trade(
        order,
        "a",
        "1",
        "100",
        kind=ReportKind.COMMISSION,
        commission=Decimal("0.001"),
        commission_currency="BTC",
    )
    for _ in range(2):
        apply(store, order, late)
    assert events(store) == ["FILL", "COMMISSION"]
    assert position(store)[0] == Decimal("0.999")


def test_revised_while_another_folds(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A commission that is booked while another order's late fill folds the position is told."""
    order, other = submitted(store), submitted(store)
    apply(store, order, trade(order, "a", "1", "100", second=2))
    commission = trade(
        order,
        "a",
        "1",
        "100",
        second=2,
        kind=ReportKind.COMMISSION,
        commission=Decimal("0.5"),
        commission_currency="USDT",
    )
    fold = positions._after_each
    revised: list[bool] = []

    def interrupted(*arguments: Any) -> Any:
        if not revised:
            revised.append(True)
            with store.transaction() as connection:
                reports.record(connection, order, [commission])
            assert step5(store, order.order_id)
            with store.transaction() as connection:
                executions.apply_to_order(connection, order.order_id, TIMING.step)
        return fold(*arguments)

    monkeypatch.setattr(positions, "_after_each", interrupted)
    apply(store, other, trade(other, "b", "1", "90", second=1))
    assert revised
    with store.transaction() as connection:
        moved = positions.apply_for_order(connection, order.order_id, TIMING.step)
    assert moved is not None
    assert moved.unfinished == 0
    assert events(store) == ["FILL", "FILL", "COMMISSION"]
    (held,) = rows(store, "SELECT quantity, average_price, commission FROM positions")
    assert (held.quantity, held.average_price, held.commission) == (2, 95, Decimal("0.5"))


def test_of_an_order_nobody_knows(store: Store) -> None:
    """It happened, so it is a fill, moves the position, is told, and raises an alert."""
    order = submitted(store)
    stranger = trade(order, "z", "2", "100", venue_order_id="not-one-of-ours")
    with store.transaction() as connection:
        assert reports.record_from_venue(
            connection, [stranger], broker=BrokerName.BINANCE, environment="practice", account="a"
        )
    (report,) = rows(store, "SELECT report_id, order_id FROM execution_reports")
    assert report.order_id is None
    mapper = ExchangeMapper()
    for expected in (True, False):
        with store.transaction() as connection:
            done = executions.apply_orphan(
                connection, report.report_id, lambda symbol: mapper.map(symbol, on=START.date())
            )
        assert done is expected
        with store.transaction() as connection:
            assert positions.apply_orphan(connection, report.report_id) == int(expected)
    assert position(store) == (2, 100, 0)
    assert events(store) == ["FILL"]
    assert [row.kind for row in rows(store, "SELECT kind FROM alerts")] == ["UNKNOWN_ORDER"]


def test_paper_and_live_have_their_own_tables(store: Store) -> None:
    """A paper fill never moves a live position."""
    order = submitted(store, BrokerName.PAPER)
    apply(store, order, trade(order, "a", "3", "100"))
    assert rows(store, "SELECT 1 FROM positions") == []
    assert position(store, "paper_positions")[0] == 3


def test_reroute_moves_only_what_was_refused(store: Store) -> None:
    """The database itself refuses a paper attempt beside a live one that may be there."""
    live = submitted(store)
    with pytest.raises(Exception, match="paper attempt"), store.transaction() as connection:
        connection.execute(
            text(
                """
                INSERT INTO order_attempts (attempt_id, order_id, attempt_no, broker, environment,
                    account, execution_mode, venue_order_id, quantity, state)
                VALUES (gen_random_uuid(), :order_id, 2, 'PAPER', 'practice', 'main', 'PAPER',
                    'x', 1, 'PENDING')
                """
            ),
            {"order_id": live.order_id},
        )
    unsent = persisted(store)
    with store.transaction() as connection:
        assert orders.reroute(
            connection,
            unsent,
            "down",
            attempt_id=live.order_id,
            step=Step.CONNECT_GATEWAY,
            timing=TIMING,
        )
    moved = reload(store, unsent.order_id)
    assert (moved.broker, moved.attempt.attempt_no) == (BrokerName.PAPER, 2)
    assert moved.attempt.venue_order_id != unsent.attempt.venue_order_id
