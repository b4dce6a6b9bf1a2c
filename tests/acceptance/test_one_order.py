"""One order that its venue does not take: others go on, and it is not sent without end."""

from __future__ import annotations

import os
import signal
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


def resting(fleet: Fleet) -> tuple[str, str]:
    """An order far below the market: its name, and what its venue calls it."""
    name = f"silent-{uuid4().hex[:8]}"
    terms = {"symbol": GOOD, "side": "BUY", "quantity": "1", "order_type": "LIMIT"}
    fleet.send(**terms, limit_price="50000", client_order_id=name)
    order = fleet.await_state(name, "SUBMITTED")
    (attempt,) = fleet.query(
        "SELECT venue_order_id FROM order_attempts WHERE order_id = %s", order["order_id"]
    )
    return name, attempt["venue_order_id"]


def set_market(fleet: Fleet, bid: str, ask: str) -> None:
    """Move the market of what rests."""
    fleet.venue.control("POST", "prices", {"symbol": GOOD, "bid": bid, "ask": ask})


def test_nothing_is_told_of_one(fleet: Fleet) -> None:
    """A venue that answers everything but the question about one order has not failed."""
    silent, name = resting(fleet)
    fleet.venue.arm("unavailable", on="query", venue_order_id=name, times=10_000)
    for neighbour in healthy_neighbours(fleet):
        found = fleet.order(neighbour)
        assert found is not None
        assert (found["broker"], found["execution_mode"]) == ("BINANCE", "LIVE")
        assert fleet.connected("BINANCE")
    set_market(fleet, "49000", "49001")
    fleet.venue.control("DELETE", "faults")
    fleet.await_state(silent, "FILLED")


def test_nothing_is_told_of_one_that_ended_meanwhile(fleet: Fleet) -> None:
    """A worker that begins with such an order among others is ready all the same."""
    silent, name = resting(fleet)
    fleet.venue.arm("unavailable", on="query", venue_order_id=name, times=10_000)
    os.kill(fleet.pid_of("worker-binance"), signal.SIGKILL)
    set_market(fleet, "49000", "49001")
    set_market(fleet, "64000", "64001")
    wait_until(lambda: not fleet.connected("BINANCE"), what="the old session's end")
    wait_until(lambda: fleet.connected("BINANCE"), timeout=40, what="the session")
    healthy_neighbours(fleet)
    assert fleet.connected("BINANCE")
    fleet.venue.control("DELETE", "faults")
    fleet.await_state(silent, "FILLED")


def test_a_reason_that_no_text_may_hold(fleet: Fleet) -> None:
    """PostgreSQL takes no NUL in a text: it is left out of a venue's words."""
    odd, name = resting(fleet)
    end = {"venue_order_id": name, "state": "CANCELLED", "reason": "no\x00 use"}
    fleet.venue.control("POST", "orders/cancel", end)
    assert fleet.await_state(odd, "CANCELLED")["reason"] == "no use"
    fleet.venue.arm("reject", on="submit", reason="in\x00deed")
    refused = place(fleet, "refused", GOOD, on_failure="reject")
    assert "indeed" in fleet.await_state(refused, "REJECTED")["reason"]
