"""Orders that the simulated IB Gateway fills in parts, some of them while nobody listens."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from tests.fleet import Fleet, Servers, flush, wait_until
from tests.venues import IbGatewayVenue

WITHIN = 60.0


@pytest.fixture(scope="module")
def fleet(
    servers: Servers, module_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    """Workers whose IB Gateway is the simulated one; they wait two seconds for executions."""
    flush(servers.valkey.url)
    home = tmp_path_factory.mktemp("ibkr-parts") / "home"
    with Fleet(
        module_database_url,
        servers.valkey.url,
        home,
        venue=IbGatewayVenue,
        queues=("orders", "ibkr", "paper"),
        ready=("IBKR", "PAPER"),
        environment={"MISSING_EXECUTIONS_PATIENCE": "2"},
    ) as fleet:
        yield fleet


def liquidity(fleet: Fleet, size: str | None) -> None:
    """How much of SPY the market takes now; None: all."""
    fleet.venue.control("POST", "liquidity", {"symbol": "SPY", "size": size, "slice": None})


def resting(fleet: Fleet, quantity: str) -> dict[str, Any]:
    """An order at the touch of a market that takes nothing."""
    name = f"parts-{uuid4().hex[:8]}"
    liquidity(fleet, "0")
    fleet.client.place(
        "SPY",
        "BUY",
        quantity,
        order_type="LIMIT",
        limit_price="600.02",
        time_in_force="GTC",
        client_order_id=name,
        on_failure="wait",
    )
    return fleet.await_state(name, "SUBMITTED")


def at_venue(fleet: Fleet, order: dict[str, Any]) -> dict[str, Any]:
    """The order as the gateway has it."""
    (attempt,) = fleet.query(
        "SELECT venue_order_id FROM order_attempts WHERE order_id = %s", order["order_id"]
    )
    found: dict[str, Any] = next(
        one for one in fleet.venue.orders() if one["venue_order_id"] == attempt["venue_order_id"]
    )
    return found


def filled_at_venue(fleet: Fleet, order: dict[str, Any], quantity: int) -> None:
    """Let the market take 1 more, until so much of the order is filled there."""
    liquidity(fleet, "1")
    wait_until(
        lambda: Decimal(at_venue(fleet, order)["filled_quantity"]) >= quantity,
        what=f"{quantity} filled",
    )


def test_fills_close_together(fleet: Fleet) -> None:
    """Each is booked, nothing is due between them, and a cancel whose message is lost ends it."""
    order = resting(fleet, "100")
    name = order["client_order_id"]
    for number in range(1, 9):
        filled_at_venue(fleet, order, number)
    liquidity(fleet, "0")

    def booked() -> bool:
        now = fleet.order(name) or {}
        return now["filled_quantity"] == 8 and now["due_at"] is None

    wait_until(booked, what="eight fills")
    fleet.arm_point("await_fill:begin", "raise")
    fleet.venue.control(
        "POST", "orders/cancel", {"broker_order_id": at_venue(fleet, order)["broker_order_id"]}
    )
    wait_until(lambda: fleet.fired("await_fill:begin"), what="the lost message")
    ended = fleet.await_state(name, "CANCELLED", timeout=WITHIN)
    assert ended["filled_quantity"] == 8


def test_filled_in_part_on_a_day_when_nobody_listened(fleet: Fleet) -> None:
    """The gateway lists no executions of an earlier day: an alert names what is missing."""
    order = resting(fleet, "10")
    name = order["client_order_id"]
    worker = fleet.pid_of("worker-ibkr")
    os.kill(worker, signal.SIGSTOP)
    liquidity(fleet, "4")
    wait_until(
        lambda: Decimal(at_venue(fleet, order)["filled_quantity"]) == 4, what="the part filled"
    )
    fleet.venue.control("POST", "day", {})
    os.kill(worker, signal.SIGKILL)
    ready = "SELECT 1 FROM broker_sessions WHERE broker = 'IBKR' AND status = 'LIVE_READY'"
    wait_until(lambda: len(fleet.query(ready)) == 2, WITHIN, "another worker")
    liquidity(fleet, "6")

    def alert() -> str | None:
        rows = fleet.query(
            """SELECT message FROM alerts WHERE kind = 'EXECUTIONS_MISSING' AND order_id = %s
            AND resolved_at IS NULL""",
            order["order_id"],
        )
        return rows[0]["message"] if rows else None

    said = f"order {name}: IBKR has filled 10 of it and reported executions of 6: 4 SPY missing"
    wait_until(lambda: alert() == said, WITHIN, f"the alert (now: {alert()})")
    assert (fleet.order(name) or {})["state"] == "PARTIALLY_FILLED"
    (missing,) = (
        one
        for one in fleet.venue.executions()
        if not fleet.query("SELECT 1 FROM fills WHERE execution_id = %s", one["execution_id"])
    )
    done = fleet.cli(
        *("resolve", name, "--as", "filled", "--quantity", missing["quantity"]),
        *("--price", missing["price"], "--execution-id", missing["execution_id"]),
        *("--commission", missing["commission"]),
        *("--commission-currency", missing["commission_currency"]),
        *("--at", missing["executed_at"]),
        *("--evidence", "activity statement of the day", "--yes"),
    )
    assert done.returncode == 0, done.stderr
    ended = fleet.await_state(name, "FILLED", timeout=WITHIN)
    assert ended["filled_quantity"] == 10
    assert alert() is None
