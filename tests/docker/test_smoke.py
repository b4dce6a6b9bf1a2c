"""Orders through containers of the project's image."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from pytest_celery import CeleryTestSetup

from execution.domain.lifecycle import Step
from tests.docker.conftest import Postgres
from tests.fleet import wait_until

pytestmark = pytest.mark.docker


def place(setup: CeleryTestSetup, symbol: str, **more: str) -> str:
    """Enqueue a MARKET order as any producer does; its client_order_id."""
    name = f"docker-{uuid4().hex[:8]}"
    payload = {"symbol": symbol, "side": "BUY", "quantity": "1", "client_order_id": name}
    more["reference_price"] = "50"
    setup.app.send_task("tasks.place_order", kwargs=payload | more, queue="orders")
    return name


def filled(postgres: Postgres, name: str) -> dict[str, Any]:
    """An order that is FILLED and told of."""
    query = """SELECT * FROM orders
        WHERE client_order_id = %s AND state = 'FILLED' AND due_at IS NULL"""
    (order,) = wait_until(lambda: postgres.query(query, name), timeout=60, what=f"{name} FILLED")
    found: dict[str, Any] = order
    return found


def test_orders_go_their_way(celery_setup: CeleryTestSetup, postgres: Postgres) -> None:
    """Every worker answers; what has a broker without keys goes to paper, in eight steps."""
    assert celery_setup.ready(control=True)
    rerouted = place(celery_setup, "BTC-USDT")
    simulated = place(celery_setup, "SPY", execution_mode="PAPER")
    for name, broker in ((rerouted, "BINANCE"), (simulated, "PAPER")):
        order = filled(postgres, name)
        assert (order["requested_broker"], order["execution_mode"]) == (broker, "PAPER")
        steps = postgres.query(
            "SELECT DISTINCT step FROM order_events WHERE order_id = %s", order["order_id"]
        )
        assert {row["step"] for row in steps} >= {step.label for step in Step}
        assert len(postgres.query("SELECT FROM fills WHERE order_id = %s", order["order_id"])) == 1


def test_a_killed_container_loses_nothing(
    celery_setup: CeleryTestSetup, postgres: Postgres
) -> None:
    """What comes while no worker runs waits in Valkey, and is done once when one is back."""
    (orders, _) = celery_setup.worker_cluster
    orders.kill()
    names = [place(celery_setup, "SPY", execution_mode="PAPER") for _ in range(5)]
    orders.restart()
    for name in names:
        order = filled(postgres, name)
        assert len(postgres.query("SELECT FROM fills WHERE order_id = %s", order["order_id"])) == 1
