"""UNPROTECTED_FLATTEN: what has no stop is closed at the market, once, where it was asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from tests.fleet import Fleet, Servers, flush, wait_until

WITHIN = 20.0


@pytest.fixture(scope="module")
def fleet(
    servers: Servers, module_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    """Paper workers of an operator who wants nothing to stay without its stop."""
    flush(servers.valkey.url)
    home = tmp_path_factory.mktemp("flatten") / "home"
    with Fleet(
        module_database_url,
        servers.valkey.url,
        home,
        queues=("orders", "paper"),
        ready=("PAPER",),
        environment={"UNPROTECTED_FLATTEN": "true", "UNPROTECTED_AFTER": "1"},
    ) as fleet:
        yield fleet


def child(fleet: Fleet, name: str, role: str) -> dict[str, Any] | None:
    """A bracket's child."""
    rows = fleet.query(
        """SELECT c.* FROM orders c JOIN orders p ON c.parent_order_id = p.order_id
        WHERE p.client_order_id = %s AND c.role = %s""",
        name,
        role,
    )
    return rows[0] if rows else None


def test_what_is_bare_is_closed(fleet: Fleet) -> None:
    """The target makes way, then one market order closes the position; the alert is settled."""
    name = f"bracket-{uuid4().hex[:8]}"
    fleet.client.place(
        symbol="SPY",
        side="BUY",
        quantity="4",
        client_order_id=name,
        take_profit_price="650",
        stop_loss_price="550",
        execution_mode="PAPER",
    )
    fleet.await_state(name, "FILLED")
    stop = wait_until(lambda: child(fleet, name, "STOP_LOSS"), what="the stop")
    fleet.await_state(stop["client_order_id"], "SUBMITTED")
    fleet.client.cancel(stop["client_order_id"])

    def closed() -> dict[str, Any] | None:
        found = child(fleet, name, "FLATTEN")
        return found if found is not None and found["state"] == "FILLED" else None

    flattened = wait_until(closed, WITHIN, "the market order")
    assert (flattened["order_type"], flattened["side"]) == ("MARKET", "SELL")
    assert flattened["reduce_only"]
    assert flattened["filled_quantity"] == 4
    profit = child(fleet, name, "TAKE_PROFIT")
    assert profit is not None
    assert (profit["state"], profit["filled_quantity"]) == ("CANCELLED", 0)

    def flat() -> bool:
        (held,) = fleet.query("SELECT quantity FROM paper_positions WHERE symbol = 'SPY'")
        return bool(held["quantity"] == 0)

    wait_until(flat, what="no position")  # step 7 comes after the state

    def settled() -> bool:
        rows = fleet.query("SELECT resolved_at FROM alerts WHERE kind = 'UNPROTECTED'")
        return len(rows) == 1 and rows[0]["resolved_at"] is not None

    wait_until(settled, WITHIN, "the alert to be settled")
    told = fleet.query(
        """SELECT detail FROM order_events e JOIN orders o USING (order_id)
        WHERE o.client_order_id = %s AND e.step = 'flatten'""",
        name,
    )
    assert [row["detail"]["quantity"] for row in told] == ["4"]
