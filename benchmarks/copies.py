"""How a row that one order left behind becomes the row of another: SQL for each of its values."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table; `numbered` when PostgreSQL numbers its rows by it."""

    name: str
    type: str
    numbered: bool = False


@dataclass(frozen=True, slots=True)
class Left:
    """What the original order left in a table: rows in the order of their making, as texts."""

    table: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str | None, ...], ...]


@dataclass(frozen=True, slots=True)
class Identity:
    """Something that is the original's alone; copies have their own in `column` of `copies`."""

    text: str
    column: str
    whole: bool = False
    """Only where it is the whole value, or a whole string of a JSON."""


@dataclass(frozen=True, slots=True)
class Numbering:
    """How a numbered column goes on: after `base`, and for each copy as `originals` did."""

    base: int
    originals: tuple[str, ...]

    def expression(self, value: str) -> str:
        """The number that copy n has in the place of the original's `value`."""
        each, place = len(self.originals), self.originals.index(value)
        return f"{self.base + 1 + place} + (c.n - 1) * {each}"


def insert(
    left: Left, ids: Sequence[Identity], numberings: Mapping[tuple[str, str], Numbering]
) -> str:
    """The statement that makes all copies of a table's rows, copy by copy.

    `numberings` are by column and, for one that is numbered within streams, by stream (else "").
    """
    streams = [column.name for column in left.columns].index("stream") if _streamed(left) else None
    rows = []
    for row in left.rows:
        values = []
        for column, value in zip(left.columns, row, strict=True):
            stream = row[streams] if streams is not None and column.name == "sequence" else ""
            numbering = numberings.get((column.name, stream or ""))
            if value is not None and numbering is not None:
                said = numbering.expression(value)
            else:
                said = expression(value, column.type, ids)
            values.append(f"({said})::{column.type}")
        rows.append(f"({', '.join(values)})")
    names = ", ".join(column.name for column in left.columns)
    return f"""
        INSERT INTO {left.table} ({names}) OVERRIDING SYSTEM VALUE
        SELECT v.* FROM copies c CROSS JOIN LATERAL (VALUES {", ".join(rows)}) v ORDER BY c.n
    """


def expression(value: str | None, type_: str, ids: Sequence[Identity]) -> str:
    """The SQL that gives a copy's value: its own ids, its own time, all else as it was."""
    if value is None:
        return "NULL"
    if type_ == "timestamp with time zone":
        return f"{quoted(value)}::timestamptz - c.age"
    words = {}
    for identity in ids:
        if not identity.whole:
            words[identity.text] = f"c.{identity.column}"
        elif value == identity.text:
            return f"c.{identity.column}"
        else:
            words[f'"{identity.text}"'] = f"to_json(c.{identity.column})"
    longest_first = sorted(words, key=len, reverse=True)
    parts = re.split("(" + "|".join(map(re.escape, longest_first)) + ")", value)
    return " || ".join(words.get(part) or quoted(part) for part in parts if part) or quoted("")


def quoted(text: str) -> str:
    """A string constant of SQL."""
    return "'" + text.replace("'", "''") + "'"


def _streamed(left: Left) -> bool:
    return {"stream", "sequence"} <= {column.name for column in left.columns}
