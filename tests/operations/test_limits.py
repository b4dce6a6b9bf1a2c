"""Limits and halts by the command line, against real workers and a live venue's stand-in."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from tests.fleet import Fleet, wait_until

LIVE, PAPER = "BTC-USDT", "SPY"
LOW = {LIVE: "60000", PAPER: "590"}


@pytest.fixture(autouse=True)
def _unlimited(fleet: Fleet) -> Iterator[None]:
    """Leave neither a limit nor a halt behind."""
    yield
    fleet.query("DELETE FROM risk_limits RETURNING 1")
    fleet.query("DELETE FROM trading_states RETURNING 1")


def run(fleet: Fleet, *arguments: str) -> str:
    """What a command prints; it must succeed."""
    done = fleet.cli(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def send(fleet: Fleet, symbol: str, **changes: Any) -> str:
    """Send an order; returns its id."""
    name = f"l-{uuid4().hex[:8]}"
    terms = {"symbol": symbol, "side": "BUY", "quantity": "2", **changes}
    fleet.send(client_order_id=name, **terms)
    return name


def resting(fleet: Fleet, symbol: str, **changes: Any) -> dict[str, Any]:
    """An order that rests below the market."""
    terms = {"order_type": "LIMIT", "limit_price": LOW[symbol], **changes}
    return fleet.await_state(send(fleet, symbol, **terms), "SUBMITTED")


def told(fleet: Fleet, order: dict[str, Any], task: str, **changes: Any) -> dict[str, Any]:
    """A cancel or modify of an order, once it is settled."""
    name = f"c-{uuid4().hex[:8]}"
    which = {"tasks.cancel_order": "cancel_id", "tasks.modify_order": "modify_id"}[task]
    fleet.send(task, client_order_id=order["client_order_id"], **{which: name}, **changes)

    def settled() -> dict[str, Any] | None:
        rows = fleet.query(
            "SELECT * FROM order_commands WHERE external_id = %s AND outcome <> 'PENDING'", name
        )
        return rows[0] if rows else None

    found: dict[str, Any] = wait_until(settled, what=f"the outcome of {name}")
    return found


def ended_at(fleet: Fleet, order: dict[str, Any]) -> str:
    """The step that refused an order."""
    rows = fleet.query(
        "SELECT step FROM order_events WHERE order_id = %s AND state = 'REJECTED' ORDER BY at",
        order["order_id"],
    )
    return str(rows[0]["step"])


def test_halt_and_resume(fleet: Fleet) -> None:
    """A halt refuses what is queued and what comes; cancels pass; a resume lets new orders out."""
    live, paper = resting(fleet, LIVE), resting(fleet, PAPER)
    worker = fleet.pid_of("worker-binance")
    os.kill(worker, signal.SIGSTOP)
    try:
        queued = send(fleet, LIVE, on_failure="wait")
        wait_until(lambda: fleet.order(queued), what="an order that waits in its queue")
        said = run(fleet, "halt", "--reason", "quotes look wrong")
    finally:
        os.kill(worker, signal.SIGCONT)
    assert said == "every broker: HALTED (was ACTIVE); nothing is sent but cancels\n"
    rejected = fleet.await_state(queued, "REJECTED")
    assert rejected["reason"] == "HALTED (every broker): quotes look wrong"
    assert (rejected["broker"], rejected["execution_mode"]) == ("BINANCE", "LIVE")
    assert ended_at(fleet, rejected) == "connect_gateway"
    for symbol in (LIVE, PAPER):
        order = fleet.await_state(send(fleet, symbol), "REJECTED")
        assert order["reason"] == "HALTED (every broker): quotes look wrong"
        attempts = fleet.query(
            "SELECT 1 FROM order_attempts WHERE order_id = %s AND intent_at IS NOT NULL",
            order["order_id"],
        )
        assert not attempts
    state = fleet.cli("status")
    assert "trading: HALTED (every broker) since" in state.stdout
    assert "quotes look wrong" in state.stdout
    refused = told(
        fleet, live, "tasks.modify_order", expected_version=live["version"], quantity="1"
    )
    assert (refused["outcome"], refused["reason"]) == (
        "REFUSED",
        "HALTED (every broker): quotes look wrong",
    )
    for order in (live, paper):
        assert told(fleet, order, "tasks.cancel_order")["outcome"] == "DONE"
        fleet.await_state(order["client_order_id"], "CANCELLED")
    assert run(fleet, "resume") == "every broker: ACTIVE (was HALTED); orders are sent\n"
    assert fleet.await_state(send(fleet, LIVE), "FILLED")["broker"] == "BINANCE"


def test_one_broker(fleet: Fleet) -> None:
    """A broker's halt is about what is at that broker, and outlives a resume of all."""
    run(fleet, "halt", "--broker", "binance")
    assert fleet.await_state(send(fleet, PAPER), "FILLED")["broker"] == "PAPER"
    assert fleet.await_state(send(fleet, LIVE), "REJECTED")["reason"] == "HALTED (BINANCE)"
    resumed = fleet.cli("resume", "--reason", "all is well")
    assert resumed.stdout == "every broker: ACTIVE; orders are sent\n"
    assert "\nstill HALTED (BINANCE) since" in resumed.stderr
    run(fleet, "resume", "--broker", "BINANCE")
    assert fleet.await_state(send(fleet, LIVE), "FILLED")["broker"] == "BINANCE"
    assert fleet.cli("status").stdout.endswith("trading: ACTIVE\n")
    changes = json.loads(run(fleet, "limits", "history", "--json"))[:3]
    assert [(row["action"], row["what"]["scope"], row["reason"]) for row in changes] == [
        ("resume", "BINANCE", None),
        ("resume", "*", "all is well"),
        ("halt", "BINANCE", None),
    ]
    assert all(row["who"] for row in changes)


