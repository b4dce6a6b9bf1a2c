"""`execution alerts`: what a person must look at."""

from __future__ import annotations

from typing import Annotated

import typer

from execution.cli.orders import Json
from execution.cli.output import print_json, print_line, print_table
from execution.cli.stamped import open_store
from execution.store import reading


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(alerts)


def alerts(
    everything: Annotated[bool, typer.Option("--all", help="Those that are settled, too.")] = False,
    limit: Annotated[int, typer.Option(help="How many of the newest.")] = 1000,
    as_json: Json = False,
) -> None:
    """List open alerts, newest first, each with its order as it stands now."""
    with open_store().statement() as connection:
        rows = reading.alerts(connection, limit, settled=everything)
    if as_json:
        print_json(rows)
        return
    if not rows:
        print_line("there are no alerts" if everything else "there are no open alerts")
        return
    names = ["kind", "since", "client_order_id", "state", "broker", "message", "resolved_at"]
    columns = ["kind", "since", "order", "state", "broker", "message", "settled"]
    shown = len(names) if everything else -1
    table = [[row[name] for name in names[:shown]] for row in rows]
    print_table("alerts", columns[:shown], table)
