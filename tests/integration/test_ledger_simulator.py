"""The ledger venue as a process: its journal, its flags, its end; and its adapter's precautions."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests

from execution.domain.errors import BrokerUnavailable
from execution.domain.instruments import Instrument
from execution.domain.ports import Attempt
from execution.domain.vocabulary import (
    AssetClass,
    BrokerName,
    OrderState,
    OrderType,
    Side,
    TimeInForce,
)
from workers.adapters.ledger import LedgerAdapter

MARKET = {
    "venue_order_id": "first",
    "symbol": "SPY",
    "side": "BUY",
    "order_type": "MARKET",
    "quantity": "10",
    "time_in_force": "GTC",
}
LIMIT = MARKET | {"venue_order_id": "second", "order_type": "LIMIT", "limit_price": "95.50"}


@dataclass(frozen=True)
class Venue:
    """A running venue process and its two ports."""

    process: subprocess.Popen[str]
    port: int
    control_port: int

    def ask(self, path: str, body: Any = None, *, status: int = 200) -> Any:
        """GET, or POST with a body, at the venue's own port."""
        return _call(self.port, path, body, status)

    def control(self, path: str, body: Any = None, *, status: int = 200) -> Any:
        """GET, or POST with a body, at the control port."""
        return _call(self.control_port, path, body, status)


def _call(port: int, path: str, body: Any, status: int) -> Any:
    url = f"http://127.0.0.1:{port}/{path}"
    method = "GET" if body is None else "POST"
    with requests.request(method, url, json=body, timeout=5) as reply:
        assert reply.status_code == status, reply.text
        return reply.json()


