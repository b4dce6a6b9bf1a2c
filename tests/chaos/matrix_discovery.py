"""Finds the fault points of each way by walking it undisturbed."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from benchmarks.servers import servers
from tests.chaos.flows import FLOWS, Flow, place_of
from tests.chaos.matrix_cells import MODES, NOBODYS, PERIOD, Matrix, fleet_of
from tests.chaos.matrix_points import Point, listed
from tests.chaos.matrix_progress import Totals


def discover(home: Path, venue: str | None = None, only: str = "") -> list[Point]:
    """Walk every way and list what is passed, each point on the first way that passes it.

    With a `venue` these are the ways special to it, else those of all; `only` those whose names
    contain it, while the others keep the points that are listed.

    Those that an order passes itself are listed for paper and for a live broker, in place and with
    messages, where every order passes them: a point that only chance leads to cannot be asked for.
    Those that workers pass by themselves are listed there alone: on a way that takes a while at one
    venue they would be met by chance at another.
    """
    chosen = [flow for flow in FLOWS.values() if flow.venue == venue and only in flow.name]
    kept = [
        point
        for point in listed(venue or "ledger")
        if FLOWS[point.flow].venue == venue and FLOWS[point.flow] not in chosen
    ]
    found: list[Point] = []
    with servers(home / "servers") as running:
        for mode in MODES:
            for place, flows in _by_place(chosen, venue or "ledger"):
                with fleet_of(running, f"{mode}", home / place, place) as fleet:
                    matrix = Matrix(fleet, mode, Totals())
                    for flow in flows:
                        found += _new_points(matrix, mode, flow, [*kept, *found])
    ways, modes = list(FLOWS), list(MODES)
    return sorted(
        [*kept, *found],
        key=lambda one: (modes.index(one.mode), ways.index(one.flow), one.name),
    )


def _by_place(flows: Iterable[Flow], venue: str) -> Iterator[tuple[str, list[Flow]]]:
    """Ways by where they are taken, those at the venue itself first."""
    places: dict[str, list[Flow]] = {venue: []}
    for flow in flows:
        place = place_of(flow, venue)
        if place is not None:
            places.setdefault(place, []).append(flow)
    yield from places.items()


def _new_points(matrix: Matrix, mode: str, flow: Flow, found: Sequence[Point]) -> list[Point]:
    """Points that a way always passes and that are to be fired on it."""
    always = _always_passed(matrix, flow)
    both = flow.name in {"paper", "live"}
    if not both:
        always = {name for name in always if not name.startswith(NOBODYS)}
    known = {one.name for one in found if not both or one.name.startswith(NOBODYS)}
    again = set[str]()
    if flow.repeats and mode == "in-place":  # with every step a message they are passed alike
        again = {name for name in always if name.startswith(flow.repeats)}
    return [
        Point(mode, flow.name, name)
        for name in sorted((always - known) | again)
        if name.startswith(flow.points)
    ]


def _always_passed(matrix: Matrix, flow: Flow) -> set[str]:
    """What every other order passes, or workers by themselves in most walks."""
    walks = []
    for _ in range(6):
        matrix.forget()
        matrix.walk(flow, 1)
        if flow.name == "live":
            time.sleep(PERIOD)
        walks.append(matrix.passed())
    often = Counter(name for walk in walks for name in walk if name.startswith(NOBODYS))
    of_workers = {name for name, times in often.items() if times > len(walks) / 2}
    return of_workers | set.intersection(*walks[::2]) | set.intersection(*walks[1::2])
