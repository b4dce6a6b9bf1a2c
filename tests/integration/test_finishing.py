"""First executions of an order that rested: written at once, they leave what the steps leave."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

from execution.domain.orders import Order
from execution.domain.reports import Execution, ReportKind, VenueOrder
from execution.domain.vocabulary import OrderState
from execution.store import executions, finishing, orders, positions, reports
from execution.store.engine import Store
from execution.store.finishing import Rested
from execution.store.first_fills import Heard

from .stored import TIMING, apply, reload, submitted, trade
from .traces import comparable, traces

PAID: dict[str, Any] = {"commission": Decimal("0.5"), "commission_currency": "USDT"}


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """A fresh database."""
    store = Store(database_url)
    yield store
    store.close()


def heard(store: Store, order: Order, *told: Execution, ended: OrderState | None = None) -> Heard:
    """The order with what its venue says of it, recorded."""
    filled = sum((one.quantity for one in told), Decimal(0))
    working = OrderState.FILLED if filled == order.quantity else OrderState.PARTIALLY_FILLED
    said = VenueOrder(
        broker_order_id="1",
        state=ended or working,
        reason="no more at this price" if ended else None,
        symbol=order.symbol,
        side=order.side,
        quantity=order.quantity,
        filled_quantity=filled,
        executions=told,
    )
    with store.brief() as link:
        now = orders.news(link, order, said, TIMING.step)
    assert now is not None
    return Heard(now, told)


def rested(found: Heard) -> Rested:
    """What steps 5 and 6 leave unwritten of it."""
    assert finishing.first_heard(found)
    return Rested(found.order, found.executions, (time.monotonic(),)).after()


def at_once(store: Store, found: Heard) -> Order | None:
    """Steps 5 to 7 in one statement."""
    with store.brief() as link:
        return finishing.finish(link, rested(found), TIMING)


def late(store: Store, found: Heard) -> Order | None:
    """The same where the position is to be folded."""
    with store.transaction() as connection:
        return finishing.finish_late(connection, rested(found), TIMING)


def by_steps(store: Store, found: Heard) -> Order:
    """Steps 5 to 7 one by one, by the statements that take anything."""
    with store.direct() as link:
        assert orders.fill_heard(link, found.order, TIMING)
    with store.transaction() as connection:
        executions.apply_to_order(connection, found.order.order_id, TIMING.step)
    with store.transaction() as connection:
        positions.apply_for_order(connection, found.order.order_id, TIMING.step)
    return reload(store, found.order.order_id)


def told(order: Order, parts: list[tuple[str, str]], paid: dict[str, Any]) -> list[Execution]:
    """Executions of an order, a second apart."""
    return [
        trade(order, f"x{number}", quantity, price, second=number, **paid)
        for number, (quantity, price) in enumerate(parts, start=10)
    ]


@pytest.mark.parametrize(
    ("parts", "ended"),
    [
        ([("3", "100")], None),
        ([("1", "100"), ("2", "101.5")], None),
        ([("1", "99")], None),
        ([("1", "99")], OrderState.EXPIRED),
        ([("1", "99"), ("1", "98")], OrderState.CANCELLED),
    ],
)
@pytest.mark.parametrize("held", [False, True])
@pytest.mark.parametrize("paid", [{}, PAID])
def test_same_as_step_by_step(
    store: Store,
    parts: list[tuple[str, str]],
    ended: OrderState | None,
    held: bool,  # noqa: FBT001 - parametrized
    paid: dict[str, Any],
) -> None:
    """Every row of every table is the same; so is the order that is handed on."""
    left = []
    for number, together in enumerate((True, False)):
        account = f"account-{number}"
        if held:
            first = submitted(store, account=account, side="SELL", quantity="5")
            apply(store, first, trade(first, "y", "5", "90"))
        order = submitted(store, account=account)
        found = heard(store, order, *told(order, parts, paid), ended=ended)
        if not together:
            done: Order | None = by_steps(store, found)
        elif held:
            done = at_once(store, found)
        else:  # there is no position yet
            assert at_once(store, found) is None
            done = late(store, found)
        assert comparable(done) == comparable(reload(store, order.order_id))
        left.append(traces(store, reload(store, order.order_id), account))
    assert left[0] == left[1]
    assert len(left[0]["fills"]) == len(parts)
    assert len(left[0]["positions"]) == 1


def count(store: Store, table: str) -> int:
    """The rows of a table."""
    with store.statement() as connection:
        found: int = connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()
        return found


@pytest.fixture
def found(store: Store) -> Heard:
    """An order that is filled, at an account with a position."""
    first = submitted(store)
    apply(store, first, trade(first, "y", "3", "90"))
    order = submitted(store)
    return heard(store, order, trade(order, "x", "3", "100", second=5))


def assert_untouched(store: Store, found: Heard) -> None:
    """The short ways do nothing, and what they were given is as it was."""
    before = reload(store, found.order.order_id), count(store, "fills"), count(store, "events")
    assert at_once(store, found) is None
    assert late(store, found) is None
    after = reload(store, found.order.order_id), count(store, "fills"), count(store, "events")
    assert (comparable(before[0]), *before[1:]) == (comparable(after[0]), *after[1:])


def test_changed_meanwhile(store: Store, found: Heard) -> None:
    """Somebody else goes on with the order: nothing is done."""
    with store.direct() as link:
        assert orders.fill_heard(link, found.order, TIMING)
    assert_untouched(store, found)


def test_more_heard_meanwhile(store: Store, found: Heard) -> None:
    """Another execution is there, recorded by somebody who does not change the order."""
    with store.transaction() as connection:
        assert reports.record(connection, found.order, [trade(found.order, "z", "1", "101")])
    assert_untouched(store, found)


def test_busted_meanwhile(store: Store, found: Heard) -> None:
    """The venue has taken it back already, without a word of whose it was."""
    order, name = found.order, f"{found.order.order_id}-x"
    bust = trade(order, "b", "3", "100", kind=ReportKind.BUST, corrects=name, venue_order_id=None)
    with store.transaction() as connection:
        assert reports.record_from_venue(
            connection,
            [bust],
            broker=order.broker,
            environment=order.environment,
            account=order.account,
        )
    assert_untouched(store, found)


@pytest.mark.parametrize("other", [PAID, {"price": Decimal(99)}, {"quantity": Decimal(2)}])
def test_recorded_otherwise(store: Store, found: Heard, other: dict[str, Any]) -> None:
    """What was recorded before is what counts, and the long way reads it."""
    assert_untouched(
        store, Heard(found.order, tuple(replace(one, **other) for one in found.executions))
    )
    by_steps(store, found)
    with store.statement() as connection:
        row = connection.execute(text("SELECT quantity, commission FROM positions")).one()
    assert (row.quantity, row.commission) == (6, 0)


def test_before_the_last_fill(store: Store, found: Heard) -> None:
    """Its place is not at the end of the position: that is folded anew."""
    order = submitted(store)
    early = heard(store, order, trade(order, "e", "3", "50", second=-5))
    assert at_once(store, early) is None
    assert late(store, early) is not None
    assert at_once(store, found) is not None
    with store.statement() as connection:
        row = connection.execute(text("SELECT quantity, average_price FROM positions")).one()
    assert (row.quantity, row.average_price) == (9, 80)


def test_odd_ones_go_the_long_way(store: Store, found: Heard) -> None:
    """Whatever is not the first of it, not all of it, or not plain."""
    order, (execution,) = found.order, found.executions
    assert finishing.first_heard(found)
    odd = [
        Heard(order, ()),
        Heard(order, (execution, execution)),
        Heard(replace(order, unapplied=2), found.executions),
        Heard(replace(order, unapplied=2), (execution, execution)),
        Heard(replace(order, state=OrderState.PARTIALLY_FILLED), found.executions),
        Heard(replace(order, state=OrderState.UNKNOWN), found.executions),
        Heard(replace(order, filled_quantity=Decimal(1)), found.executions),
        Heard(replace(order, unfinished=1), found.executions),
        Heard(replace(order, take_profit_price=Decimal(200)), found.executions),
        Heard(order, (replace(execution, kind=ReportKind.COMMISSION),)),
        Heard(order, (replace(execution, quantity=Decimal(4)),)),
    ]
    assert not any(finishing.first_heard(one) for one in odd)
