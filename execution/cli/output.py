"""How commands print: tables for people, JSON for scripts. All of it goes through here.

Text is text: nothing in it is markup, and what a terminal would obey is shown escaped
(`execution.printable`). ruff refuses other ways of printing in execution/cli.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, TextIO, cast

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from execution.printable import PrintableStream, json_text, printable
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


def guard_streams() -> None:
    """Let nothing past the rule in this process: tracebacks, warnings and libraries included."""
    if not isinstance(sys.stdout, PrintableStream):
        sys.stdout = cast("TextIO", PrintableStream(sys.stdout))
    if not isinstance(sys.stderr, PrintableStream):
        sys.stderr = cast("TextIO", PrintableStream(sys.stderr))


def print_line(line: object, *, error: bool = False) -> None:
    """One line on standard output, or on standard error."""
    stream = sys.stderr if error else sys.stdout
    stream.write(printable(line) + "\n")
    stream.flush()


def print_lines(lines: Iterable[object]) -> None:
    """Lines on standard output."""
    sys.stdout.writelines(f"{printable(line)}\n" for line in lines)
    sys.stdout.flush()


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(json_text(to_json(value), indent=2) + "\n")


def ask(question: str) -> None:
    """Ask on standard error; typer.Abort unless the answer is yes."""
    typer.confirm(printable(question), abort=True, err=True)


def make_console(**options: Any) -> Console:
    """A console on standard output that takes no text for markup; escape what others wrote."""
    stream = sys.stdout
    file = stream.unguarded if isinstance(stream, PrintableStream) else stream
    return Console(file=file, markup=False, emoji=False, highlight=False, **options)


def make_live() -> Live:
    """A display that changes in place. What others print meanwhile does not go through it."""
    return Live(
        console=make_console(), auto_refresh=False, redirect_stdout=False, redirect_stderr=False
    )


def styled(value: object, style: str = "") -> Text:
    """A cell, or a piece of a line: text of others, in a style of ours."""
    return Text(printable(value), style=style)


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """A table as wide as the terminal, or as its content where the output is no terminal."""
    console = make_console(width=None if sys.stdout.isatty() else 200)
    console.print(make_table(title, columns, rows))


def make_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Table:
    """A table; states are coloured."""
    table = Table(title=styled(title), title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column in _WHOLE)
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    return table


def _cell(value: Any) -> Text:
    if value is None:
        return Text()
    if isinstance(value, datetime):
        today = value.date() == datetime.now(value.tzinfo).date()
        form = "%H:%M:%S.%f" if today else "%Y-%m-%d %H:%M:%S"
        return Text(value.strftime(form)[: -3 if today else None])
    shown = str(to_json(value))
    return styled(shown, STATE_STYLES.get(shown, ""))
