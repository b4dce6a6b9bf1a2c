"""Places the example orders and shows them on their way, live, until all are at their end."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from execution.cli.output import make_live, make_table, print_line
from execution.client import OrderClient
from execution.events.connection import connect
from execution.events.quotes import QuoteCache
from execution.settings import Settings
from execution.store.requests import REFUSED, Receipt

ORDERS = Path("examples") / "orders.jsonl"
_LONGEST = 60.0
_COLUMNS = ("order", "", "route", "state", "price", "mode", "ms")


def show(settings: Settings, root: Path | None = None) -> None:
    """Place the orders of examples/orders.jsonl (below `root`) and print how each ends.

    Their ids are fixed, so a second time finds the first time's orders and sends nothing.
    """
    path = (root or Path(__file__).parents[2]) / ORDERS
    requests = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    client = OrderClient(settings)
    try:
        _await_prices(settings)
        receipts = [client.place(**request) for request in requests]
        _follow(client, requests, receipts)
    finally:
        client.close()


def _await_prices(settings: Settings) -> None:
    """Give the feed a moment for its first quotes; without them orders wait for theirs."""
    cache = QuoteCache(connect(settings.require_redis_url()))
    deadline = time.monotonic() + 5
    while not cache.all() and time.monotonic() < deadline:
        time.sleep(0.05)


def _follow(client: OrderClient, requests: list[dict[str, Any]], receipts: list[Receipt]) -> None:
    """Show the orders until each is at its end, or a minute has passed."""
    deadline = time.monotonic() + _LONGEST
    with make_live() as live:
        while True:
            orders = [_outcome(client, receipt) for receipt in receipts]
            rows = [_row(*pair) for pair in zip(requests, orders, strict=True)]
            live.update(make_table("example orders", _COLUMNS, rows), refresh=True)
            if all(map(_over, orders)) or time.monotonic() > deadline:
                break
            time.sleep(0.1)
    if not live.console.is_terminal:
        print_line("")
    reasons = dict.fromkeys(order.get("route_reason") for order in orders)
    for reason in filter(None, reasons):
        print_line(f"on paper instead: {reason}")
    for receipt in receipts:
        if receipt.outcome == REFUSED:
            print_line(f"{receipt.client_order_id} refused: {receipt.reason}")


def _outcome(client: OrderClient, receipt: Receipt) -> dict[str, Any]:
    """The order a request became, or the refusal of this very request."""
    if receipt.outcome == REFUSED or receipt.client_order_id is None:
        return {"state": REFUSED}
    return client.get(receipt.client_order_id) or {}


def _over(order: dict[str, Any]) -> bool:
    ended = {REFUSED, "FILLED", "REJECTED", "CANCELLED", "EXPIRED"}
    return order.get("state") in ended and order.get("due_at") is None


def _row(request: dict[str, Any], order: dict[str, Any]) -> list[Any]:
    route = order.get("broker")
    if route != order.get("requested_broker"):
        route = f"{order.get('requested_broker')}→{route}"
    price = order.get("average_price")
    passed = None
    if order.get("created_at"):
        passed = round((order["updated_at"] - order["received_at"]).total_seconds() * 1000)
    return [
        request["client_order_id"],
        f"{request['side']} {request['quantity']} {request['symbol']}",
        route,
        order.get("state"),
        None if price is None else f"{price:.7g}",
        order.get("execution_mode"),
        passed,
    ]
