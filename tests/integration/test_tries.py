"""When an order was to be sent, read from its history."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import pytest

from execution.domain.orders import Order
from execution.domain.pacing import Tries
from execution.store import orders, tries
from execution.store.engine import Store

from .stored import intended, persisted, reload, submitted

SECOND = timedelta(seconds=1)


@pytest.fixture
def store(module_database_url: str) -> Iterator[Store]:
    """An empty database of today's schema."""
    store = Store(module_database_url)
    yield store
    store.close()


def read(store: Store, order_id: UUID) -> Tries:
    """What the history says."""
    with store.transaction() as connection:
        return tries.of_order(connection, order_id)


def taken_back(store: Store, order: Order, *, sent: bool, failed: bool) -> Order:
    """The order back at step 3, and its intent committed once more."""
    with store.transaction() as connection:
        assert orders.back_to_gateway(connection, order, "words", SECOND, sent=sent, failed=failed)
    return intended(store, reload(store, order.order_id))


def test_intents_that_never_left_are_no_sends(store: Store) -> None:
    """Those that left are, though the venue says that it took nothing."""
    order = intended(store, persisted(store))
    assert [len(read(store, order.order_id).sent), len(read(store, order.order_id).intents)] == [
        1,
        1,
    ]
    order = taken_back(store, order, sent=False, failed=False)
    assert [len(read(store, order.order_id).sent), len(read(store, order.order_id).intents)] == [
        1,
        2,
    ]
    order = taken_back(store, order, sent=True, failed=True)
    tried = read(store, order.order_id)
    assert (len(tried.sent), len(tried.intents), len(tried.failures)) == (2, 3, 1)
    assert tried.wait(order.read_at) > timedelta(seconds=50)
    assert timedelta(0) <= tried.failing_for(order.read_at) < timedelta(seconds=10)


def test_what_was_taken_is_one_send(store: Store) -> None:
    """And no failure."""
    tried = read(store, submitted(store).order_id)
    assert (len(tried.sent), len(tried.intents), tried.failures) == (1, 1, [])
