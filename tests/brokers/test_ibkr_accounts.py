"""Two accounts under one login of the simulated IB Gateway, through real workers."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, ClassVar
from uuid import uuid4

import pytest

from tests.fleet import PRICES, Fleet, Servers, flush, wait_until
from tests.venues import IbGatewayVenue

OWN, OTHER, REAL = "DU1234567", "DU7654321", "U1111111"


class ThreeAccounts(IbGatewayVenue):
    """A login whose third account holds real money."""

    others: ClassVar[tuple[str, ...]] = (OTHER,)
    options = ("--account", OWN, "--account", OTHER, "--account", REAL)


@pytest.fixture(scope="module")
def fleet(
    servers: Servers, module_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    """Workers in practice, whose IB Gateway has them all."""
    flush(servers.valkey.url)
    home = tmp_path_factory.mktemp("accounts") / "home"
    with Fleet(
        module_database_url,
        servers.valkey.url,
        home,
        venue=ThreeAccounts,
        queues=("orders", "ibkr", "paper"),
        ready=("IBKR", "PAPER"),
    ) as fleet:
        yield fleet


@pytest.fixture(autouse=True)
def judged(fleet: Fleet) -> Iterator[None]:
    """Ledger, tables and event stream are compared after each test."""
    fleet.set_prices(PRICES)
    wait_until(lambda: fleet.connected("IBKR"), what="the session")
    yield
    fleet.cli("limits", "remove", "max_position")
    fleet.judge()


def place(fleet: Fleet, *, wanted: str = "FILLED", **changes: Any) -> dict[str, Any]:
    """An order for ten shares of GBTC, at its end."""
    name = f"account-{uuid4().hex[:8]}"
    order = {"symbol": "GBTC", "side": "BUY", "quantity": "10", "on_failure": "reject"}
    fleet.client.place(**(order | changes), client_order_id=name)
    return fleet.await_state(name, *({wanted, "REJECTED"} | ({"FILLED"} - {wanted})))


def there(fleet: Fleet, order: dict[str, Any]) -> str:
    """The account that the venue holds an order in."""
    (attempt,) = fleet.query("SELECT * FROM order_attempts WHERE order_id = %s", order["order_id"])
    (held,) = [
        one for one in fleet.venue.orders() if one["venue_order_id"] == attempt["venue_order_id"]
    ]
    assert attempt["account"] == held["account"]
    return str(held["account"])


def both(fleet: Fleet, symbol: str = "GBTC") -> tuple[Decimal, Decimal]:
    """What the books hold in each account."""
    return fleet.position(symbol, OWN), fleet.position(symbol, OTHER)


def test_account_chooses_among_those_of_the_login(fleet: Fleet) -> None:
    """Orders, fills, events and positions are of the real account; `main` is the login's own."""
    before = both(fleet)
    for asked, real in ((None, OWN), ("main", OWN), (OWN, OWN), (OTHER, OTHER)):
        order = place(fleet, **({} if asked is None else {"account": asked}))
        assert (order["state"], order["execution_mode"]) == ("FILLED", "LIVE"), order["reason"]
        assert there(fleet, order) == real
        assert order["account"] == (asked or "main")
        fills = fleet.query("SELECT * FROM fills WHERE order_id = %s", order["order_id"])
        events = fleet.query(
            "SELECT payload FROM events WHERE stream = 'fills' AND order_id = %s",
            order["order_id"],
        )
        assert {row["account"] for row in fills} == {real}
        assert {row["payload"]["account"] for row in events} == {real}
    after = both(fleet)
    assert [int(now - then) for now, then in zip(after, before, strict=True)] == [30, 10]
    found = fleet.cli("reconcile", "IBKR", "--json")
    assert json.loads(found.stdout)[0]["breaks"] == []


