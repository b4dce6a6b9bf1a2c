"""From the release before to this one, with work under way: 0 lost, 0 doubled.

tests/operations/release/ is what that release left behind (`release_dump`).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import redis

from execution.store.migrate import upgrade
from tests.acceptance.test_brackets import await_child
from tests.fleet import Fleet, Servers, flush, wait_until
from tests.operations.release_dump import restore
from tests.venues import LedgerVenue

RELEASE = Path(__file__).parent / "release"
FAR = {"BTC-USDT": ("64000", "64001"), "SPY": ("600.00", "600.02")}


@pytest.fixture(scope="module")
def fleet(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """This release on the stores and the venue of the one before."""
    url = servers.postgres.create_database("upgraded")
    restore(url, RELEASE / "database.sql")
    upgrade(url)
    flush(servers.valkey.url)
    with closing(redis.Redis.from_url(servers.valkey.url)) as client:
        client.rpush("orders", *(RELEASE / "orders.jsonl").read_bytes().splitlines())

    def venue(home: Path) -> LedgerVenue:
        shutil.copy(RELEASE / "venue.jsonl", home / "venue.jsonl")
        return LedgerVenue(home)

    with Fleet(url, servers.valkey.url, tmp_path_factory.mktemp("up") / "home", venue=venue) as one:
        one.tap.losses = 1  # it has heard nothing of what was published before
        yield one
    servers.postgres.drop_database("upgraded")


@pytest.fixture(autouse=True)
def judged(fleet: Fleet) -> Iterator[None]:
    """Compare the venue's ledger, the tables and the stream of events after each test."""
    yield
    fleet.judge()


def fills_of(fleet: Fleet, name: str) -> list[Decimal]:
    """The quantities of an order's fills."""
    rows = fleet.query(
        "SELECT f.quantity FROM fills f JOIN orders o USING (order_id) WHERE client_order_id = %s",
        name,
    )
    return [row["quantity"] for row in rows]


def test_what_was_on_its_way(fleet: Fleet) -> None:
    """What was recorded and what was in Redis become orders, once each."""
    for name in ("recorded", "in-redis"):
        fleet.await_state(name, "FILLED")
        assert fills_of(fleet, name) == [Decimal(4)]
    cancelled = fleet.await_state("waits", "CANCELLED")
    assert cancelled["reason"] == "cancelled by cancel-waits"


def test_what_was_over(fleet: Fleet) -> None:
    """It stays as it was."""
    assert fills_of(fleet, "live-filled") == [Decimal(3)]
    fleet.await_state("live-filled", "FILLED")


def test_what_was_in_doubt(fleet: Fleet) -> None:
    """The venue has it: it is found there, and not sent again."""
    order = fleet.await_state("unknown", "SUBMITTED")
    known_as = fleet.query(
        "SELECT venue_order_id FROM order_attempts WHERE order_id = %s", order["order_id"]
    )
    assert len(known_as) == 1
    held = [one["venue_order_id"] for one in fleet.venue.orders()]
    assert held.count(known_as[0]["venue_order_id"]) == 1


def test_what_rested_fills(fleet: Fleet) -> None:
    """Live, in part or not at all so far, and on paper."""
    fleet.set_prices({"BTC-USDT": ("59990", "59995"), "SPY": ("499.90", "499.95")})
    for name in ("live-part", "live-rests", "paper-rests"):
        fleet.await_state(name, "FILLED")
    assert sum(fills_of(fleet, "live-part")) == 3
    assert sum(fills_of(fleet, "live-rests")) == 3
    fleet.set_prices(FAR)


def test_what_was_protected_stays_so(fleet: Fleet) -> None:
    """The bracket's stop has filled in the fall; its target is gone with it."""

    def stopped() -> dict[str, Any] | None:
        child = await_child(fleet, "bracket", "STOP_LOSS", "FILLED")
        return child if child["due_at"] is None else None

    assert wait_until(stopped, what="the stop")["filled_quantity"] == 4
    await_child(fleet, "bracket", "TAKE_PROFIT", "CANCELLED")
    (held,) = fleet.query("SELECT quantity FROM paper_positions WHERE symbol = 'SPY'")
    # What recorded, in-redis and paper-rests bought; the bracket's four are sold.
    assert held["quantity"] == 12


def test_a_new_order(fleet: Fleet) -> None:
    """And everything goes on."""
    fleet.client.place("BTC-USDT", "BUY", "1", client_order_id="after")
    fleet.await_state("after", "FILLED")