def test_reducing(fleet: Fleet) -> None:
    """Only what brings a position nearer to zero is sent."""
    account = f"a-{uuid4().hex[:8]}"
    fleet.await_state(send(fleet, PAPER, account=account), "FILLED")
    run(fleet, "halt", "--reducing")
    grown = fleet.await_state(send(fleet, PAPER, account=account, quantity="1"), "REJECTED")
    assert grown["reason"].startswith("REDUCING (every broker)")
    turned = send(fleet, PAPER, account=account, side="SELL", quantity="3")
    assert fleet.await_state(turned, "REJECTED")["reason"].startswith("REDUCING")
    fleet.await_state(send(fleet, PAPER, account=account, side="SELL"), "FILLED")


def test_a_bracket_through_a_halt(fleet: Fleet) -> None:
    """What its parent fills is protected when the halt ends, and not left bare."""
    low = {"order_type": "LIMIT", "limit_price": "598", "stop_loss_price": "580"}
    parent = resting(fleet, PAPER, **low)
    run(fleet, "halt")
    fleet.set_prices({PAPER: ("597", "597.02")})
    fleet.await_state(parent["client_order_id"], "FILLED")

    def child() -> dict[str, Any] | None:
        rows = fleet.query(
            "SELECT * FROM orders WHERE parent_order_id = %s AND reason IS NOT NULL",
            parent["order_id"],
        )
        return rows[0] if rows else None

    waiting = wait_until(child, what="the child to wait")
    assert (waiting["state"], waiting["reason"]) == ("PENDING", "HALTED (every broker)")
    assert "waits for PAPER: HALTED" in run(fleet, "alerts")
    run(fleet, "resume")
    sent = fleet.await_state(waiting["client_order_id"], "SUBMITTED")
    assert sent["quantity"] == 2
    assert "HALTED" not in run(fleet, "alerts")


def test_limits(fleet: Fleet) -> None:
    """A limit that is set counts from then on, live and on paper; it is never simulated."""
    assert "docs/limits.md" in run(fleet, "limits", "list")
    assert (
        run(
            fleet,
            "limits",
            "set",
            "max_notional",
            "100000",
            "--broker",
            "binance",
            "--reason",
            "why",
        )
        == "max_notional (broker BINANCE): 100000\n"
    )
    run(fleet, "limits", "set", "max_quantity", "5", "--symbol", "SPY")
    run(fleet, "limits", "set", "max_open_orders", "0", "--strategy", "gamma")
    order = fleet.await_state(send(fleet, LIVE), "REJECTED")
    assert order["reason"] == ("max_notional: 128001 USDT is more than 100000 (broker BINANCE)")
    assert (order["broker"], order["execution_mode"]) == ("BINANCE", "LIVE")
    order = fleet.await_state(send(fleet, PAPER, quantity="6"), "REJECTED")
    assert order["reason"] == "max_quantity: 6 is more than 5 (symbol SPY)"
    assert ended_at(fleet, order) == "create_order"
    run(fleet, "limits", "set", "max_orders_per_second", "0", "--strategy", "delta")
    for symbol in (LIVE, PAPER):
        order = fleet.await_state(send(fleet, symbol, quantity="1", strategy="delta"), "REJECTED")
        assert order["reason"] == (
            "max_orders_per_second: 1 within a second is more than 0 (strategy delta)"
        )
        assert ended_at(fleet, order) == "submit_order"
    assert "max_open_orders: 1 open orders" in str(
        fleet.await_state(send(fleet, PAPER, strategy="gamma"), "REJECTED")["reason"]
    )
    fleet.await_state(send(fleet, LIVE, quantity="1"), "FILLED")
    rest = resting(fleet, PAPER)
    version = {"expected_version": rest["version"]}
    refused = told(fleet, rest, "tasks.modify_order", quantity="7", **version)
    assert refused["reason"] == "max_quantity: 7 is more than 5 (symbol SPY)"
    done = told(fleet, rest, "tasks.modify_order", quantity="5", **version)
    assert done["outcome"] == "DONE"
    rows = json.loads(run(fleet, "limits", "list", "--json"))
    assert [(row["kind"], row["value"], row["reason"]) for row in rows] == [
        ("max_notional", "100000", "why"),
        ("max_open_orders", "0", None),
        ("max_orders_per_second", "0", None),
        ("max_quantity", "5", None),
    ]
    said = run(fleet, "limits", "remove", "max_notional", "--broker", "binance")
    assert said == "max_notional (broker BINANCE): removed (was 100000)\n"
    fleet.await_state(send(fleet, LIVE), "FILLED")
