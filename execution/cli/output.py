"""How commands print: tables for people, JSON for scripts."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from execution.store.rows import to_json

STATE_STYLES = {
    "FILLED": "green",
    "PARTIALLY_FILLED": "yellow",
    "REJECTED": "red",
    "REFUSED": "red",
    "UNKNOWN": "bold red",
    "CANCELLED": "dim",
    "EXPIRED": "dim",
}


# Words that must not be broken, however narrow the terminal.
_WHOLE = frozenset({"order", "route", "state", "mode", "broker", "execution_mode"})


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(json.dumps(to_json(value), indent=2) + "\n")


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """A table as wide as the terminal, or as its content where the output is no terminal."""
    console = Console(width=None if sys.stdout.isatty() else 200)
    console.print(make_table(title, columns, rows))


def make_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Table:
    """A table; states are coloured."""
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column in _WHOLE)
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    return table


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        today = value.date() == datetime.now(value.tzinfo).date()
        return value.strftime("%H:%M:%S.%f")[:-3] if today else value.strftime("%Y-%m-%d %H:%M:%S")
    shown = str(to_json(value))
    style = STATE_STYLES.get(shown)
    return f"[{style}]{shown}[/{style}]" if style else shown.replace("[", "\\[")
