"""One order that its venue does not take: others go on, and it is not sent without end."""

from __future__ import annotations

import time
from uuid import uuid4

import pytest

from tests.fleet import TIMINGS, Fleet, wait_until

GOOD, BAD = "BTC-USDT", "ETH-USDT"
SECONDS = 8.0


def place(fleet: Fleet, name: str, symbol: str, **changes: str) -> str:
    """A BUY of one at the market, under a name of its own."""
    unique = f"{name}-{uuid4().hex[:8]}"
    order = {"symbol": symbol, "side": "BUY", "quantity": "1", "client_order_id": unique}
    fleet.send(**(order | changes))
    return unique


def healthy_neighbours(fleet: Fleet) -> list[str]:
    """Orders placed one after the other for some seconds, each filled."""
    names, until = list[str](), time.monotonic() + SECONDS
    while len(names) < 5 or time.monotonic() < until:
        names.append(place(fleet, "good", GOOD))
        fleet.await_state(names[-1], "FILLED")
    return names


@pytest.mark.parametrize("kind", ["unavailable", "error_reply", "drop_request"])
def test_its_neighbours_are_live(fleet: Fleet, kind: str) -> None:
    """The breaker stays closed and the session up; within a minute it is sent twice at most."""
    fleet.venue.control("POST", "prices", {"symbol": BAD, "bid": "3000", "ask": "3001"})
    fleet.venue.arm(kind, on="submit", symbol=BAD, times=1000)
    bad = place(fleet, "bad", BAD, on_failure="wait")
    for name in healthy_neighbours(fleet):
        order = fleet.order(name)
        assert order is not None
        assert (order["broker"], order["execution_mode"]) == ("BINANCE", "LIVE")
    (breaker,) = fleet.query("SELECT * FROM breakers WHERE broker = 'BINANCE'")
    assert breaker["state"] == "CLOSED"
    fired = fleet.venue.control("GET", "faults")["fired"][kind]
    assert fired <= 2 or kind == "unavailable"
    fleet.venue.control("DELETE", "faults")
    fleet.client.cancel(bad)
    wait_until(
        lambda: (fleet.order(bad) or {}).get("state") in {"CANCELLED", "FILLED"},
        timeout=90,
        what="its end",
    )


def test_not_taken_for_longer_than_the_grace(fleet: Fleet) -> None:
    """Then `on_failure` decides about that order, as for one whose connection is lost."""
    fleet.venue.control("POST", "prices", {"symbol": BAD, "bid": "3000", "ask": "3001"})
    fleet.venue.arm("unavailable", on="submit", symbol=BAD, times=1000)
    bad = place(fleet, "bad", BAD, on_failure="reject")
    patience = float(TIMINGS["LOST_CONNECTION_GRACE"]) + 30
    order = fleet.await_state(bad, "REJECTED", timeout=patience)
    assert "took nothing" in order["reason"]
    (breaker,) = fleet.query("SELECT * FROM breakers WHERE broker = 'BINANCE'")
    assert breaker["state"] == "CLOSED"
