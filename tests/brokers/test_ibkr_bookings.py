"""Corporate actions at the simulated IB Gateway: seen as breaks, booked, and seen no more."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from tests.fleet import PRICES, Fleet, Servers, flush, wait_until
from tests.venues import IbGatewayVenue

OWN, OTHER = "DU1234567", "DU7654321"


def third_friday(months_ahead: int) -> str:
    """When the options of a month some months ahead end, as OCC writes it."""
    today = datetime.now(UTC).date()
    month = today.month - 1 + months_ahead
    first = today.replace(year=today.year + month // 12, month=month % 12 + 1, day=1)
    return f"{first + timedelta(days=(4 - first.weekday()) % 7 + 14):%y%m%d}"


PUT = f"SPY{third_friday(2)}P00600000"


@pytest.fixture(scope="module")
def fleet(
    servers: Servers, module_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    """Workers whose IB Gateway is the simulated one."""
    flush(servers.valkey.url)
    home = tmp_path_factory.mktemp("bookings") / "home"
    with Fleet(
        module_database_url,
        servers.valkey.url,
        home,
        venue=IbGatewayVenue,
        queues=("orders", "ibkr", "paper"),
        ready=("IBKR", "PAPER"),
    ) as fleet:
        fleet.set_prices({**PRICES, PUT: ("12.30", "12.40")})
        yield fleet


def fill(fleet: Fleet, symbol: str, side: str, quantity: str, **more: Any) -> None:
    """An order that fills, and its position."""
    name = f"booked-{uuid4().hex[:8]}"
    fleet.client.place(symbol, side, quantity, client_order_id=name, on_failure="reject", **more)
    order = fleet.await_state(name, "FILLED", "REJECTED")
    assert order["state"] == "FILLED", order["reason"]
    wait_until(
        lambda: fleet.query(
            "SELECT 1 FROM fills WHERE order_id = %s AND positioned_at IS NOT NULL",
            order["order_id"],
        ),
        what="the position",
    )


def breaks(fleet: Fleet) -> list[str]:
    """What `execution reconcile` finds."""
    (found,) = json.loads(fleet.cli("reconcile", "IBKR", "--json").stdout)
    assert found["problem"] is None
    assert found["positions_compared"]
    return sorted(one["key"] for one in found["breaks"])


def open_breaks(fleet: Fleet) -> list[str]:
    """The alerts of it."""
    rows = fleet.query(
        "SELECT key FROM alerts WHERE kind = 'POSITION_BREAK' AND resolved_at IS NULL"
    )
    return sorted(row["key"] for row in rows)


def move(fleet: Fleet, symbol: str, change: str, account: str = OWN) -> None:
    """Something came or went at the venue without an execution."""
    body = {"symbol": symbol, "change": change, "account": account}
    fleet.venue.control("POST", "positions", body)


def test_a_short_put_is_assigned(fleet: Fleet) -> None:
    """Seen as two breaks, previewed, booked when confirmed, settled; then taken back and redone."""
    fill(fleet, PUT, "SELL", "2")
    assert breaks(fleet) == []
    move(fleet, PUT, "2")
    move(fleet, "SPY", "200")
    assert breaks(fleet) == sorted([PUT, "SPY"])
    assert open_breaks(fleet) == sorted([f"IBKR:{PUT}", "IBKR:SPY"])
    asked = ("book", "--went", f"{PUT} -2 @ 0", "--came", "SPY 200 @ 600")
    proof = ("--evidence", "activity statement, assignment 17 of today")
    refused = fleet.cli(*asked)
    assert refused.returncode == 2
    looked = fleet.cli(*asked, *proof)  # nobody is there to say yes
    assert looked.returncode == 1
    assert "SPY" in looked.stdout
    assert fleet.position("SPY", OWN) == 0
    done = fleet.cli(*asked, *proof, "--yes", "--json")
    assert done.returncode == 0, done.stderr
    booked = json.loads(done.stdout)
    assert [(one["symbol"], one["side"]) for one in booked["executions"]] == [
        (PUT, "BUY"),
        ("SPY", "BUY"),
    ]
    assert (fleet.position(PUT, OWN), fleet.position("SPY", OWN)) == (Decimal(0), Decimal(200))
    assert breaks(fleet) == []
    assert open_breaks(fleet) == []
    again = fleet.cli(*asked, *proof, "--yes")
    assert again.returncode == 0
    assert "done before" in again.stderr
    back = fleet.cli("book", "--reverse", booked["booking_id"], "--evidence", "a slip", "--yes")
    assert back.returncode == 0, back.stderr
    assert fleet.position("SPY", OWN) == 0
    assert len(breaks(fleet)) == 2
    redone = fleet.cli(*asked, *proof, "--yes", "--id", "assignment 17")
    assert redone.returncode == 0, redone.stderr
    assert breaks(fleet) == []
    (first, second) = json.loads(fleet.cli("book", "--list", "--json").stdout)
    assert (first["reversed_at"] is None, second["reversed_at"]) == (False, None)
    assert "assignment 17" in first["evidence"]
    fleet.judge()


def test_a_split_in_another_account(fleet: Fleet) -> None:
    """Ten for one, at cost; the other account has nothing of it."""
    fill(fleet, "GBTC", "BUY", "10", account=OTHER)
    (before,) = fleet.query("SELECT * FROM positions WHERE account = %s", OTHER)
    move(fleet, "GBTC", "90", OTHER)
    assert breaks(fleet) == [f"{OTHER}:GBTC"]
    done = fleet.cli(
        *("book", "--account", OTHER, "--went", "GBTC 10", "--came", "GBTC 100"),
        *("--evidence", "notice of the split", "--yes"),
    )
    assert done.returncode == 0, done.stderr
    (after,) = fleet.query("SELECT * FROM positions WHERE account = %s", OTHER)
    assert after["quantity"] == 100
    assert abs(after["average_price"] * 10 - before["average_price"]) < Decimal("1e-20")
    assert (after["realised_pnl"], after["commission"]) == (0, before["commission"])
    assert breaks(fleet) == []
    fleet.judge()


def test_what_is_not_held_cannot_go(fleet: Fleet) -> None:
    """Exit status 1 with the reason, and nothing is booked."""
    done = fleet.cli(
        *("book", "--went", "AAPL 5 @ 0", "--evidence", "a wish", "--yes", "--broker", "IBKR")
    )
    assert done.returncode == 1
    assert "5 AAPL cannot have gone: 0 are held" in done.stderr
    wrong = fleet.cli("book", "--went", "AAPL five", "--evidence", "a wish")
    assert wrong.returncode == 1
    assert "is not like" in wrong.stderr
