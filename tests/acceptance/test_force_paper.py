"""FORCE_PAPER_TRADING, set on a desk that has orders at its venue and on their way there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from uuid import uuid4

import pytest

from tests.fleet import PRICES, Fleet, Servers, wait_until
from tests.venues import BinanceVenue, LedgerVenue

from .desk import FORCED, REASON, SYMBOL, Desk, alerts, at_venue, attempts, change, outcome, place

RESTING = ("raised", "dearer", "lowered", "cancelled", "kept")


@pytest.fixture(scope="module")
def fleet() -> None:
    """None for all: each test has its own desk."""


@pytest.fixture(autouse=True)
def judged() -> None:
    """By each test itself: the oracle hears one fleet, and these orders live under several."""


@pytest.fixture(scope="module", params=[LedgerVenue, BinanceVenue])
def forced(
    request: pytest.FixtureRequest, servers: Servers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    """The setting is made while orders rest, one is in doubt and one waits for the venue.

    The ledger venue changes a quantity in place, Binance by another order.
    """
    name = f"forced_{uuid4().hex[:8]}"
    url = servers.postgres.create_database(name, template="template")
    desk = Desk(servers, url, tmp_path_factory.mktemp("forced"))
    with desk.open("before", request.param) as before:
        place(before, "held", quantity="3")
        before.await_state("held", "FILLED")
        for resting in RESTING:
            place(before, resting, order_type="LIMIT", limit_price="60000")
            before.await_state(resting, "SUBMITTED")
        before.venue.arm("drop_request", on="submit")
        place(before, "doubtful", on_failure="wait")
        wait_until(lambda: before.venue.fired("drop_request"), what="the lost request")
        before.venue.arm("unavailable", on="query", times=10_000)  # so nobody finds it out
        wait_until(
            lambda: (before.order("doubtful") or {}).get("state") == "UNKNOWN", what="the doubt"
        )
        before.venue.stop()
        place(before, "waiting", on_failure="wait")
        place(before, "insisting", on_failure="reject", order_type="LIMIT", limit_price="60000")
        wait_until(lambda: "WAITING" in alerts(before, "waiting"), what="the alert")
    with desk.open("after", before.venue, environment=FORCED) as after:
        yield after
    servers.postgres.drop_database(name)


def test_a_waiting_order_goes_to_paper(forced: Fleet) -> None:
    """It was to be sent once the venue is back: it is not, and says why."""
    order = forced.await_state("waiting", "FILLED")
    assert (order["requested_broker"], order["broker"]) == ("BINANCE", "PAPER")
    assert (order["execution_mode"], order["route_reason"]) == ("PAPER", REASON)
    live, paper = attempts(forced, "waiting")
    assert (live["state"], live["execution_mode"]) == ("REJECTED", "LIVE")
    assert paper["state"] == "FILLED"
    assert at_venue(forced, "waiting") == []
    assert alerts(forced, "waiting") == []


def test_an_order_in_doubt_goes_to_paper_once_it_is_not_there(forced: Fleet) -> None:
    """Only when the venue provably does not have it."""
    order = forced.await_state("doubtful", "FILLED")
    assert (order["execution_mode"], order["route_reason"]) == ("PAPER", REASON)
    assert at_venue(forced, "doubtful") == []
    assert alerts(forced, "doubtful") == []


def test_a_larger_live_order_is_refused(forced: Fleet) -> None:
    """What is live stays as it was."""
    said, reason = change(forced, "raised", quantity="50")
    assert (said, reason) == ("REFUSED", "FORCE_PAPER_TRADING is set")
    (held,) = at_venue(forced, "raised")
    assert (held["state"], float(held["quantity"])) == ("SUBMITTED", 5)


def test_another_price_is_refused(forced: Fleet) -> None:
    """It would be a new order to buy."""
    said, reason = change(forced, "dearer", limit_price="63999")
    assert (said, reason) == ("REFUSED", "FORCE_PAPER_TRADING is set")
    (held,) = at_venue(forced, "dearer")
    assert (held["state"], float(held["limit_price"])) == ("SUBMITTED", 60000)


def test_a_smaller_live_order_passes(forced: Fleet) -> None:
    """In place, or by another live order for less."""
    assert change(forced, "lowered", quantity="2")[0] == "DONE"
    order = forced.await_state("lowered", "SUBMITTED")
    assert (order["execution_mode"], order["quantity"]) == ("LIVE", 2)
    working = [one for one in at_venue(forced, "lowered") if one["state"] == "SUBMITTED"]
    assert [float(one["quantity"]) for one in working] == [2]


def test_a_cancel_passes(forced: Fleet) -> None:
    """At the venue."""
    forced.client.cancel("cancelled", "c-1")
    assert outcome(forced, "c-1")[0] == "DONE"
    forced.await_state("cancelled", "CANCELLED")
    (held,) = at_venue(forced, "cancelled")
    assert held["state"] == "CANCELLED"


def test_what_reduces_waits_for_live(forced: Fleet) -> None:
    """It is neither sent nor simulated: a position that is live must not look flat."""
    place(forced, "reducing", side="SELL", quantity="3", reduce_only=True)
    wait_until(lambda: alerts(forced, "reducing") == ["WAITING"], what="the alert")
    order = forced.order("reducing") or {}
    assert (order["state"], order["broker"], order["execution_mode"]) == (
        "PENDING",
        "BINANCE",
        "LIVE",
    )
    assert order["reason"] == "FORCE_PAPER_TRADING is set"
    assert at_venue(forced, "reducing") == []
    forced.client.cancel("reducing", "c-2")
    assert outcome(forced, "c-2")[0] == "DONE"
    wait_until(lambda: alerts(forced, "reducing") == [], what="the end of the alert")


@pytest.mark.parametrize("on_failure", ["paper", "reject", "wait"])
def test_a_new_order_goes_to_paper(forced: Fleet, on_failure: str) -> None:
    """At step 1, whatever is to follow a failure: nothing has failed."""
    name = f"new-{on_failure}"
    place(forced, name, on_failure=on_failure)
    order = forced.await_state(name, "FILLED")
    assert (order["requested_broker"], order["broker"]) == ("BINANCE", "PAPER")
    assert order["route_reason"] == "FORCE_PAPER_TRADING is set"
    assert [one["execution_mode"] for one in attempts(forced, name)] == ["PAPER"]


def test_what_fills_at_the_venue_is_recorded_live(forced: Fleet) -> None:
    """An order that was live before stays so to its end."""
    forced.venue.price(SYMBOL, "59000", "59001")
    order = forced.await_state("kept", "FILLED")
    assert (order["execution_mode"], order["broker"]) == ("LIVE", "BINANCE")
    forced.set_prices(PRICES)


def test_the_doctor_says_so(forced: Fleet) -> None:
    """And that all workers agree."""
    findings = json.loads(forced.cli("doctor", "--json").stdout)
    (environment,) = [one for one in findings if one["what"] == "environment"]
    assert "FORCE_PAPER_TRADING sends nothing new to a live broker" in environment["said"]
    assert [one for one in findings if one["what"] == "forced paper"] == []
