"""An operator's commands against real workers: what stands in doubt is settled by hand."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
import redis

from execution.domain.mapping import ExchangeMapper
from execution.intake import Intake
from execution.store.engine import Store
from tests.fleet import PRICES, Fleet, wait_until

EVIDENCE = "asked the desk by telephone at 10:31, ticket 4711"
SYMBOL = "BTC-USDT"
LIMIT = {"order_type": "LIMIT", "limit_price": "65000"}
FOR_EVER = 100_000


def new_name(what: str) -> str:
    """A fresh client_order_id."""
    return f"{what}-{uuid4().hex[:8]}"


def silence(fleet: Fleet) -> None:
    """From now on the venue answers no question."""
    fleet.venue.arm("unavailable", on="query", times=FOR_EVER)


def healthy(fleet: Fleet) -> None:
    """The venue is connected, and has just taken an order: its breaker starts from nothing."""
    wait_until(lambda: fleet.connected("BINANCE"), what="the connection")
    name = new_name("healthy")
    fleet.send(symbol=SYMBOL, side="BUY", quantity="1", client_order_id=name)
    assert fleet.await_state(name, "FILLED")["broker"] == "BINANCE"


def in_doubt(fleet: Fleet, fault: str, **terms: Any) -> dict[str, Any]:
    """An order whose outcome nobody can tell: sent, without an answer, at a venue now silent."""
    healthy(fleet)
    name = new_name("doubt")
    # Its own questions at once, everybody's as soon as it is sent.
    fleet.venue.arm("hold_fills", symbol=SYMBOL, times=FOR_EVER)
    fleet.venue.arm("unavailable", on="query", symbol=SYMBOL, times=FOR_EVER)
    fleet.venue.arm(fault, on="submit")
    fleet.send(symbol=SYMBOL, side="BUY", quantity="3", client_order_id=name, **terms)
    wait_until(lambda: (fleet.order(name) or {}).get("state") == "UNKNOWN", what="the doubt")
    silence(fleet)
    order = fleet.order(name)
    assert order is not None
    (attempt,) = attempts(fleet, order)
    return {**order, "venue_order_id": attempt["venue_order_id"]}


def attempts(fleet: Fleet, order: dict[str, Any]) -> list[dict[str, Any]]:
    """An order's attempts."""
    return fleet.query(
        "SELECT * FROM order_attempts WHERE order_id = %s ORDER BY attempt_no", order["order_id"]
    )


def resolve(fleet: Fleet, order: dict[str, Any], told: str, *more: str) -> dict[str, Any]:
    """Settle an order; the order afterwards."""
    done = fleet.cli(
        *("resolve", order["client_order_id"], "--as", told, "--evidence", EVIDENCE),
        *("--yes", "--json", "--wait", "30", *more),
    )
    assert done.returncode == 0, done.stderr
    shown: dict[str, Any] = json.loads(done.stdout)
    return shown


def executed(fleet: Fleet, order: dict[str, Any], quantity: str, price: str) -> dict[str, Any]:
    """The venue executes; what its own records say of it."""
    body = {
        "venue_order_id": order["venue_order_id"],
        "symbol": SYMBOL,
        "side": "BUY",
        "quantity": quantity,
        "price": price,
        "execution_id": new_name("X"),
        "executed_at": datetime.now(UTC).replace(microsecond=0).isoformat(),
    }
    booked: dict[str, Any] = fleet.venue.control("POST", "executions", body)
    return booked


def as_options(trade: dict[str, Any]) -> tuple[str, ...]:
    """An execution on the command line."""
    names = {"quantity": "quantity", "price": "price", "execution_id": "execution-id"}
    options = [text for name, option in names.items() for text in (f"--{option}", trade[name])]
    return (*options, "--at", trade["executed_at"])


def heard_again(fleet: Fleet) -> None:
    """The venue answers again, and its executions have been heard since."""
    fleet.venue.control("DELETE", "faults")
    fleet.set_prices(PRICES)
    stranger = {"symbol": SYMBOL, "side": "BUY", "quantity": "1", "price": "64000"}
    execution_id = new_name("S")
    fleet.venue.control("POST", "executions", {**stranger, "execution_id": execution_id})
    wait_until(
        lambda: fleet.query(
            "SELECT 1 FROM alerts WHERE kind = 'UNKNOWN_ORDER' AND key LIKE %s", f"%{execution_id}"
        ),
        timeout=60,
        what="the executions of the venue that answers again",
    )


