"""With CONTINUE_IN_PLACE=false each step travels as a message, and leaves the same rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from functools import partial
from typing import Any

import pytest

from tests.fleet import PRICES, Fleet, Servers, flush, wait_until
from tests.monitor import TASKS, Monitor, kinds, life

from .traces import traces


@pytest.fixture(scope="module")
def rows_in_place(
    servers: Servers, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[Any]]:
    """What some orders leave where steps go on in place; its fleet is gone by then."""
    flush(servers.valkey.url)
    url = servers.postgres.create_database("in_place", template="template")
    home = tmp_path_factory.mktemp("in-place") / "home"
    with Fleet(url, servers.valkey.url, home) as fleet:
        rows = rows_of_some_orders(fleet)
    servers.postgres.drop_database("in_place")
    return rows


@pytest.fixture(scope="module")
def fleet(
    rows_in_place: dict[str, list[Any]],
    servers: Servers,
    module_database_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Fleet]:
    """Workers that send each step on."""
    assert rows_in_place
    flush(servers.valkey.url)
    home = tmp_path_factory.mktemp("fleet") / "home"
    with Fleet(
        module_database_url,
        servers.valkey.url,
        home,
        environment={"CONTINUE_IN_PLACE": "false"},
    ) as fleet:
        yield fleet


def rows_of_some_orders(fleet: Fleet) -> dict[str, list[Any]]:
    """Let orders of each kind go their way, on paper and at a venue; all they leave."""
    fleet.set_prices(PRICES)
    place = partial(fleet.client.place, side="BUY")
    for name, symbol in (("paper", "SPY"), ("live", "BTC-USDT")):
        place(symbol, quantity="3", client_order_id=name)
        fleet.await_state(name, "FILLED")
        place(symbol, side="SELL", quantity="1", client_order_id=f"{name}-less")
        fleet.await_state(f"{name}-less", "FILLED")
        rests = {"quantity": "2", "order_type": "LIMIT", "time_in_force": "GTC"}
        price = {"SPY": "590", "BTC-USDT": "60000"}[symbol]
        for what in ("cancelled", "rests"):
            place(symbol, **rests, limit_price=price, client_order_id=f"{name}-{what}")
            fleet.await_state(f"{name}-{what}", "SUBMITTED")
        fleet.client.cancel(f"{name}-cancelled", cancel_id=f"{name}-c")
        fleet.await_state(f"{name}-cancelled", "CANCELLED")
    bracket = {"take_profit_price": "610", "stop_loss_price": "580"}
    place("SPY", quantity="4", **bracket, client_order_id="bracket")
    fleet.await_state("bracket", "FILLED")
    await_children(fleet, "SUBMITTED", "SUBMITTED")
    for filled in (1, 2):
        fill(fleet, "live-rests", f"execution-{filled}")
        fleet.await_state("live-rests", "PARTIALLY_FILLED" if filled == 1 else "FILLED")
    fleet.set_prices({"SPY": ("589", "589.02")})
    fleet.await_state("paper-rests", "FILLED")
    fleet.set_prices({"SPY": ("611", "611.02")})
    await_children(fleet, "CANCELLED", "FILLED")
    wait_until(
        lambda: not fleet.query("SELECT 1 FROM order_commands WHERE outcome = 'PENDING'"),
        what="every command's outcome",
    )
    return traces(fleet)


def await_children(fleet: Fleet, *states: str) -> None:
    """Wait for the states of the bracket's stop and target, and for nothing to be due for them."""

    def there() -> bool:
        rows = fleet.query(
            "SELECT state, due_at FROM orders WHERE parent_order_id IS NOT NULL ORDER BY role"
        )
        return [(row["state"], row["due_at"]) for row in rows] == [(one, None) for one in states]

    wait_until(there, what=f"children {states}")


def fill(fleet: Fleet, name: str, execution_id: str) -> None:
    """Let the venue fill 1 of an order."""
    (attempt,) = fleet.query(
        """SELECT venue_order_id FROM order_attempts JOIN orders USING (order_id)
        WHERE client_order_id = %s""",
        name,
    )
    report = {"execution_id": execution_id, "quantity": "1", "price": "60000"}
    report["venue_order_id"] = attempt["venue_order_id"]
    fleet.venue.control("POST", "executions", report)


def test_same_rows(fleet: Fleet, rows_in_place: dict[str, list[Any]]) -> None:
    """Row by row, each table holds what it holds where steps go on in place."""
    by_message = rows_of_some_orders(fleet)
    for table, rows in by_message.items():
        for number, (row, other) in enumerate(zip(rows, rows_in_place[table], strict=True)):
            assert row == other, f"row {number} of {table}"
    assert len(by_message["orders"]) == 11
    assert len(by_message["fills"]) == 9


@pytest.mark.parametrize("symbol", ["SPY", "BTC-USDT"])
def test_the_whole_way_by_message(fleet: Fleet, symbol: str) -> None:
    """On paper and at a venue: nine messages sent, nine tasks done."""
    with closing(Monitor(fleet.redis_url)) as monitor:
        found = life(fleet, monitor, symbol)
    assert all("task-sent" in kinds(found[task]) for task in TASKS[1:])
