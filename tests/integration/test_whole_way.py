"""The whole way of an order by the store's transactions, as its steps run them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from uuid import UUID

import pytest
import redis

from execution.domain.lifecycle import Step
from execution.domain.orders import Order
from execution.domain.reports import VenueOrder
from execution.domain.vocabulary import BrokerName, OrderState
from execution.events.publisher import Publisher
from execution.store import executions, orders, positions
from execution.store.engine import Store
from execution.store.loading import load
from execution.store.outbox import Numbered

from .stored import SESSION, TIMING, intended, persisted, rows_read_so_far, trade


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


def filled(store: Store, account: str) -> Order:
    """A paper order after step 7, filled by its venue's first answer."""
    order = intended(store, persisted(store, BrokerName.PAPER, account=account))
    executed = (trade(order, "a", "1", "100"), trade(order, "b", "2", "101.5", second=1))
    said = VenueOrder(
        broker_order_id=order.attempt.venue_order_id,
        state=OrderState.FILLED,
        symbol=order.symbol,
        side=order.side,
        quantity=order.quantity,
        filled_quantity=Decimal(3),
        venue_order_id=order.attempt.venue_order_id,
        executions=executed,
    )
    with store.direct() as link:
        acknowledged = orders.acknowledged(link, order, said, SESSION, TIMING)
        assert acknowledged is not None
        assert acknowledged.unapplied == 2
        assert orders.fill_heard(link, acknowledged, TIMING)
    with store.transaction() as connection:
        applied = executions.apply_to_order(connection, order.order_id, TIMING.step)
    assert applied is not None
    assert (applied.step, applied.unapplied, applied.unfinished) == (Step.PERSIST_FILL, 0, 2)
    with store.transaction() as connection:
        done = positions.apply_for_order(connection, order.order_id, TIMING.step)
        read = load(connection, order.order_id)
    assert done is not None
    assert read is not None
    assert (done.step, done.unfinished, done.version) == (read.step, 0, read.version)
    assert (done.state, done.filled_quantity) == (OrderState.FILLED, Decimal(3))
    return done


def test_many_ends_at_once(store: Store) -> None:
    """Step 8 of several orders in one statement does what it does for each alone."""
    done = [filled(store, "a") for _ in range(4)]
    with store.brief() as link:
        alone = orders.published(link, done[0], TIMING.step)
        ended: set[UUID] = orders.all_published(link, done, TIMING.step)
        assert ended == {order.order_id for order in done[1:]}
        last = load(link, done[1].order_id)
    assert alone is not None
    assert last is not None
    assert (last.step, last.due_at, last.version) == (alone.step, alone.due_at, alone.version)
    assert last.step == Step.PUBLISH_FILL_EVENT


def test_later_orders_read_no_more_than_first_ones(store: Store) -> None:
    """Statements are planned once, on empty tables: no such plan may read all of a table later."""
    publisher = Silent(store, redis.Redis())

    def rows_read(first: int, last: int) -> int:
        before = rows_read_so_far(store)
        for number in range(first, last):
            assert publisher.finish(filled(store, f"account-{number}"))
        return rows_read_so_far(store) - before

    rows_read(0, 5)
    first = rows_read(5, 15)
    rows_read(15, 100)
    assert rows_read(100, 110) <= first * 1.2
