"""One order's trouble at the simulated IB Gateway, with real workers and healthy neighbours."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from tests.fleet import PRICES, Fleet, Servers, flush, wait_until
from tests.venues import IbGatewayVenue

NEIGHBOURS = 5
BAD, GOOD = "GBTC", "SPY"


@pytest.fixture(scope="module")
def fleet(
    servers: Servers, module_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    """Workers whose IB Gateway is the simulated one."""
    flush(servers.valkey.url)
    home = tmp_path_factory.mktemp("trouble") / "home"
    with Fleet(
        module_database_url,
        servers.valkey.url,
        home,
        venue=IbGatewayVenue,
        queues=("orders", "ibkr", "paper"),
        ready=("IBKR", "PAPER"),
    ) as fleet:
        yield fleet


@pytest.fixture(autouse=True)
def judged(fleet: Fleet) -> Iterator[None]:
    """The venue as it was before a test; ledger, tables and event stream compared after it."""
    fleet.venue.disarm()
    fleet.set_prices(PRICES)
    wait_until(lambda: fleet.connected("IBKR"), what="the session")
    yield
    fleet.venue.disarm()
    fleet.judge()


def place(fleet: Fleet, name: str, symbol: str, **changes: Any) -> str:
    """A BUY of five at the market, under a name of its own."""
    unique = f"{name}-{uuid4().hex[:8]}"
    order = {"symbol": symbol, "side": "BUY", "quantity": "5", "client_order_id": unique}
    fleet.client.place(**(order | changes))
    return unique


def connections(fleet: Fleet) -> int:
    """How often the worker's client id has connected."""
    entered = fleet.venue.control("GET", "clients")["entered"]
    return sum(times for client_id, times in entered.items() if int(client_id) < 1_000_000)


def sends(fleet: Fleet, name: str) -> int:
    """How often TWS has seen an order, taken or refused."""
    ids = {
        row["venue_order_id"]
        for row in fleet.query(
            "SELECT a.venue_order_id FROM order_attempts a JOIN orders o USING (order_id) "
            "WHERE o.client_order_id = %s",
            name,
        )
    }
    ledger = fleet.venue.control("GET", "ledger")
    seen = [*ledger["orders"], *ledger["refusals"]]
    return sum(row["venue_order_id"] in ids for row in seen)


@pytest.mark.parametrize(
    ("kind", "code", "seconds"),
    [
        ("reject", "460", 20),
        ("reject", "451", 3),
        ("reject", "103", 3),
        ("inactive", "460", 3),
        ("cancelled_with_code", "451", 3),
        ("late_reject", "460", 3),
    ],
)
def test_five_healthy_neighbours(fleet: Fleet, kind: str, code: str, seconds: float) -> None:
    """The bad one is REJECTED in TWS's words; all others are LIVE, on the connection that stood."""
    before = connections(fleet)
    fleet.venue.arm(kind, on="submit", code=code, reason="some words", symbol=BAD, times=1000)
    bad = place(fleet, "bad", BAD)
    until, good = time.monotonic() + seconds, list[str]()
    while len(good) < NEIGHBOURS or time.monotonic() < until:
        good.append(place(fleet, "good", GOOD))
        fleet.await_state(good[-1], "FILLED")
    order = fleet.await_state(bad, "REJECTED")
    assert "some words" in order["reason"]
    assert (order["broker"], order["execution_mode"]) == ("IBKR", "LIVE")
    assert {(one["broker"], one["execution_mode"]) for one in map(fleet.order, good) if one} == {
        ("IBKR", "LIVE")
    }
    assert sends(fleet, bad) <= 2
    assert connections(fleet) == before
    (breaker,) = fleet.query("SELECT * FROM breakers WHERE broker = 'IBKR'")
    assert (breaker["state"], breaker["failures"]) == ("CLOSED", 0)


@pytest.mark.parametrize("code", ["103", "10311", "460", "201"])
@pytest.mark.parametrize("seconds", [0, 1.5])
def test_a_mere_warning(fleet: Fleet, code: str, seconds: float) -> None:
    """Of an order that lives: it is neither sent again nor refused, and fills once, LIVE."""
    terms = {"order_type": "LIMIT", "limit_price": "590", "time_in_force": "GTC"}
    fleet.venue.arm("remark", on="submit", code=code, reason="a warning", seconds=seconds)
    name = place(fleet, "warned", GOOD, **terms)
    fleet.await_state(name, "SUBMITTED")
    fleet.venue.price(GOOD, "589", "589.02")
    order = fleet.await_state(name, "FILLED")
    assert (order["broker"], order["execution_mode"], order["filled_quantity"]) == (
        "IBKR",
        "LIVE",
        5,
    )
    assert sends(fleet, name) == 1


def test_a_pending_cancel_is_no_refusal(fleet: Fleet) -> None:
    """The exchange is closed: asked for once, and the command stays PENDING until it is done."""
    name = place(fleet, "closed", GOOD, order_type="LIMIT", limit_price="590", time_in_force="GTC")
    order = fleet.await_state(name, "SUBMITTED")
    fleet.venue.arm("pending_cancel", times=1000, code="PreSubmitted")
    before = fleet.venue.fired("pending_cancel")
    command = fleet.client.cancel(name)
    wait_until(lambda: fleet.venue.fired("pending_cancel") > before, what="the cancel")
    until = time.monotonic() + 8.0
    while time.monotonic() < until:
        fleet.await_state(place(fleet, "good", GOOD), "FILLED")
        assert fleet.client.command(command).outcome == "PENDING"
    assert fleet.venue.fired("pending_cancel") == before + 1
    fleet.venue.disarm()
    fleet.await_state(name, "CANCELLED")
    wait_until(lambda: fleet.client.command(command).outcome == "DONE", what="the command's end")
    told = fleet.query("SELECT type FROM events WHERE order_id = %s", order["order_id"])
    assert "CANCEL_REFUSED" not in {row["type"] for row in told}