@pytest.mark.parametrize("asked", ["U2222222", REAL, "desk-a"])
def test_an_account_that_the_login_does_not_own_is_refused(fleet: Fleet, asked: str) -> None:
    """Before anything is sent, and not simulated either; a real one in practice like any other."""
    sent = len(fleet.venue.orders())
    for on_failure in ("reject", "paper", "wait"):
        order = place(fleet, account=asked, on_failure=on_failure)
        assert order["state"] == "REJECTED"
        assert order["reason"] == (
            f"account: {asked} is none of the broker's login, which owns {OWN}, {OTHER}"
        )
    assert len(fleet.venue.orders()) == sent


def test_on_paper_any_label_is_an_account(fleet: Fleet) -> None:
    """With limits and a position of its own."""
    fleet.cli("limits", "set", "max_position", "10", "--reason", "a test")
    labels = [f"label-{uuid4().hex[:6]}" for _ in range(2)]
    for label in labels:
        first = place(fleet, account=label, execution_mode="PAPER")
        assert (first["state"], first["execution_mode"]) == ("FILLED", "PAPER")
        second = place(fleet, account=label, execution_mode="PAPER", quantity="1")
        assert second["state"] == "REJECTED"
        assert "max_position" in second["reason"]
    held = fleet.query("SELECT quantity FROM paper_positions WHERE account = ANY(%s)", labels)
    assert [row["quantity"] for row in held] == [10, 10]


def test_limits_are_those_of_the_real_account(fleet: Fleet) -> None:
    """However it is called, an account fills a limit once; the other has its own."""
    symbol = "SPY"
    fleet.cli("limits", "set", "max_position", "10", "--symbol", symbol, "--reason", "a test")
    for asked, state in (
        ("main", "FILLED"),
        (OWN, "REJECTED"),
        ("main", "REJECTED"),
        (OTHER, "FILLED"),
        (OTHER, "REJECTED"),
    ):
        order = place(fleet, symbol=symbol, account=asked)
        assert order["state"] == state, (asked, order["reason"])
    assert both(fleet, symbol) == (Decimal(10), Decimal(10))
    fleet.cli("limits", "remove", "max_position", "--symbol", symbol)


def test_executions_and_positions_of_each_account_by_themselves(fleet: Fleet) -> None:
    """A trade by hand in the other account is booked there, and nowhere is there a break."""
    before = both(fleet)
    fleet.venue.control(
        "POST",
        "orders",
        {"symbol": "GBTC", "side": "BUY", "quantity": "5", "account": OTHER},
    )
    wait_until(lambda: both(fleet)[1] - before[1] == 5, what="the trade by hand")
    assert both(fleet)[0] == before[0]
    found = json.loads(fleet.cli("reconcile", "IBKR", "--json").stdout)
    assert found[0]["breaks"] == []
    balances = fleet.query("SELECT account FROM account_balances WHERE broker = 'IBKR' ORDER BY 1")
    assert [row["account"] for row in balances] == [OWN, OTHER]


def test_after_a_restart_of_the_worker(fleet: Fleet) -> None:
    """An order that rests in the other account is taken up there, changed, and fills."""
    name = f"rests-{uuid4().hex[:8]}"
    fleet.client.place(
        symbol="GBTC",
        side="BUY",
        quantity="7",
        client_order_id=name,
        order_type="LIMIT",
        limit_price="40",
        time_in_force="GTC",
        account=OTHER,
        on_failure="wait",
    )
    order = fleet.await_state(name, "SUBMITTED")
    before = both(fleet)
    os.kill(fleet.pid_of("worker-ibkr"), signal.SIGKILL)
    wait_until(lambda: fleet.connected("IBKR"), what="the next worker", timeout=60)
    fleet.client.modify(name, expected_version=order["version"], limit_price="45")
    fleet.venue.price("GBTC", "44", "44.02")
    order = fleet.await_state(name, "FILLED", timeout=60)
    assert there(fleet, order) == OTHER
    assert both(fleet) == (before[0], before[1] + 7)
