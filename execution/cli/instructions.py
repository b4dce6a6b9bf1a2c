"""`execution cancel` and `modify`."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from execution.cli.orders import Json
from execution.cli.output import print_json, print_line
from execution.cli.stamped import operators_settings
from execution.client import OrderClient
from execution.domain.errors import ExecutionError
from execution.store.commands import PENDING, REFUSED, Command
from execution.supervisor.control import connected_settings

_LOOK_EVERY = 0.05
Id = Annotated[str, typer.Argument(metavar="ID", help="The order's client_order_id.")]
Wait = Annotated[float, typer.Option(help="Seconds to wait for the outcome.")]


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command()(cancel)
    app.command()(modify)


def cancel(
    client_order_id: Id,
    cancel_id: Annotated[str | None, typer.Option(help="Your own id of this cancel.")] = None,
    wait: Wait = 10.0,
    as_json: Json = False,
) -> None:
    """Cancel an order; one that has not come yet is cancelled when it does."""
    client = OrderClient(operators_settings())
    try:
        asked = client.cancel(client_order_id, cancel_id)
        _report(client, asked, wait, as_json=as_json)
    finally:
        client.close()


def modify(
    client_order_id: Id,
    quantity: Annotated[str | None, typer.Option(help="The new total.")] = None,
    limit_price: Annotated[str | None, typer.Option()] = None,
    stop_price: Annotated[str | None, typer.Option()] = None,
    version: Annotated[int | None, typer.Option(help="Default: the order's version now.")] = None,
    modify_id: Annotated[str | None, typer.Option(help="Your own id of this change.")] = None,
    wait: Wait = 10.0,
    as_json: Json = False,
) -> None:
    """Change a working order's total quantity or prices."""
    client = OrderClient(connected_settings())
    try:
        order = client.get(client_order_id)
        if version is None and (order is None or "version" not in order):
            raise ExecutionError(f"there is no order {client_order_id}")
        asked = client.modify(
            client_order_id,
            expected_version=version if version is not None else (order or {})["version"],
            modify_id=modify_id,
            quantity=quantity,
            limit_price=limit_price,
            stop_price=stop_price,
        )
        _report(client, asked, wait, as_json=as_json)
    finally:
        client.close()


def _report(client: OrderClient, asked: Command, wait: float, *, as_json: bool) -> None:
    deadline = time.monotonic() + wait
    command = client.command(asked)
    unknown = command.client_order_id is None or client.get(command.client_order_id) is None
    while command.outcome == PENDING and not unknown and time.monotonic() < deadline:
        time.sleep(_LOOK_EVERY)
        command = client.command(asked)
    if as_json:
        shown = ("kind", "client_order_id", "external_id", "outcome", "reason")
        print_json({name: getattr(command, name) for name in shown})
    elif command.outcome != REFUSED:
        note = "  (no such order yet: it is cancelled when it comes)" if unknown else ""
        print_line(f"{command.kind}  {command.client_order_id}  {command.outcome}{note}")
    if command.outcome == REFUSED:
        raise ExecutionError(f"refused: {command.reason}")
