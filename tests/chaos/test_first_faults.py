"""Kills, lost wake-ups, an emptied Valkey: every accepted order still ends, once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
import redis

from execution.supervisor.services import project_root
from tests.fleet import PRICES, Fleet, wait_until

WITHIN = 30.0


@pytest.fixture(autouse=True)
def judged(fleet: Fleet) -> Iterator[None]:
    """Set the prices before a test; compare ledger, tables and event stream after it."""
    fleet.set_prices(PRICES)
    yield
    fleet.judge()


def new_id(name: str) -> str:
    """A fresh client_order_id."""
    return f"{name}-{uuid4().hex[:8]}"


def held(fleet: Fleet, order: dict[str, Any]) -> int:
    """How many orders the venue holds for an order of ours."""
    ids = {
        row["venue_order_id"]
        for row in fleet.query(
            "SELECT venue_order_id FROM order_attempts WHERE order_id = %s AND broker <> 'PAPER'",
            order["order_id"],
        )
    }
    return sum(one["venue_order_id"] in ids for one in fleet.venue.orders())


@pytest.mark.parametrize(
    ("point", "intents"), [("submit_order:before_send", 2), ("submit_order:after_send", 1)]
)
def test_kill_on_either_side_of_the_send(fleet: Fleet, point: str, intents: int) -> None:
    """Kill -9 just before or just after the send: one order there, one fill here, by itself."""
    name = new_id("kill")
    worker = fleet.pid_of("worker-binance")
    fleet.arm_point(point, "kill")
    fleet.send(symbol="BTC-USDT", side="BUY", quantity="1", client_order_id=name)
    wait_until(lambda: fleet.fired(point), what="the kill")
    order = fleet.await_state(name, "FILLED", timeout=WITHIN)
    assert fleet.pid_of("worker-binance") != worker
    assert held(fleet, order) == 1
    assert order["execution_mode"] == "LIVE"
    (attempt,) = fleet.query("SELECT * FROM order_attempts WHERE order_id = %s", order["order_id"])
    assert attempt["intents"] == intents
    assert len(fleet.query("SELECT 1 FROM fills WHERE order_id = %s", order["order_id"])) == 1


STEPS = (
    "place_order",
    "create_order",
    "persist_order",
    "connect_gateway",
    "submit_order",
    "await_fill",
    "persist_fill",
    "update_positions",
    "publish_fill_event",
)


@pytest.mark.parametrize("symbol", ["BTC-USDT", "SPY"])
@pytest.mark.parametrize("side", ["begin", "end"])
def test_a_step_that_fails_is_taken_up_again(fleet: Fleet, side: str, symbol: str) -> None:
    """An exception at either end of any step only costs time, at a venue and in place on paper."""
    names = []
    for step in STEPS:
        name = new_id(step)
        point = f"{step}:{side}"
        fleet.arm_point(point, "raise")
        fleet.send(symbol=symbol, side="BUY", quantity="1", client_order_id=name)
        wait_until(partial(fleet.fired, point), what=point)
        (fleet.faults / next(fleet.faults.glob(f"{point}.fired.*")).name).unlink()
        names.append(name)
    for name in names:
        order = fleet.await_state(name, "FILLED", timeout=WITHIN)
        assert held(fleet, order) == (symbol != "SPY")


def test_kill_between_two_steps_in_place(fleet: Fleet) -> None:
    """Killed in the middle of a paper order, a worker leaves it for others to take up."""
    points = (
        "connect_gateway:end",
        "submit_order:before_send",
        "submit_order:after_send",
        "update_positions:begin",
        "publish_fill_event:begin",
    )
    names = []
    for point in points:
        name = new_id("between")
        fleet.arm_point(point, "kill")
        # Accepted before its message is sent: one that a dying worker was just given is gone.
        fleet.client.place("SPY", "BUY", "1", client_order_id=name)
        wait_until(partial(fleet.fired, point), what=point)
        names.append(name)
    for name in names:
        order = fleet.await_state(name, "FILLED", timeout=WITHIN)
        steps = fleet.query(
            "SELECT DISTINCT step FROM order_events WHERE order_id = %s", order["order_id"]
        )
        assert {row["step"] for row in steps} >= set(STEPS[1:])
        assert len(fleet.query("SELECT 1 FROM fills WHERE order_id = %s", order["order_id"])) == 1


def test_a_producer_that_stops_before_its_wake_up(fleet: Fleet) -> None:
    """Killed between the commit of its request and the message, a producer loses nothing."""
    name = new_id("producer")
    fleet.arm_point("client:committed", "kill")
    program = (
        "from execution.client import OrderClient\n"
        f"OrderClient().place('BTC-USDT', 'BUY', '1', client_order_id={name!r})\n"
    )
    producer = subprocess.run(
        [sys.executable, "-c", program],
        env=fleet.environment,
        cwd=project_root(),
        check=False,
        timeout=30,
    )
    assert producer.returncode == -signal.SIGKILL
    order = fleet.await_state(name, "FILLED", timeout=WITHIN)
    assert held(fleet, order) == 1


def test_valkey_loses_everything(fleet: Fleet) -> None:
    """With orders in flight Valkey forgets all: queues, unacknowledged messages, everything."""
    names = [new_id("flushed") for _ in range(20)]
    with closing(redis.Redis.from_url(fleet.redis_url)) as valkey:
        for number, name in enumerate(names):
            symbol = "BTC-USDT" if number % 2 else "GBTC"
            program = {"symbol": symbol, "side": "BUY", "quantity": "1"}
            fleet.client.place(**program, client_order_id=name, reference_price="50")
            if number % 4 == 3:
                valkey.flushall()
        valkey.flushall()
    for name in names:
        order = fleet.await_state(name, "FILLED", timeout=WITHIN)
        assert held(fleet, order) == (1 if order["broker"] == "BINANCE" else 0)


def test_a_worker_that_hangs_in_a_send(fleet: Fleet) -> None:
    """A stopped process whose lease ran out is taken over; its late send is fenced."""
    name = new_id("stopped")
    worker = fleet.pid_of("worker-binance")
    fleet.venue.arm("delay", seconds=1, on="submit")
    fleet.send(symbol="BTC-USDT", side="BUY", quantity="1", client_order_id=name)
    wait_until(
        lambda: (fleet.order(name) or {}).get("state") == "SUBMITTING", what="the submission"
    )
    os.kill(worker, signal.SIGSTOP)
    try:
        wait_until(
            lambda: fleet.query(
                """SELECT 1 FROM broker_sessions WHERE broker = 'BINANCE' AND ended_at IS NULL
                AND heartbeat_at < clock_timestamp() - interval '3 seconds'"""
            ),
            what="the silence of the stopped worker",
        )
    finally:
        os.kill(worker, signal.SIGCONT)
    order = fleet.await_state(name, "FILLED", timeout=WITHIN)
    assert held(fleet, order) == 1


def test_sigterm_drains(fleet: Fleet) -> None:
    """A worker told to stop finishes what it has begun; the next one goes on with the rest."""
    names = [new_id("drain") for _ in range(10)]
    for name in names:
        fleet.send(symbol="BTC-USDT", side="BUY", quantity="1", client_order_id=name)
    os.kill(fleet.pid_of("worker-binance"), signal.SIGTERM)
    for name in names:
        order = fleet.await_state(name, "FILLED", timeout=WITHIN)
        assert held(fleet, order) == 1


def test_a_broker_nobody_serves(fleet: Fleet) -> None:
    """Orders for a queue without a worker go to paper after the grace, or wait if told to."""
    name, waits = new_id("unserved"), new_id("waits")
    fleet.send(symbol="EURUSD", side="BUY", quantity="1000", client_order_id=name)
    fleet.send(
        symbol="EURUSD", side="BUY", quantity="1000", client_order_id=waits, on_failure="wait"
    )
    order = fleet.await_state(name, "FILLED", timeout=WITHIN)
    assert (order["requested_broker"], order["broker"]) == ("MT4", "PAPER")
    assert (fleet.order(waits) or {})["state"] == "PENDING"
