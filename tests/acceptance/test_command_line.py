"""The command line as a subprocess: what it prints, and its exit status."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any
from uuid import uuid4

from tests.fleet import Fleet, wait_until


def test_place_and_wait(fleet: Fleet) -> None:
    """`place --wait` says how it ended; --json gives the order's columns."""
    name = f"cli-{uuid4().hex[:8]}"
    done = fleet.cli("place", "BTC-USDT", "BUY", "0.5", "--id", name, "--wait", "20", "--json")
    assert done.returncode == 0, done.stderr
    order = json.loads(done.stdout)
    assert (order["client_order_id"], order["state"]) == (name, "FILLED")
    assert order["filled_quantity"] == "0.5"


def test_refusal_is_exit_status_1(fleet: Fleet) -> None:
    """A refused request exits 1 with the reason on stderr and no traceback."""
    done = fleet.cli("place", "SPY", "BUY", "none")
    assert done.returncode == 1
    assert done.stderr.startswith("execution: refused: quantity")
    assert "Traceback" not in done.stderr


def test_wrong_usage_is_exit_status_2(fleet: Fleet) -> None:
    """A missing argument exits 2."""
    assert fleet.cli("place", "SPY").returncode == 2


def test_unknown_order_is_exit_status_1(fleet: Fleet) -> None:
    """`show` of nothing exits 1."""
    done = fleet.cli("show", "no-such-order")
    assert done.returncode == 1
    assert "no-such-order" in done.stderr


def test_orders_is_one_array_of_orders_and_refusals(fleet: Fleet) -> None:
    """`orders --json` holds orders and refused requests, keys as the columns."""
    name = f"cli-{uuid4().hex[:8]}"
    fleet.cli("place", "SPY", "BUY", "1", "--id", name, "--wait", "20")
    fleet.cli("place", "SPY", "BUY", "0", "--id", f"{name}-bad")
    rows = {row["client_order_id"]: row for row in json.loads(fleet.cli("orders", "--json").stdout)}
    assert rows[name]["state"] == "FILLED"
    assert {"order_id", "requested_broker", "average_price", "created_at"} <= set(rows[name])
    assert rows[f"{name}-bad"]["state"] == "REFUSED"
    assert rows[f"{name}-bad"]["outcome"] == "REFUSED"


def test_tables_for_people(fleet: Fleet) -> None:
    """Every listing prints a table and exits 0."""
    name = f"cli-{uuid4().hex[:8]}"
    fleet.cli("place", "GBTC", "BUY", "1", "--id", name, "--wait", "20")
    for command in (["orders"], ["positions"], ["brokers"], ["quotes"], ["quote", "GBTC"]):
        done = fleet.cli(*command)
        assert done.returncode == 0, done.stderr
        assert "GBTC" in done.stdout or command == ["brokers"]
    assert "publish_fill_event" in fleet.cli("show", name).stdout


def test_events_replay(fleet: Fleet) -> None:
    """`events --since N` replays what comes after N, one JSON message a line."""
    fleet.cli("place", "SPY", "BUY", "1", "--wait", "20")
    everything = fleet.cli("events").stdout.splitlines()
    since = json.loads(everything[0])["sequence"]
    assert fleet.cli("events", "--since", str(since)).stdout.splitlines() == everything[1:]
    assert json.loads(fleet.cli("events", "--json").stdout)[0]["sequence"] == 1
    assert fleet.cli("events", "--stream", "nonsense").returncode == 2


def test_positions_tell_paper_from_live(fleet: Fleet) -> None:
    """`positions --json` says LIVE or PAPER for each, with unrealised profit."""
    fleet.cli("place", "BTC-USDT", "BUY", "1", "--wait", "20")
    # With a price of its own it needs no quote, which a busy machine lets grow too old.
    priced = ("--paper", "--reference-price", "64000")
    fleet.cli("place", "BTC-USDT", "BUY", "1", *priced, "--wait", "20")

    def held() -> dict[str, dict[str, Any]]:
        rows = json.loads(fleet.cli("positions", "--json").stdout)
        assert all("unrealised_pnl" in row for row in rows)
        found = {row["execution_mode"]: row for row in rows if row["symbol"] == "BTC-USDT"}
        return found if found.keys() == {"LIVE", "PAPER"} else {}

    found = wait_until(held, what="both positions")
    live = found["LIVE"]
    assert live["costs"] == {"USDT": live["commission"]}
    net = Decimal(live["realised_pnl"]) - Decimal(live["commission"])
    assert Decimal(live["net_pnl"]) == net < 0
    assert (found["PAPER"]["costs"], found["PAPER"]["net_pnl"]) == ({}, "0")
    shown = fleet.cli("positions").stdout
    assert "net_pnl" in shown
    assert "other costs" in shown
