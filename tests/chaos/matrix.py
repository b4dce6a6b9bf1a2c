"""`make crash-matrix`: kill -9, an exception and a hang at every fault point, on every way.

Each cell arms one point and places an order whose way leads there. While other orders of its batch
are hit by other cells, it must come to rest within a minute, with one order at the venue and its
executions in the books once. A point of the list that never fired fails the run, and so does one
that was passed and is not on the list (tests/chaos/points.txt; `--write` renews it).
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path

from benchmarks.servers import servers
from tests.chaos.flows import FLOWS, place_of
from tests.chaos.matrix_cells import AT_ONCE, Matrix, fleet_of
from tests.chaos.matrix_discovery import discover
from tests.chaos.matrix_points import POINTS, Cell, Point, listed, own_points, write
from tests.chaos.matrix_progress import PROGRESS, Progress, Totals
from tests.venues import VENUES

KINDS = ("kill", "raise", "hang")


def batches(points: Iterable[Point], kinds: Sequence[str], seed: int) -> Iterator[list[Cell]]:
    """Cells in batches of one mode, way and kind, in an order that the seed decides."""
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    by_way = groupby(sorted(points), key=lambda point: (point.mode, point.flow))
    for _, group in by_way:
        of_way = list(group)
        for kind in kinds:
            chance.shuffle(of_way)
            for start in range(0, len(of_way), AT_ONCE[kind]):
                yield [Cell(point, kind) for point in of_way[start : start + AT_ONCE[kind]]]


def run(
    points: Sequence[Point], kinds: Sequence[str], progress: Progress, venue: str = "ledger"
) -> Totals:
    """All cells of some points; see the module."""
    totals, seed = Totals(), progress.seed
    progress.restore(totals)
    home = Path(tempfile.mkdtemp(prefix="crash-matrix-"))
    home.chmod(0o755)
    todo = [batch for batch in batches(points, kinds, seed) if not progress.has(batch)]

    def where(batch: Sequence[Cell]) -> tuple[str, str]:
        point = batch[0].point
        return point.mode, place_of(FLOWS[point.flow], venue) or venue

    todo.sort(key=where)
    try:
        with servers(home / "servers") as running:
            for number, ((mode, place), group) in enumerate(groupby(todo, key=where)):
                with fleet_of(running, mode, home / str(number), place) as fleet:
                    matrix, ways = Matrix(fleet, mode, totals), set[str]()
                    for batch in group:
                        flow = FLOWS[batch[0].point.flow]
                        matrix.run(flow, batch[0].kind, batch)
                        progress.add(batch, totals)
                        ways.add(flow.name)
                    matrix.judge()
                    matrix.look_for_unlisted(ways, venue)
    finally:
        if not totals.problems:
            shutil.rmtree(home, ignore_errors=True)
            PROGRESS.unlink(missing_ok=True)
        else:
            print(f"left for a look: {home}")
    return totals


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.matrix", description=__doc__)
    parser.add_argument("--only", default="", help="points, ways or modes that contain this")
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--seed", type=int)
    parser.add_argument(
        "--venue", choices=VENUES, default="ledger", help="the venue of live orders"
    )
    parser.add_argument("--fresh", action="store_true", help="forget a run that was broken off")
    parser.add_argument(
        "--write",
        action="store_true",
        help="renew the list of points (with --only: of ways whose names contain that)",
    )
    chosen = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))  # ends what was started, too
    if chosen.write:
        home = Path(tempfile.mkdtemp(prefix="crash-matrix-"))
        home.chmod(0o755)
        try:
            own = None if chosen.venue == "ledger" else chosen.venue
            found = discover(home, own, chosen.only)
        finally:
            shutil.rmtree(home, ignore_errors=True)
        write(found, POINTS if own is None else own_points(own))
        print(f"{len(found)} points")
        return 0
    points = [
        point
        for point in listed(chosen.venue)
        if chosen.only in f"{point.mode} {point.flow} {point.name}"
    ]
    began = time.monotonic()
    progress = Progress(chosen.seed, chosen.venue, fresh=chosen.fresh)
    totals = run(points, chosen.kinds.split(","), progress, chosen.venue)
    print(
        f"seed {progress.seed}: {totals.cells} cells, {totals.orders} orders, {totals.faults} "
        f"faults fired, {totals.kills} kills in {time.monotonic() - began:.0f} s; duplicates "
        f"{totals.verdicts['duplicates']}, lost {totals.verdicts['lost']}, stuck "
        f"{totals.verdicts['stuck']}, longest to rest {totals.longest:.1f} s"
    )
    for problem in totals.problems:
        print(f"PROBLEM {problem}")
    figures = {
        "points": len(points),
        "cells": totals.cells,
        "orders": totals.orders,
        "faults_fired": totals.faults,
        "kills": totals.kills,
        "duplicates": totals.verdicts["duplicates"],
        "lost": totals.verdicts["lost"],
        "stuck": totals.verdicts["stuck"],
        "longest_to_rest": round(totals.longest, 1),
        "problems": len(totals.problems),
        "seconds": round(time.monotonic() - began),
        "venue": chosen.venue,
        "seed": progress.seed,
    }
    print(json.dumps(figures))
    return 1 if totals.problems or not totals.faults else 0


if __name__ == "__main__":
    sys.exit(main())
