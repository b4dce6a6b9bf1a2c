"""FORCE_PAPER_TRADING taken back, and set for one worker only."""

from __future__ import annotations

import pytest

from tests.fleet import Servers, wait_until
from tests.venues import LedgerVenue

from .desk import FORCED, REASON, Desk, alerts, at_venue, attempts, place


@pytest.fixture(scope="module")
def fleet() -> None:
    """None for all: each test has its own desk."""


@pytest.fixture(autouse=True)
def judged() -> None:
    """By each test itself: the oracle hears one fleet, and these orders live under several."""


@pytest.fixture(scope="module")
def desk(
    servers: Servers, module_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Desk:
    """A desk without anything yet."""
    return Desk(servers, module_database_url, tmp_path_factory.mktemp("desk"))


def test_a_reducing_order_goes_out_when_the_setting_is_gone(desk: Desk) -> None:
    """The position was live, so it is reduced live."""
    with desk.open("first", LedgerVenue) as before:
        place(before, "position")
        before.await_state("position", "FILLED")
    with desk.open("second", before.venue, environment=FORCED) as during:
        place(during, "exit", side="SELL", reduce_only=True)
        wait_until(lambda: alerts(during, "exit") == ["WAITING"], what="the alert")
        assert at_venue(during, "exit") == []
    with desk.open("third", before.venue) as after:
        order = after.await_state("exit", "FILLED")
        assert (order["broker"], order["execution_mode"]) == ("BINANCE", "LIVE")
        assert alerts(after, "exit") == []
        (held,) = at_venue(after, "exit")
        assert held["state"] == "FILLED"


def test_the_worker_that_sends_obeys_its_own(desk: Desk) -> None:
    """It was set for one of them only: that one sends nothing live, and the doctor names it."""
    with desk.open("mixed", LedgerVenue, own={"binance": FORCED}) as fleet:
        place(fleet, "mixed", on_failure="reject")
        order = fleet.await_state("mixed", "FILLED")
        assert (order["broker"], order["route_reason"]) == ("PAPER", REASON)
        live, _ = attempts(fleet, "mixed")
        assert (live["execution_mode"], live["intent_at"]) == ("LIVE", None)
        assert at_venue(fleet, "mixed") == []
        said = fleet.cli("doctor")
        assert said.returncode == 1
        assert "FORCE_PAPER_TRADING is not set here, and set for BINANCE " in said.stdout
