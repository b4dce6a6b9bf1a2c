"""`execution dead-letters`: messages that no worker obeyed."""

from __future__ import annotations

from typing import Annotated

import typer

from execution.cli.orders import Json
from execution.cli.output import print_json, print_line, print_table
from execution.cli.stamped import open_store
from execution.store import dead_letters as store

_COLUMNS = ("received_at", "queue", "task", "message_id", "reason", "size", "unrecorded")


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(dead_letters)


def dead_letters(
    limit: Annotated[int, typer.Option(help="How many of the newest.")] = 100,
    as_json: Json = False,
) -> None:
    """List messages that no worker obeyed, newest first, each with the reason.

    With --json their headers and the beginning of their bodies, too. The newest thousand are kept.
    """
    with open_store().statement() as connection:
        rows = store.newest(connection, limit)
    if as_json:
        print_json(rows)
        return
    if not rows:
        print_line("there are no dead letters")
        return
    print_table("dead letters", list(_COLUMNS), [[row[name] for name in _COLUMNS] for row in rows])
