"""`execution place`, `orders`, `show`: what goes in, and what has become of it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from execution.cli.output import print_json, print_line, print_table
from execution.cli.stamped import open_store
from execution.client import OrderClient
from execution.domain.errors import ExecutionError
from execution.domain.lifecycle import Step
from execution.domain.vocabulary import ExecutionMode
from execution.store import reading
from execution.store.requests import REFUSED
from execution.store.rows import to_json
from execution.supervisor.control import connected_settings

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command()(place)
    app.command()(orders)
    app.command()(show)


def place(
    symbol: Annotated[str, typer.Argument(help="Such as BTC-USDT, SPY, EURUSD.")],
    side: Annotated[str, typer.Argument(help="BUY or SELL.")],
    quantity: Annotated[str, typer.Argument(help="Shares, contracts or base units.")],
    client_order_id: Annotated[str | None, typer.Option("--id", help="Your own id.")] = None,
    order_type: Annotated[str, typer.Option("--type", help="MARKET, LIMIT, …")] = "MARKET",
    limit_price: Annotated[str | None, typer.Option()] = None,
    stop_price: Annotated[str | None, typer.Option()] = None,
    trail_amount: Annotated[str | None, typer.Option()] = None,
    trail_percent: Annotated[str | None, typer.Option()] = None,
    take_profit_price: Annotated[str | None, typer.Option()] = None,
    stop_loss_price: Annotated[str | None, typer.Option()] = None,
    time_in_force: Annotated[str | None, typer.Option("--tif")] = None,
    expires_at: Annotated[str | None, typer.Option()] = None,
    asset_class: Annotated[str | None, typer.Option()] = None,
    account: Annotated[str | None, typer.Option()] = None,
    strategy: Annotated[str | None, typer.Option()] = None,
    reference_price: Annotated[str | None, typer.Option()] = None,
    outside_rth: Annotated[bool, typer.Option("--outside-rth")] = False,
    post_only: Annotated[bool, typer.Option("--post-only")] = False,
    reduce_only: Annotated[bool, typer.Option("--reduce-only")] = False,
    paper: Annotated[bool, typer.Option("--paper", help="Ask for paper.")] = False,
    on_failure: Annotated[str | None, typer.Option(help="paper, reject or wait.")] = None,
    wait: Annotated[float | None, typer.Option(help="Wait so many seconds for its end.")] = None,
    as_json: Json = False,
) -> None:
    """Place an order; with --wait, say how it ended."""
    fields: dict[str, Any] = {
        "client_order_id": client_order_id,
        "order_type": order_type,
        "limit_price": limit_price,
        "stop_price": stop_price,
        "trail_amount": trail_amount,
        "trail_percent": trail_percent,
        "take_profit_price": take_profit_price,
        "stop_loss_price": stop_loss_price,
        "time_in_force": time_in_force,
        "expires_at": expires_at,
        "asset_class": asset_class,
        "account": account,
        "strategy": strategy,
        "reference_price": reference_price,
        "outside_rth": outside_rth or None,
        "post_only": post_only or None,
        "reduce_only": reduce_only or None,
        "execution_mode": "PAPER" if paper else None,
        "on_failure": on_failure,
    }
    client = OrderClient(connected_settings())
    try:
        given = {name: value for name, value in fields.items() if value is not None}
        receipt = client.place(symbol, side, quantity, **given)
        if receipt.outcome == REFUSED or receipt.client_order_id is None:
            raise ExecutionError(f"refused: {receipt.reason}")
        if wait is None:
            order = client.get(receipt.client_order_id) or {}
        else:
            order = client.wait(receipt.client_order_id, wait)
    finally:
        client.close()
    _report(order, as_json=as_json)


def _report(order: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(order)
    else:
        said = to_json(order)
        words = [said["client_order_id"], said["state"]]
        if said.get("average_price") is not None:
            words.append(f"{said['filled_quantity']} at {said['average_price']}")
        print_line("  ".join([*words, *_where(order)]))
    if order["state"] in {"REJECTED", REFUSED}:
        print_line(f"execution: {order['state'].lower()}: {order['reason']}", error=True)
        raise typer.Exit(1)


def orders(
    limit: Annotated[int, typer.Option(help="How many of the newest.")] = 1000,
    as_json: Json = False,
) -> None:
    """List orders and refused requests, oldest first."""
    with open_store().statement() as connection:
        rows = reading.orders_and_refusals(connection, limit)
    if as_json:
        print_json(rows)
        return
    columns = ("order", "symbol", "side", "quantity", "type", "broker", "mode", "state", "price")
    print_table("orders", (*columns, "reason"), [_line(row) for row in rows])


def _line(row: dict[str, Any]) -> list[Any]:
    route = row.get("broker")
    if route != row.get("requested_broker"):
        route = f"{row.get('requested_broker')} → {route}"
    names = ("client_order_id", "symbol", "side", "quantity", "order_type")
    start = [row.get(name) for name in names]
    end = (row.get("execution_mode"), row["state"], row.get("average_price"), _why(row))
    return [*start, route, *end]


def _where(order: dict[str, Any]) -> list[str]:
    """`BINANCE LIVE`, `PAPER`, or whose place paper takes and why; nothing before it is routed."""
    broker, asked = order.get("broker"), order.get("requested_broker")
    if broker is None:
        return []
    if order["execution_mode"] == ExecutionMode.LIVE:
        return [f"{broker} {order['execution_mode']}"]
    return [broker if broker == asked else f"{broker} instead of {asked} ({order['route_reason']})"]


def _why(row: dict[str, Any]) -> str | None:
    """Why an order stands as it does, and why it is not where it was meant to go."""
    reasons = dict.fromkeys(filter(None, (row.get("reason"), row.get("route_reason"))))
    return "; ".join(reasons) or None


def show(
    identifier: Annotated[str, typer.Argument(metavar="ID", help="client_order_id or order_id.")],
    as_json: Json = False,
) -> None:
    """Show one order: its eight steps with their times, every attempt, every fill."""
    with open_store().statement() as connection:
        order = reading.order(connection, identifier)
        if order is None:
            raise ExecutionError(f"there is no order {identifier}")
        order_id = order["order_id"]
        history = reading.history(connection, order_id) if order_id else []
        attempts = reading.attempts(connection, order_id) if order_id else []
        fills = reading.fills_of(connection, order_id) if order_id else []
        commands = reading.commands_of(connection, order["client_order_id"])
    steps = _steps(history)
    if as_json:
        print_json(
            {
                "order": order,
                "steps": steps,
                "attempts": attempts,
                "fills": fills,
                "commands": commands,
                "history": history,
            }
        )
        return
    words = [
        order["client_order_id"],
        order["state"],
        f"{order.get('side')} {order.get('quantity')} {order.get('symbol')}",
        *_where(order),
    ]
    if order.get("reason"):
        words.append(f"({order['reason']})")
    print_line("  ".join(words))
    print_table(
        "steps",
        ("step", "", "at", "milliseconds"),
        [(row["number"], row["step"], row["at"], row["milliseconds"]) for row in steps],
    )
    names: tuple[str, ...] = (
        "attempt_no",
        "broker",
        "account",
        "execution_mode",
        "state",
        "filled_quantity",
        "venue_order_id",
        "error_code",
        "reason",
    )
    print_table("attempts", names, [[row[name] for name in names] for row in attempts])
    names = (
        *("execution_id", "broker", "execution_mode", "quantity", "price", "commission"),
        "executed_at",
    )
    print_table("fills", names, [[row[name] for name in names] for row in fills])
    if commands:
        names = ("kind", "external_id", "outcome", "reason", "sends", "last_send_at")
        print_table("commands", names, [[row[name] for name in names] for row in commands])
    print_table(
        "history",
        ("at", "step", "state", "broker", "detail"),
        [(r["at"], r["step"], r["state"], r["broker"], r["detail"] or None) for r in history],
    )


def _steps(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The eight steps: when each was done last, and how long after the one before."""
    steps: list[dict[str, Any]] = []
    before = None
    for step in Step:
        times = [row["at"] for row in history if row["step"] == step.label]
        at = times[-1] if times else None
        passed = round((at - before).total_seconds() * 1000, 1) if at and before else None
        steps.append({"number": int(step), "step": step.label, "at": at, "milliseconds": passed})
        before = at or before
    return steps
