"""The table for people, the line for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from benchmarks.figures import Row
from benchmarks.measure import Measured

DISTURBING = 0.1
"""Share of all cores' time in other processes that a burst may see."""
_HEAD = ("figure", "", "value", "target", "verdict", "medians")


def table(rows: Sequence[Row]) -> str:
    """One line for each row under a head, in columns."""
    lines = [_HEAD, *(_cells(row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def json_line(rows: Sequence[Row], **facts: Any) -> str:
    """Everything, as one line of JSON."""
    said: Mapping[str, Any] = {"figures": [row.as_json() for row in rows], **facts}
    return json.dumps(said, separators=(",", ":"))


def trial(options: Mapping[str, Any], default: Mapping[str, Any]) -> str | None:
    """What is smaller or larger than it should be for the verdicts to count; None when nothing."""
    other = [
        f"{name} {options[name]} instead of {value}"
        for name, value in default.items()
        if options[name] != value
    ]
    return f"a trial, no verdict counts: {', '.join(other)}" if other else None


def disturbed(rounds: Iterable[Measured], cores: int) -> str | None:
    """How much of the machine other processes took, when that was enough to matter."""
    bursts = [measured.burst for measured in rounds if measured.burst is not None]
    shares = [burst.others_seconds / burst.seconds / cores for burst in bursts]
    most = max(shares, default=0.0)
    if most <= DISTURBING:
        return None
    count = sum(share > DISTURBING for share in shares)
    return f"disturbed: other processes took up to {most:.0%} of the machine ({count} bursts)"


def _cells(row: Row) -> tuple[str, ...]:
    figure, reading = row.figure, row.reading
    return (
        figure.name,
        figure.title,
        "" if reading is None else f"{reading.value:.2f} {figure.unit}".rstrip(),
        "" if figure.target is None else str(figure.target),
        row.verdict,
        "" if reading is None else reading.detail,
    )
