"""ON_FAILURE_DEFAULT and REROUTE_REFUSED, and how a fill on paper says that it is one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from tests.fleet import Fleet, Servers, flush, wait_until

AWAY = "IBKR: IBKR_HOST and IBKR_ACCOUNT are not both set"


@pytest.fixture(scope="module")
def fleet(
    servers: Servers, module_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    """A desk that wants nothing on paper by itself, whose IBKR worker has no account."""
    flush(servers.valkey.url)
    home = tmp_path_factory.mktemp("policies") / "home"
    environment = {"ON_FAILURE_DEFAULT": "reject", "REROUTE_REFUSED": "true"}
    with Fleet(module_database_url, servers.valkey.url, home, environment=environment) as fleet:
        wait_until(lambda: fleet.statuses("IBKR") == {"NO_CREDENTIALS"}, what="IBKR's worker")
        yield fleet


def place(fleet: Fleet, symbol: str, **changes: Any) -> str:
    """A BUY of five at the market; its name."""
    name = f"policy-{uuid4().hex[:8]}"
    order = {"symbol": symbol, "side": "BUY", "quantity": "5", "client_order_id": name}
    fleet.send(**{**order, **changes})
    return name


def test_the_default_holds_for_who_names_none(fleet: Fleet) -> None:
    """The broker has no adapter: REJECTED, saying why."""
    order = fleet.await_state(place(fleet, "GBTC"), "REJECTED")
    assert (order["broker"], order["reason"]) == ("IBKR", AWAY)
    assert order["on_failure"] == "reject"


def test_a_name_wins(fleet: Fleet) -> None:
    """Whoever asks for paper by name gets it, with the reason."""
    order = fleet.await_state(place(fleet, "GBTC", on_failure="paper"), "FILLED")
    assert (order["requested_broker"], order["broker"]) == ("IBKR", "PAPER")
    assert order["route_reason"] == AWAY


def test_the_default_rejects_nothing_that_reduces_risk(fleet: Fleet) -> None:
    """It waits, with the alert."""
    name = place(fleet, "GBTC", reduce_only=True, side="SELL")
    wait_until(
        lambda: fleet.query(
            """SELECT 1 FROM alerts a JOIN orders o USING (order_id)
            WHERE o.client_order_id = %s AND a.kind = 'WAITING'""",
            name,
        ),
        what="the alert",
    )
    order = fleet.order(name) or {}
    assert (order["state"], order["broker"], order["on_failure"]) == ("PENDING", "IBKR", "wait")
    fleet.client.cancel(name)
    fleet.await_state(name, "CANCELLED")


def test_the_same_payload_is_the_same_order(fleet: Fleet) -> None:
    """With the default said, too; another choice is another payload."""
    name = place(fleet, "GBTC")
    fleet.await_state(name, "REJECTED")
    again = fleet.client.place("GBTC", "BUY", "5", client_order_id=name)
    assert again.outcome == "ACCEPTED"
    said = fleet.client.place("GBTC", "BUY", "5", client_order_id=name, on_failure="reject")
    assert (said.outcome, said.order_id) == ("ACCEPTED", again.order_id)
    other = fleet.client.place("GBTC", "BUY", "5", client_order_id=name, on_failure="paper")
    assert other.outcome == "REFUSED"


def test_a_refusal_is_simulated_where_both_want_it(fleet: Fleet) -> None:
    """REROUTE_REFUSED, for an order that names paper: REJECTED at the venue, FILLED on paper."""
    fleet.venue.arm("reject", code="201", reason="insufficient funds", scope="ORDER")
    order = fleet.await_state(place(fleet, "BTC-USDT", on_failure="paper"), "FILLED")
    assert (order["requested_broker"], order["broker"]) == ("BINANCE", "PAPER")
    attempts = fleet.query(
        "SELECT * FROM order_attempts WHERE order_id = %s ORDER BY attempt_no", order["order_id"]
    )
    assert [(a["broker"], a["state"], a["error_code"]) for a in attempts] == [
        ("BINANCE", "REJECTED", "201"),
        ("PAPER", "FILLED", None),
    ]
    fleet.venue.arm("reject", code="201", reason="insufficient funds", scope="ORDER")
    assert fleet.await_state(place(fleet, "BTC-USDT"), "REJECTED")["broker"] == "BINANCE"


def test_a_fill_on_paper_says_so(fleet: Fleet) -> None:
    """To whoever places, lists or looks at the order, and to whoever hears of its fill."""
    name = f"shown-{uuid4().hex[:8]}"
    placed = fleet.cli(
        *("place", "GBTC", "BUY", "5", "--id", name, "--on-failure", "paper", "--wait", "20")
    )
    assert placed.returncode == 0, placed.stderr
    assert f"  FILLED  5 at 50.06001  PAPER instead of IBKR ({AWAY})" in placed.stdout
    (listed,) = [one for one in fleet.cli("orders").stdout.splitlines() if name in one]
    for words in ("IBKR → PAPER", " PAPER ", "FILLED", AWAY):
        assert words in listed
    shown = fleet.cli("show", name).stdout
    assert f"FILLED  BUY 5 GBTC  PAPER instead of IBKR ({AWAY})" in shown
    fills = shown.partition("fills")[2].partition("history")[0]
    assert "execution_mode" in fills
    assert "PAPER" in fills
    events = [json.loads(line) for line in fleet.cli("events").stdout.splitlines()]
    (fill,) = [event for event in events if event["client_order_id"] == name]
    assert (fill["execution_mode"], fill["broker"], fill["requested_broker"]) == (
        "PAPER",
        "PAPER",
        "IBKR",
    )
    positions = fleet.cli("positions").stdout.splitlines()
    assert any(line.split()[:1] == ["PAPER"] and "GBTC" in line for line in positions)


def test_asked_for_paper_is_no_substitute(fleet: Fleet) -> None:
    """Nothing failed, so nothing is said of another broker."""
    priced = ("--paper", "--reference-price", "50")  # a busy machine lets a quote grow too old
    placed = fleet.cli("place", "GBTC", "BUY", "5", *priced, "--wait", "20")
    assert re.search(r"  FILLED  5 at 50\.\d+  PAPER$", placed.stdout.rstrip()), placed


@pytest.mark.parametrize(
    ("default", "rerouted", "named"),
    [
        ("paper", "false", {"failures"}),
        ("reject", "false", set()),
        ("wait", "true", {"refusals"}),
    ],
)
def test_the_doctor_in_production(
    fleet: Fleet, default: str, rerouted: str, named: set[str]
) -> None:
    """What is simulated instead of sent could be taken for a real fill there."""
    said = fleet.cli(
        *("doctor", "--json"),
        EXECUTION_ENVIRONMENT="production",
        ON_FAILURE_DEFAULT=default,
        REROUTE_REFUSED=rerouted,
    )
    findings = json.loads(said.stdout)
    found = {one["what"] for one in findings if one["what"] in {"failures", "refusals"}}
    assert found == named
