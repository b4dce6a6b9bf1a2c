"""The fault points of the crash matrix, each on the way on which it is fired, as listed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.flows import FLOWS, kind_of, place_of

POINTS = Path(__file__).with_name("points.txt")
"""Those of every venue; a venue's own are in `points-VENUE.txt`."""


@dataclass(frozen=True, slots=True, order=True)
class Point:
    """A point on a way, with steps going on in place or each a message."""

    mode: str
    flow: str
    name: str


@dataclass(frozen=True, slots=True)
class Cell:
    """A point and what happens there."""

    point: Point
    kind: str


def listed(venue: str = "ledger") -> list[Point]:
    """The points of the list, and of the venue's own."""
    files = (POINTS, own_points(venue))
    lines = [
        line for file in files if file.exists() for line in file.read_text("utf-8").splitlines()
    ]
    points = [Point(*line.split()) for line in lines if line and not line.startswith("#")]
    return [point for point in points if place_of(FLOWS[point.flow], venue) is not None]


def own_points(venue: str) -> Path:
    """The file of a venue's own points; two ways to run the same venue have the same."""
    return POINTS.with_name(f"points-{kind_of(venue)}.txt")


def write(points: Iterable[Point], file: Path = POINTS) -> None:
    """Renew the list."""
    head = "# Every fault point, with the mode and the way on which it is fired; see matrix.py.\n"
    lines = [f"{point.mode} {point.flow} {point.name}\n" for point in points]
    file.write_text(head + "".join(lines), encoding="utf-8")
