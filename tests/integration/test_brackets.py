"""A bracket's family in the tables: made once, sized to what is covered, ended with it."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

from execution.domain.brackets import COVERING, Role, child_id
from execution.domain.orders import Order
from execution.domain.reports import VenueOrder
from execution.domain.vocabulary import BrokerName, OrderState
from execution.store import brackets, orders
from execution.store.engine import Store

from .stored import SESSION, TIMING, apply, intended, reload, submitted, trade


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """A fresh database."""
    store = Store(database_url)
    yield store
    store.close()


def parent(store: Store) -> Order:
    """A parent of 3 that rests on paper."""
    return submitted(
        store, BrokerName.PAPER, take_profit_price="110", stop_loss_price="90", quantity="3"
    )


def commands(store: Store) -> list[Any]:
    """Every command, in order."""
    with store.statement() as connection:
        return list(connection.execute(text("SELECT * FROM order_commands ORDER BY received_at")))


def test_children_cover_what_is_filled(store: Store) -> None:
    """The first fill makes both children; the next asks for both to be larger."""
    order = apply(store, parent(store), *[])
    assert order.filled_quantity == 0
    order = apply(store, order, trade(order, "a", "1", "100"))
    children = [reload(store, child_id(order.order_id, role)) for role in COVERING]
    assert [child.quantity for child in children] == [1, 1]
    assert [child.attempt.quantity for child in children] == [1, 1]
    assert {child.parent_order_id for child in children} == {order.order_id}
    assert {child.for_venue().one_cancels_other for child in children} == {order.order_id}
    with store.transaction() as connection:
        due = brackets.due_children(connection, order.order_id)
    assert sorted(due) == sorted(child.order_id for child in children)
    for _ in range(2):
        order = apply(store, order, trade(order, "b", "2", "100", second=1))
    assert [(row.kind, row.payload["quantity"]) for row in commands(store)] == [
        ("MODIFY", "3"),
        ("MODIFY", "3"),
    ]


def test_what_one_fills_the_other_gives_up(store: Store) -> None:
    """A child's part asks its sibling to be smaller; its whole, to be cancelled."""
    order = parent(store)
    order = apply(store, order, trade(order, "a", "3", "100"))
    profit = at_venue(store, reload(store, child_id(order.order_id, Role.TAKE_PROFIT)))
    profit = apply(store, profit, trade(profit, "p", "1", "110", second=2))
    assert [(row.kind, row.payload.get("quantity")) for row in commands(store)] == [("MODIFY", "2")]
    profit = apply(store, profit, trade(profit, "q", "2", "110", second=3))
    assert profit.state is OrderState.FILLED
    assert [row.kind for row in commands(store)] == ["MODIFY", "CANCEL"]
    with store.statement() as connection:
        held = connection.execute(text("SELECT quantity, realised_pnl FROM paper_positions")).one()
    assert tuple(held) == (0, Decimal(30))


def at_venue(store: Store, order: Order) -> Order:
    """A child brought to its venue."""
    sent = intended(store, order)
    said = VenueOrder("1", OrderState.SUBMITTED, sent.symbol, sent.side, sent.quantity)
    with store.transaction() as connection:
        assert orders.acknowledged(connection, sent, said, SESSION, TIMING)
    return reload(store, order.order_id)
