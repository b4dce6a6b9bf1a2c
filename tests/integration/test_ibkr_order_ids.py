"""Order ids of Interactive Brokers: one for an attempt, committed, and never twice."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from execution.store import ibkr_order_ids
from execution.store.engine import Store


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """A migrated database."""
    with closing(Store(database_url, pool_size=4)) as store:
        yield store


def take(store: Store, name: str, above: int = 0, client_id: int = 1) -> tuple[int, bool]:
    """An attempt's order id, in a transaction of its own."""
    with store.brief() as link:
        taken = ibkr_order_ids.take(link, client_id, name, above)
    assert taken.client_id == client_id
    return taken.order_id, taken.known


def test_an_attempt_keeps_its_id(store: Store) -> None:
    """However high TWS has counted meanwhile; every client id counts by itself."""
    assert take(store, "a") == (1, False)
    assert take(store, "b") == (2, False)
    assert take(store, "a", above=50) == (1, True)
    assert take(store, "c", client_id=2) == (1, False)


def test_above_what_tws_has_seen(store: Store) -> None:
    """And above our own when those are higher."""
    assert take(store, "a", above=40) == (41, False)
    assert take(store, "b", above=7) == (42, False)


def test_released(store: Store) -> None:
    """The attempt gets another; the id is nobody's any more."""
    take(store, "a")
    with store.brief() as link:
        ibkr_order_ids.release(link, 1, "a")
    assert take(store, "a") == (2, False)


def test_many_at_once(store: Store) -> None:
    """No two have the same."""
    with ThreadPoolExecutor(4) as threads:
        taken = list(threads.map(lambda number: take(store, f"n{number}"), range(60)))
    assert sorted(order_id for order_id, _ in taken) == list(range(1, 61))


def test_an_attempt_has_an_id_of_one_client_only(store: Store) -> None:
    """Another client that would send it, too, hears whose it is; of many at once one gets it."""
    take(store, "a", client_id=1)
    with store.brief() as link:
        assert ibkr_order_ids.take(link, 2, "a", 0) == ibkr_order_ids.Taken(1, 1, known=True)

    def race(client_id: int) -> int:
        with store.brief() as link:
            return ibkr_order_ids.take(link, client_id, "b", 0).client_id

    with ThreadPoolExecutor(4) as threads:
        assert len(set(threads.map(race, range(1, 9)))) == 1