@pytest.fixture
def start() -> Iterator[Callable[..., Venue]]:
    """Starts venue processes, and ends those still running."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> Venue:
        process = subprocess.Popen(
            [sys.executable, "-m", "simulators.ledger", *arguments],
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        ports = json.loads(process.stdout.readline())
        return Venue(process, ports["port"], ports["control_port"])

    yield start
    for process in started:
        with suppress(ProcessLookupError):
            process.kill()
        process.communicate()


def test_terminates_at_once(start: Callable[..., Venue]) -> None:
    """SIGTERM ends it with status 0, and does not wait for a request that stands still."""
    venue = start("--default-price", "100")
    venue.control("faults", {"kind": "delay", "seconds": 30})
    with requests.Session() as session, pytest.raises(requests.ReadTimeout):
        session.post(f"http://127.0.0.1:{venue.port}/orders", json=MARKET, timeout=(10, 0.2))
    venue.process.send_signal(signal.SIGTERM)
    assert venue.process.wait(timeout=20) == 0


def test_remembers(start: Callable[..., Venue], tmp_path: Path) -> None:
    """After kill -9 it knows every order, execution, price and balance it answered for."""
    state = str(tmp_path / "venue.jsonl")
    venue = start("--state", state)
    venue.control("prices", {"symbol": "SPY", "bid": "99", "ask": "101"})
    venue.control("balances", {"USD": "1000.50"})
    for order in (MARKET, LIMIT):
        venue.ask("orders", order)
    before = venue.control("ledger")
    venue.process.kill()
    venue.process.wait()

    again = start("--state", state)
    assert again.control("ledger") == before
    assert again.ask("account")["balances"] == {"USD": "1000.50"}
    assert again.ask("positions")["positions"][0]["quantity"] == "10"
    again.control("prices", {"symbol": "SPY", "bid": "94", "ask": "95"})
    assert again.ask("orders/second")["orders"][0]["state"] == "FILLED"
    newest = again.ask("orders", MARKET | {"venue_order_id": "third"})
    ids = [order["broker_order_id"] for order in again.control("ledger")["orders"]]
    assert ids[-1] == newest["broker_order_id"]
    assert len(set(ids)) == 3


def test_half_a_line(start: Callable[..., Venue], tmp_path: Path) -> None:
    """A line that a kill cut short is dropped, and what comes after it is read again."""
    state = tmp_path / "venue.jsonl"
    venue = start("--state", str(state), "--default-price", "100")
    venue.ask("orders", MARKET)
    venue.process.kill()
    venue.process.wait()
    with state.open("a", encoding="utf-8") as journal:
        journal.write('{"orders": [{"broker_order_id": "L2", "venue')
    venue = start("--state", str(state), "--default-price", "100")
    venue.ask("orders", LIMIT)
    venue.process.kill()
    venue.process.wait()
    venue = start("--state", str(state))
    assert [order["venue_order_id"] for order in venue.control("ledger")["orders"]] == [
        "first",
        "second",
    ]


@pytest.mark.parametrize(
    ("mode", "while_open", "afterwards"),
    [("accept", 200, 200), ("refuse-open", 409, 200), ("refuse", 409, 409)],
)
def test_duplicate_ids(
    start: Callable[..., Venue], mode: str, while_open: int, afterwards: int
) -> None:
    """A repeated client id is taken, refused while the first works, or refused for ever."""
    venue = start("--duplicate-ids", mode)
    venue.ask("orders", LIMIT)
    venue.ask("orders", LIMIT, status=while_open)
    for order in venue.ask("orders")["orders"]:
        end = {"broker_order_id": order["broker_order_id"]}
        venue.ask("orders/second/cancel", end)
    venue.ask("orders", LIMIT, status=afterwards)
    held = len(venue.control("ledger")["orders"])
    assert held == 1 + [while_open, afterwards].count(200)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"quantity": "1E+5"}, "bad_order"),
        ({"quantity": 10}, "bad_order"),
        ({"quantity": 10.5}, "bad_order"),
        ({"quantity": "-1"}, "bad_order"),
        ({"quantity": "NaN"}, "bad_order"),
        ({"limit_price": "0"}, "bad_order"),
        ({"limit_price": None}, "bad_order"),
        ({"venue_order_id": ""}, "bad_order"),
        ({"side": "HOLD"}, "unsupported"),
        ({"order_type": "MARKET_ON_CLOSE"}, "unsupported"),
        ({"time_in_force": "GTD"}, "bad_order"),
        ({"valid_until": "2026-01-02T03:04:05"}, "bad_order"),
        ({"valid_until": "2026-01-02T03:04:05+00:00"}, "too_late"),
    ],
)
def test_refused_orders(shared: Venue, change: dict[str, Any], code: str) -> None:
    """An order that makes no sense, or spells a number otherwise than plainly, is not taken."""
    assert shared.ask("orders", LIMIT | change, status=422)["code"] == code
    assert shared.control("ledger")["orders"] == []


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("prices", {"symbol": "SPY", "bid": "101", "ask": "99"}),
        ("prices", {"symbol": "SPY", "bid": 99, "ask": 101}),
        ("prices", ["SPY"]),
        ("balances", {"USD": 1.5}),
        ("faults", {"kind": "explode"}),
        ("liquidity", {"symbol": "NONE", "size": "1"}),
        ("executions", {"quantity": "1", "price": "1"}),
        ("orders/cancel", {"venue_order_id": "nobody"}),
    ],
)
def test_bad_control_requests(shared: Venue, path: str, body: Any) -> None:
    """A mistake of the tester is answered 400 and in words, never swallowed."""
    assert shared.control(path, body, status=400)["error"]


@pytest.fixture(scope="module")
def shared() -> Iterator[Venue]:
    """One venue for the cases that leave nothing behind."""
    process = subprocess.Popen(
        [sys.executable, "-m", "simulators.ledger"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    ports = json.loads(process.stdout.readline())
    yield Venue(process, ports["port"], ports["control_port"])
    process.terminate()
    process.communicate()


def test_executions_after(start: Callable[..., Venue]) -> None:
    """Executions come after a sequence number, whatever their time: a late one is not missed."""
    venue = start("--default-price", "100")
    venue.ask("orders", MARKET)
    late = {"venue_order_id": "first", "quantity": "1", "price": "99"}
    venue.control("executions", late | {"executed_at": "2026-01-02T03:04:05+00:00"})
    assert [item["price"] for item in venue.ask("executions?after=1")["executions"]] == ["99"]
    since = venue.ask("executions?since=2026-01-03T00:00:00Z")["executions"]
    assert [item["price"] for item in since] == ["100"]


def test_plain_and_flat(start: Callable[..., Venue]) -> None:
    """Small numbers are answered in digits, as they came; what is sold again is not listed."""
    venue = start("--default-price", "100")
    tiny = MARKET | {"quantity": "0.00000001"}
    assert venue.ask("orders", tiny)["quantity"] == "0.00000001"
    assert venue.ask("positions")["positions"][0]["quantity"] == "0.00000001"
    venue.ask("orders", tiny | {"side": "SELL"})
    assert venue.ask("positions")["positions"] == []


def test_told_twice(start: Callable[..., Venue]) -> None:
    """A duplicated report is the same execution twice in one answer, and once in the ledger."""
    venue = start("--default-price", "100")
    venue.ask("orders", MARKET)
    venue.control("faults", {"kind": "duplicate_report", "symbol": "SPY"})
    (first, second) = venue.ask("orders/first")["orders"][0]["executions"]
    assert first == second
    assert len(venue.ask("executions")["executions"]) == 1
    assert len(venue.control("ledger")["executions"]) == 1


def test_shut_for_a_while(start: Callable[..., Venue]) -> None:
    """A disconnect with seconds shuts the port, then opens the same one again."""
    venue = start()
    venue.control("faults", {"kind": "disconnect", "seconds": 0.2})
    with pytest.raises(requests.ConnectionError):
        venue.ask("health")
    with pytest.raises(requests.ConnectionError, match="refused"):
        venue.ask("health")
    deadline = time.monotonic() + 5
    while True:
        try:
            assert venue.ask("health")["status"] == "ok"
        except requests.ConnectionError:
            assert time.monotonic() < deadline
        else:
            break


@pytest.mark.parametrize(
    ("account", "ahead", "complaint"),
    [("other", 0, "serves 'main'"), ("main", 30, "clock"), ("main", -30, "clock")],
)
def test_adapter_checks(shared: Venue, account: str, ahead: int, complaint: str) -> None:
    """The adapter refuses another account, and a venue by whose clock the fence would not hold."""
    adapter = LedgerAdapter(
        BrokerName.IBKR,
        f"http://127.0.0.1:{shared.port}",
        account,
        timeout=timedelta(seconds=5),
        poll_interval=timedelta(seconds=1),
        clock=lambda: datetime.now(UTC) + timedelta(seconds=ahead),
    )
    with pytest.raises(BrokerUnavailable, match=complaint):
        asyncio.run(adapter.connect())


def test_no_stale_connection(start: Callable[..., Venue], tmp_path: Path) -> None:
    """A connection that died unnoticed, a venue restart ago, does not put a submit in doubt."""
    state = str(tmp_path / "venue.jsonl")
    venue = start("--default-price", "100", "--state", state)
    adapter = LedgerAdapter(
        BrokerName.IBKR,
        f"http://127.0.0.1:{venue.port}",
        "main",
        timeout=timedelta(seconds=5),
        poll_interval=timedelta(seconds=1),
        clock=lambda: datetime.now(UTC),
    )

    async def submit_twice() -> None:
        await adapter.connect()
        await adapter.submit(_attempt("first"))
        # The loop stands still meanwhile, so that aiohttp cannot notice the closed connection.
        venue.process.kill()
        venue.process.wait()
        start("--port", str(venue.port), "--default-price", "100", "--state", state)
        order = await adapter.submit(_attempt("second"))
        await adapter.close()
        assert order.state is OrderState.FILLED

    asyncio.run(submit_twice())


def _attempt(venue_order_id: str) -> Attempt:
    return Attempt(
        attempt_id=uuid4(),
        order_id=uuid4(),
        client_order_id=venue_order_id,
        broker=BrokerName.IBKR,
        account="main",
        venue_order_id=venue_order_id,
        instrument=Instrument("SPY", AssetClass.EQUITY, "USD"),
        side=Side.BUY,
        order_type=OrderType.MARKET,
        quantity=Decimal(10),
        time_in_force=TimeInForce.GTC,
    )


def test_real_money_shows(start: Callable[..., Venue]) -> None:
    """A venue started with --real says so."""
    venue = start("--real", "--account", "U1")
    account = venue.ask("account")
    assert (account["account"], account["real"]) == ("U1", True)
