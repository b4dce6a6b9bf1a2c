"""Cancel and modify with their races, live (the ledger venue) and on paper."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from tests.fleet import Fleet, wait_until

LIVE, PAPER = "BTC-USDT", "SPY"
LOW = {LIVE: "60000", PAPER: "500"}


def resting(fleet: Fleet, symbol: str, **changes: Any) -> dict[str, Any]:
    """An order that rests below the market."""
    name = f"rest-{uuid4().hex[:8]}"
    terms = {"order_type": "LIMIT", "limit_price": LOW[symbol], "quantity": "3", **changes}
    fleet.send(symbol=symbol, side="BUY", client_order_id=name, **terms)
    return fleet.await_state(name, "SUBMITTED")


def command(fleet: Fleet, external_id: str) -> dict[str, Any]:
    """A command once it is settled."""

    def settled() -> dict[str, Any] | None:
        rows = fleet.query(
            """SELECT * FROM order_commands WHERE external_id = %s AND outcome <> 'PENDING'
            ORDER BY received_at DESC""",
            external_id,
        )
        return rows[0] if rows else None

    found: dict[str, Any] = wait_until(settled, what=f"the outcome of {external_id}")
    return found


def cancel(fleet: Fleet, name: str, cancel_id: str | None = None) -> str:
    """Ask for a cancel by message."""
    chosen = cancel_id or f"c-{uuid4().hex[:8]}"
    fleet.send("tasks.cancel_order", client_order_id=name, cancel_id=chosen)
    return chosen


def modify(fleet: Fleet, order: dict[str, Any], **changes: Any) -> str:
    """Ask for a change by message, on the version that was seen."""
    chosen = f"m-{uuid4().hex[:8]}"
    values = {"expected_version": order["version"], "modify_id": chosen, **changes}
    fleet.send("tasks.modify_order", client_order_id=order["client_order_id"], **values)
    return chosen


@pytest.mark.parametrize("symbol", [LIVE, PAPER])
def test_cancel(fleet: Fleet, symbol: str) -> None:
    """A resting order is cancelled at its venue; a second cancel is done already."""
    order = resting(fleet, symbol)
    first = cancel(fleet, order["client_order_id"])
    assert command(fleet, first)["outcome"] == "DONE"
    assert fleet.await_state(order["client_order_id"], "CANCELLED")["filled_quantity"] == 0
    second = cancel(fleet, order["client_order_id"])
    assert command(fleet, second)["outcome"] == "DONE"
    events = fleet.query("SELECT type FROM events WHERE order_id = %s", order["order_id"])
    assert {"CANCEL_REQUESTED", "CANCELLED"} <= {row["type"] for row in events}


def test_the_same_cancel_twice(fleet: Fleet) -> None:
    """The same cancel_id, at once, is one command."""
    order = resting(fleet, LIVE)
    name = order["client_order_id"]
    again = cancel(fleet, name)
    for _ in range(5):
        cancel(fleet, name, again)
    fleet.await_state(name, "CANCELLED")
    rows = fleet.query("SELECT 1 FROM order_commands WHERE external_id = %s", again)
    assert len(rows) == 1


def test_cancel_before_place(fleet: Fleet) -> None:
    """A cancel that overtakes its order cancels it; nothing is sent."""
    name = f"early-{uuid4().hex[:8]}"
    mark = cancel(fleet, name)
    wait_until(
        lambda: fleet.query("SELECT 1 FROM order_commands WHERE external_id = %s", mark),
        what="the mark",
    )
    fleet.send(symbol=LIVE, side="BUY", quantity="1", client_order_id=name)
    order = fleet.await_state(name, "CANCELLED")
    assert command(fleet, mark)["outcome"] == "DONE"
    (attempt,) = fleet.query("SELECT * FROM order_attempts WHERE order_id = %s", order["order_id"])
    assert attempt["intent_at"] is None


def test_cancel_of_what_is_filled(fleet: Fleet) -> None:
    """Too late: refused, and the order stays FILLED."""
    name = f"done-{uuid4().hex[:8]}"
    fleet.send(symbol=LIVE, side="BUY", quantity="1", client_order_id=name)
    fleet.await_state(name, "FILLED")
    refused = command(fleet, cancel(fleet, name))
    assert refused["outcome"] == "REFUSED"
    assert "FILLED" in refused["reason"]


def test_fill_while_cancelling(fleet: Fleet) -> None:
    """Whoever wins the race, ledger and tables agree (the oracle sees to it)."""
    for _ in range(5):
        order = resting(fleet, LIVE)
        chosen = cancel(fleet, order["client_order_id"])
        fleet.venue.price(LIVE, "59990", "59995")
        ended = fleet.await_state(order["client_order_id"], "CANCELLED", "FILLED")
        outcome = command(fleet, chosen)["outcome"]
        assert (ended["state"], outcome) in {("CANCELLED", "DONE"), ("FILLED", "REFUSED")}
        fleet.venue.price(LIVE, "64000", "64001")


def test_cancel_of_a_part(fleet: Fleet) -> None:
    """What was filled stays; the rest is cancelled."""
    fleet.venue.control("POST", "liquidity", {"symbol": LIVE, "size": "1"})
    name = f"part-{uuid4().hex[:8]}"
    fleet.send(
        symbol=LIVE,
        side="BUY",
        quantity="3",
        client_order_id=name,
        order_type="LIMIT",
        limit_price="65000",
    )
    fleet.await_state(name, "PARTIALLY_FILLED")
    cancel(fleet, name)
    order = fleet.await_state(name, "CANCELLED")
    fleet.venue.control("POST", "liquidity", {"symbol": LIVE, "size": None})
    assert order["filled_quantity"] == 1


@pytest.mark.parametrize("symbol", [LIVE, PAPER])
def test_modify(fleet: Fleet, symbol: str) -> None:
    """A new total and a new limit are in force at the venue, then fill."""
    order = resting(fleet, symbol)
    chosen = modify(fleet, order, quantity="2", limit_price="70000")
    assert command(fleet, chosen)["outcome"] == "DONE"
    filled = fleet.await_state(order["client_order_id"], "FILLED")
    assert filled["filled_quantity"] == filled["quantity"] == 2
    assert filled["requested_quantity"] == 3
    assert filled["limit_price"] == Decimal(70000)
    assert filled["version"] > order["version"]


def test_modify_on_a_stale_version(fleet: Fleet) -> None:
    """Of two changes on one version the second is refused; so is a week-late one."""
    order = resting(fleet, LIVE)
    assert command(fleet, modify(fleet, order, limit_price="60001"))["outcome"] == "DONE"
    late = command(fleet, modify(fleet, order, limit_price="60002"))
    assert late["outcome"] == "REFUSED"
    assert "expected_version" in late["reason"]
    assert fleet.order(order["client_order_id"])["limit_price"] == Decimal(60001)  # type: ignore[index]


def test_modify_below_what_is_filled(fleet: Fleet) -> None:
    """The new total may not be less than what is filled."""
    fleet.venue.control("POST", "liquidity", {"symbol": LIVE, "size": "2"})
    name = f"below-{uuid4().hex[:8]}"
    fleet.send(
        symbol=LIVE,
        side="BUY",
        quantity="3",
        client_order_id=name,
        order_type="LIMIT",
        limit_price="65000",
    )
    order = fleet.await_state(name, "PARTIALLY_FILLED")
    refused = command(fleet, modify(fleet, order, quantity="1"))
    assert refused["outcome"] == "REFUSED"
    assert "quantity" in refused["reason"]
    fleet.venue.control("POST", "liquidity", {"symbol": LIVE, "size": None})
    fleet.await_state(name, "FILLED")


BAD = [
    ({"quantity": "-1"}, "quantity"),
    ({"expected_version": "one", "quantity": "1"}, "expected_version"),
    ({"stop_price": "1"}, "stop_price"),
    ({"colour": "red", "quantity": "1"}, "colour"),
    ({}, "quantity"),
]


@pytest.mark.parametrize(("changes", "field"), BAD, ids=[field for _, field in BAD])
def test_bad_modify(fleet: Fleet, changes: dict[str, Any], field: str) -> None:
    """A malformed change is recorded as REFUSED, naming the field."""
    order = resting(fleet, PAPER)
    refused = command(fleet, modify(fleet, order, **changes))
    assert refused["outcome"] == "REFUSED"
    assert field in refused["reason"]


def test_modify_of_nothing(fleet: Fleet) -> None:
    """A change of an order that does not exist is refused."""
    nothing = {"client_order_id": f"nothing-{uuid4().hex[:8]}", "version": 1}
    assert "no order" in command(fleet, modify(fleet, nothing, quantity="1"))["reason"]


def test_another_payload_under_a_used_modify_id(fleet: Fleet) -> None:
    """One modify_id is one change."""
    order = resting(fleet, PAPER)
    chosen = modify(fleet, order, limit_price="501")
    command(fleet, chosen)
    again = {**order, "version": order["version"] + 2}
    modify(fleet, again, limit_price="502", modify_id=chosen)
    wait_until(
        lambda: (
            len(fleet.query("SELECT 1 FROM order_commands WHERE external_id = %s", chosen)) == 2
        ),
        what="the second record",
    )
    assert "another payload" in command(fleet, chosen)["reason"]


def test_by_the_command_line(fleet: Fleet) -> None:
    """`modify` and `cancel` say what became of it; a refusal exits 1."""
    order = resting(fleet, PAPER)
    name = order["client_order_id"]
    changed = fleet.cli("modify", name, "--quantity", "2", "--json")
    assert changed.returncode == 0, changed.stderr
    assert json.loads(changed.stdout)["outcome"] == "DONE"
    assert fleet.cli("modify", name, "--quantity", "1", "--version", "1").returncode == 1
    done = fleet.cli("cancel", name)
    assert done.stdout.split() == ["CANCEL", name, "DONE"]
    fleet.await_state(name, "CANCELLED")
    early = fleet.cli("cancel", f"none-{uuid4().hex[:6]}")
    assert early.returncode == 0
    assert "no such order yet" in early.stdout
