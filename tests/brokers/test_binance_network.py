"""What Binance does to everybody at an address: a ban, and a reset of its test network."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from tests.fleet import PRICES, Fleet, Servers, flush, wait_until
from tests.venues import BinanceVenue

BAN_SECONDS = 90


@pytest.fixture(scope="module")
def fleet(
    servers: Servers, module_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    """Workers whose Binance is the simulated one; two of them share its queue."""
    flush(servers.valkey.url)
    home = tmp_path_factory.mktemp("binance-network") / "home"
    with Fleet(module_database_url, servers.valkey.url, home, venue=BinanceVenue) as fleet:
        fleet.set_prices(PRICES)
        yield fleet


@pytest.fixture(autouse=True)
def judged() -> None:
    """A venue that was reset knows nothing of what went before."""


def place(fleet: Fleet, **changes: Any) -> str:
    """A MARKET BUY of one bitcoin, with changes; its client_order_id."""
    name = f"network-{uuid4().hex[:8]}"
    order = {"symbol": "BTC-USDT", "side": "BUY", "quantity": "1", "client_order_id": name}
    fleet.client.place(**(order | changes))
    return name


def said(fleet: Fleet) -> str:
    """What the newest session of Binance says of its connection."""
    rows = fleet.query(
        """SELECT status, detail FROM broker_sessions WHERE broker = 'BINANCE'
        AND ended_at IS NULL ORDER BY started_at DESC LIMIT 1"""
    )
    return f"{rows[0]['status']} {rows[0]['detail']}" if rows else ""


def session(fleet: Fleet) -> Any:
    """The newest session of Binance."""
    rows = fleet.query(
        "SELECT session_id FROM broker_sessions WHERE broker = 'BINANCE' ORDER BY started_at"
    )
    return rows[-1]["session_id"]


def id_of_last(fleet: Fleet) -> int:
    """The id of the venue's last execution."""
    return int(fleet.venue.executions()[-1]["execution_id"])


def test_a_ban_is_sat_out_by_everybody(fleet: Fleet) -> None:
    """Not one request before it is over, from a worker that is started anew either; then live."""
    fleet.venue.arm("rate_limit", on="any", status=418, seconds=BAN_SECONDS, times=100_000)
    wait_until(lambda: "wants no request" in said(fleet), what="the ban")
    kept = fleet.query("SELECT until - clock_timestamp() AS remaining FROM venue_pauses")
    assert kept[0]["remaining"].total_seconds() > BAN_SECONDS / 2
    asked = fleet.venue.fired("rate_limit")
    before = session(fleet)
    os.kill(fleet.pid_of("worker-binance"), signal.SIGKILL)
    wait_until(lambda: session(fleet) != before, timeout=60, what="the next worker")
    wait_until(lambda: "wants no request" in said(fleet), what="its word on the ban")
    order = fleet.await_state(place(fleet), "FILLED", timeout=60)
    assert order["execution_mode"] == "PAPER"
    left = fleet.query("SELECT until > clock_timestamp() AS stands FROM venue_pauses")
    assert left[0]["stands"]
    assert fleet.venue.fired("rate_limit") == asked
    fleet.venue.disarm()
    wait_until(lambda: fleet.connected("BINANCE"), timeout=2 * BAN_SECONDS, what="the end of it")
    order = fleet.await_state(place(fleet, on_failure="wait"), "FILLED")
    assert order["execution_mode"] == "LIVE"


def test_the_test_network_is_reset(fleet: Fleet) -> None:
    """Ids begin anew: what fills after it is booked, and the reset is called by its name."""
    fleet.await_state(place(fleet, on_failure="wait"), "FILLED")
    taken = id_of_last(fleet)
    before = fleet.position("BTC-USDT", "1000")
    fleet.venue.control("POST", "reset", {})
    fleet.set_prices(PRICES)
    orders = 0
    while not fleet.venue.executions() or id_of_last(fleet) < taken:
        order = fleet.await_state(place(fleet, on_failure="wait"), "FILLED")
        assert order["execution_mode"] == "LIVE"
        orders += 1
    moved = fleet.position("BTC-USDT", "1000") - before
    assert moved == orders * Decimal("0.999")

    def named() -> list[dict[str, Any]]:
        return fleet.query("SELECT message FROM alerts WHERE kind = 'VENUE_RESET'")

    assert "begun anew" in wait_until(named, what="the alert")[0]["message"]