def open_alerts(fleet: Fleet, order: dict[str, Any]) -> list[str]:
    """Kinds of the alerts that stand for an order, by the command line."""
    rows = json.loads(fleet.cli("alerts", "--json").stdout)
    name = order["client_order_id"]
    return [row["kind"] for row in rows if row["client_order_id"] == name]


def fills(fleet: Fleet, order: dict[str, Any]) -> list[tuple[str, Decimal]]:
    """An order's fills."""
    rows = fleet.query("SELECT * FROM fills WHERE order_id = %s", order["order_id"])
    return [(row["execution_id"], row["quantity"]) for row in rows]


def test_filled_by_hand(fleet: Fleet) -> None:
    """The venue's execution, typed in while it is silent, is its own when it speaks again."""
    order = in_doubt(fleet, "drop_reply", **LIMIT)
    assert open_alerts(fleet, order) == ["UNKNOWN_OUTCOME"]
    trade = executed(fleet, order, "3", "64001")
    settled = resolve(fleet, order, "filled", *as_options(trade))
    assert (settled["state"], settled["filled_quantity"]) == ("FILLED", "3")
    heard_again(fleet)
    assert fills(fleet, order) == [(trade["execution_id"], Decimal(3))]
    assert open_alerts(fleet, order) == []
    shown = fleet.cli("show", order["client_order_id"]).stdout
    assert "resolve" in shown
    assert EVIDENCE in " ".join(shown.split())


def test_a_part_by_hand(fleet: Fleet) -> None:
    """A part was executed and the rest cancelled at the venue, as somebody has found out."""
    order = in_doubt(fleet, "drop_reply", **LIMIT)
    trade = executed(fleet, order, "2", "64000")
    fleet.venue.control("POST", "orders/cancel", {"venue_order_id": order["venue_order_id"]})
    settled = resolve(fleet, order, "cancelled", *as_options(trade))
    assert (settled["state"], settled["filled_quantity"]) == ("CANCELLED", "2")
    assert EVIDENCE in settled["reason"]
    heard_again(fleet)
    assert fills(fleet, order) == [(trade["execution_id"], Decimal(2))]


def test_never_arrived_and_then_it_did(fleet: Fleet) -> None:
    """It is REJECTED and goes nowhere; an execution that comes all the same is recorded, loudly."""
    order = in_doubt(fleet, "drop_request")
    settled = resolve(fleet, order, "never-arrived")
    assert settled["state"] == "REJECTED"
    assert settled["reason"].startswith("never reached BINANCE (settled by ")
    assert EVIDENCE in settled["reason"]
    assert open_alerts(fleet, order) == []
    trade = executed(fleet, order, "1", "64000")
    heard_again(fleet)
    fleet.await_state(order["client_order_id"], "REJECTED")
    wait_until(lambda: fills(fleet, order), what="the late fill")
    assert fills(fleet, order) == [(trade["execution_id"], Decimal(1))]
    wait_until(lambda: open_alerts(fleet, order) == ["LATE_FILL"], what="the alert")
    assert [(one["broker"], one["intents"]) for one in attempts(fleet, order)] == [("BINANCE", 1)]
    held = [o for o in fleet.venue.orders() if o["venue_order_id"] == order["venue_order_id"]]
    assert held == []


def test_settled_by_its_executions(fleet: Fleet) -> None:
    """A venue that cannot say what became of an order, and lists its execution, has said it."""
    healthy(fleet)
    name = new_name("listed")
    fleet.venue.arm("unavailable", on="query", symbol=SYMBOL, times=FOR_EVER)
    fleet.venue.arm("drop_reply", on="submit")
    fleet.send(symbol=SYMBOL, side="BUY", quantity="1", client_order_id=name)
    order = fleet.await_state(name, "FILLED")
    states = fleet.query("SELECT state FROM order_events WHERE order_id = %s", order["order_id"])
    assert "UNKNOWN" in {row["state"] for row in states}
    assert open_alerts(fleet, order) == []


def test_reconciliation_is_first(fleet: Fleet) -> None:
    """The venue's own word, come before the operator's: the command says so, and exits 1."""
    order = in_doubt(fleet, "drop_reply", **LIMIT)
    fleet.venue.control("DELETE", "faults")
    fleet.await_state(order["client_order_id"], "FILLED", timeout=60)
    done = fleet.cli(
        *("resolve", order["client_order_id"], "--as", "never-arrived"),
        *("--evidence", EVIDENCE, "--yes"),
    )
    assert done.returncode == 1
    assert "it is FILLED, not UNKNOWN" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_yes_nothing_happens(fleet: Fleet) -> None:
    """Nobody is there to say yes: exit status 1, and the order stands as it was."""
    order = in_doubt(fleet, "drop_reply", **LIMIT)
    ended = {"venue_order_id": order["venue_order_id"], "state": "EXPIRED"}
    fleet.venue.control("POST", "orders/cancel", ended)
    done = fleet.cli(
        *("resolve", order["client_order_id"], "--as", "expired", "--evidence", EVIDENCE)
    )
    assert done.returncode == 1
    assert "UNKNOWN at BINANCE" in done.stderr
    assert (fleet.order(order["client_order_id"]) or {})["state"] == "UNKNOWN"
    assert resolve(fleet, order, "expired")["state"] == "EXPIRED"
    heard_again(fleet)


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("no-such-order", "--as", "expired", "--evidence", "e"), 1, "there is no order"),
        (("any", "--as", "gone", "--evidence", "e"), 2, "never-arrived"),
        (("any", "--as", "filled", "--evidence", "e"), 2, "--execution-id"),
    ],
)
def test_exit_status(fleet: Fleet, arguments: tuple[str, ...], status: int, words: str) -> None:
    """1 refused, with the reason; 2 wrong usage."""
    done = fleet.cli("resolve", *arguments, "--yes")
    assert done.returncode == status
    assert words in done.stderr


def test_every_attempt_is_shown(fleet: Fleet) -> None:
    """Refused at the venue: with its code and text, in the attempts and as the breaker's reason."""
    healthy(fleet)
    name = new_name("refused")
    fleet.venue.arm("reject", code="-2010", reason="insufficient balance", scope="ORDER")
    fleet.send(symbol=SYMBOL, side="BUY", quantity="1", client_order_id=name)
    fleet.await_state(name, "REJECTED")
    shown = json.loads(fleet.cli("show", name, "--json").stdout)
    (first,) = shown["attempts"]
    assert (first["broker"], first["state"], first["error_code"]) == (
        "BINANCE",
        "REJECTED",
        "-2010",
    )
    assert first["reason"].endswith("insufficient balance")
    table = fleet.cli("show", name).stdout
    attempts_table = table.partition("attempts")[2].partition("fills")[0]
    for words in ("BINANCE", "REJECTED", "-2010", "insufficient balance"):
        assert words in attempts_table
    brokers = json.loads(fleet.cli("brokers", "--json").stdout)
    (binance,) = [row for row in brokers if row["broker"] == "BINANCE" and row["worker"]]
    assert binance["breaker"] == "CLOSED"
    assert binance["total_failures"] >= 1
    assert binance["reason"].endswith("insufficient balance")


def idle(fleet: Fleet) -> bool:
    """Whether no message of a sweep waits or is being worked on."""
    with closing(redis.Redis.from_url(fleet.redis_url)) as client:
        return not client.llen("recovery") and not client.hlen("unacked")


def test_recover_by_hand(fleet: Fleet) -> None:
    """Without the clock that starts the sweep, what stands still goes on by the command."""
    beat = fleet.pid_of("beat")
    os.kill(beat, signal.SIGSTOP)
    try:
        wait_until(partial(idle, fleet), what="the end of the last sweep")
        name = new_name("lost")
        with closing(Store(fleet.database_url)) as store:
            # Committed, and its message never sent.
            request = {"symbol": "SPY", "side": "BUY", "quantity": "1", "client_order_id": name}
            Intake(store, ExchangeMapper(), timedelta(0)).receive(request)
        done = fleet.cli("recover", "--json")
        assert done.returncode == 0, done.stderr
        repaired = json.loads(done.stdout)
        assert repaired.pop("published") >= 1
        assert repaired == {
            "requests": 1,
            "orders": 0,
            "commands": 0,
            "orphans": 0,
            "rerouted": 0,
            "doubted": 0,
            "families": 0,
        }
        fleet.await_state(name, "FILLED")
        assert fleet.cli("recover").stdout == "nothing was due\n"
    finally:
        os.kill(beat, signal.SIGCONT)


COMMANDS: list[tuple[str, Callable[[str], bool]]] = [
    ("recover", lambda text: "until nothing more is due" in text),
    ("resolve", lambda text: "never-arrived" in text and "--evidence" in text),
    ("alerts", lambda text: "--all" in text and "newest first" in text),
]


@pytest.mark.parametrize(("command", "says"), COMMANDS, ids=[name for name, _ in COMMANDS])
def test_help(fleet: Fleet, command: str, says: Callable[[str], bool]) -> None:
    """Each command explains itself."""
    done = fleet.cli(command, "--help", COLUMNS="120")
    assert done.returncode == 0
    assert says(" ".join(done.stdout.replace("│", " ").split()))
    assert command in fleet.cli("--help").stdout
