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
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any
from uuid import uuid4

from benchmarks.servers import Servers, servers
from tests.chaos.flows import FLOWS, PAPER_DEPTH, Flow, place_of, reset
from tests.chaos.matrix_points import POINTS, Cell, Point, listed, own_points, write
from tests.chaos.matrix_progress import PROGRESS, Progress, Totals
from tests.fleet import PRICES, Fleet, wait_until
from tests.venues import VENUES

KINDS = ("kill", "raise", "hang")
AT_ONCE = {"kill": 6, "raise": 10, "hang": 4}
"""Cells of a batch: no more hangs than leave every worker some threads."""
WITHIN = 60.0
"""Seconds in which every order must be at rest after its fault."""
MODES = {"in-place": "true", "messages": "false"}
_MORE_ORDERS = 12
_QUOTE_EVERY = 2.0
_PERIOD = 8.0
"""Seconds in which workers do everything that they do now and then."""
# Passed by workers, whichever way any order takes.
_NOBODYS = (
    *("acknowledge", "adopt", "listen", "move_groups", "publisher", "receive", "recover_orders"),
)


class Matrix:
    """Runs cells on one fleet; see the module."""

    def __init__(self, fleet: Fleet, mode: str, totals: Totals) -> None:
        self._fleet = fleet
        self._mode = mode
        self._totals = totals
        self._orders, self._quoted = 0, time.monotonic()
        self.reached = fleet.faults / "reached"
        self.reached.mkdir(exist_ok=True)

    def run(self, flow: Flow, kind: str, cells: Sequence[Cell]) -> None:
        """One batch: all its points armed at once, an order for each and more until all fired."""
        fleet, names = self._fleet, list[str]()
        reset(fleet)
        points = [cell.point.name for cell in cells]
        for point in points:
            fleet.arm_point(point, kind)
        began = time.monotonic()
        names += [self._place(flow) for _ in cells]

        def all_fired() -> bool:
            flow.proceed(fleet, names)
            waiting = [point for point in points if not fleet.fired(point)]
            if waiting and self._at_rest(flow, names) and len(names) < len(cells) + _MORE_ORDERS:
                names.append(self._place(flow))
            return not waiting

        try:
            wait_until(all_fired, WITHIN, "every armed point")
        except AssertionError:
            never = [point for point in points if not fleet.fired(point)]
            self._problem(f"{self._mode} {flow.name} {kind}: never fired: {', '.join(never)}")
        fired = time.monotonic()
        try:
            wait_until(lambda: self._all_at_rest(flow, names), WITHIN, "rest")
        except AssertionError:
            self._stuck(flow, kind, points, names)
        self._totals.longest = max(self._totals.longest, time.monotonic() - fired)
        faults = sum(fleet.fired(point) for point in points)
        for point in points:
            fleet.disarm_point(point)
        if kind == "hang":
            # What comes late now must change nothing: wait for it, then look.
            wait_until(lambda: self._all_at_rest(flow, names), WITHIN, "rest after the hang")
        self._look(flow, kind, points, names)
        flow.finish(fleet, names)
        self._totals.cells += len(cells)
        self._totals.orders += len(names)
        self._totals.faults += faults
        self._totals.kills += faults if kind == "kill" else 0
        seconds = time.monotonic() - began
        print(
            f"{self._mode:9} {flow.name:12} {kind:5} {faults} faults, {len(names)} orders, "
            f"{seconds:5.1f} s: {' '.join(points)}",
            flush=True,
        )

    def walk(self, flow: Flow, count: int) -> None:
        """Let orders go their way undisturbed, so that its points are passed."""
        reset(self._fleet)
        names = [self._place(flow) for _ in range(count)]
        wait_until(lambda: self._all_at_rest(flow, names), WITHIN, f"{flow.name} to end")
        flow.finish(self._fleet, names)

    def look_for_unlisted(self, ways: Iterable[str], venue: str) -> None:
        """Points that an undisturbed order passes must be on the list.

        After a fault an order may pass others besides, which no order passes by itself; and so it
        may at a venue that takes more looks than the ledger venue, by which the list was made.
        """
        if venue != "ledger":
            return
        known = {point.name for point in listed(venue)}
        unlisted = set[str]()
        for way in sorted(ways):
            walks = []
            for _ in range(3):  # what only chance leads to is not passed each time
                self.forget()
                self.walk(FLOWS[way], 1)
                walks.append(self.passed())
            unlisted |= set.intersection(*walks) - known
        unlisted = {name for name in unlisted if not name.startswith(_NOBODYS)}
        if unlisted:
            self._problem(f"not on the list: {' '.join(sorted(unlisted))}")

    def passed(self) -> set[str]:
        """The names of the points that were passed so far."""
        return {path.name for path in self.reached.iterdir()}

    def forget(self) -> None:
        """Forget what was passed."""
        for path in self.reached.iterdir():
            path.unlink()

    def judge(self) -> None:
        """Let the oracle compare ledger, tables and event stream."""
        verdict = self._fleet.verdict(timeout=WITHIN)
        for problem in verdict.problems:
            self._problem(f"oracle: {problem}")
        self._totals.verdicts.update(verdict.counts())

    def _place(self, flow: Flow) -> str:
        name = f"{flow.name}-{uuid4().hex[:12]}"
        flow.prepare(self._fleet)
        # Whatever accounts the login has, in turn.
        self._orders += 1
        names = ("main", *self._fleet.venue.others)
        if flow.live:
            own = {"account": names[self._orders % len(names)]}
        else:
            own = {"account": name} if self._orders % 2 else {}
        self._fleet.client.place(
            **flow.order(self._fleet.venue.traded), **own, client_order_id=name
        )
        return name

    def _rows(self, names: Sequence[str]) -> list[dict[str, Any]]:
        return self._fleet.query(
            "SELECT * FROM orders WHERE client_order_id = ANY(%s)", list(names)
        )

    def _at_rest(self, flow: Flow, names: Sequence[str]) -> bool:
        if time.monotonic() - self._quoted > _QUOTE_EVERY:
            self._quoted = time.monotonic()
            self._fleet.quote("SPY", *PRICES["SPY"])
        rows = self._rows(names)
        ended = len(rows) == len(names) and all(
            row["state"] in flow.ends and row["due_at"] is None for row in rows
        )
        return ended and flow.rested(self._fleet, names)

    def _all_at_rest(self, flow: Flow, names: list[str]) -> bool:
        flow.proceed(self._fleet, names)
        return self._at_rest(flow, names)

    def _look(self, flow: Flow, kind: str, points: list[str], names: list[str]) -> None:
        """Each order: ended as it must, held so often at the venue, its executions booked once."""
        venue = Counter(order["venue_order_id"] for order in self._fleet.venue.orders())
        for row in self._rows(names):
            attempts = self._fleet.query(
                "SELECT venue_order_id, broker FROM order_attempts WHERE order_id = %s",
                row["order_id"],
            )
            live = sum(venue[one["venue_order_id"]] for one in attempts)
            fills = self._fleet.query(
                "SELECT quantity FROM fills WHERE order_id = %s", row["order_id"]
            )
            filled = sum(fill["quantity"] for fill in fills)
            wanted = row["quantity"] if row["state"] == "FILLED" else 0
            if (live, filled) != (flow.live, wanted):
                self._problem(
                    f"{row['client_order_id']} ({kind} at one of {' '.join(points)}): {live} "
                    f"orders at the venue instead of {flow.live}, {filled} filled"
                )

    def _stuck(self, flow: Flow, kind: str, points: list[str], names: list[str]) -> None:
        for row in self._rows(names):
            if row["state"] not in flow.ends or row["due_at"] is not None:
                self._problem(
                    f"stuck over {WITHIN:g} s ({flow.name}, {kind} at one of {' '.join(points)}): "
                    f"{row['client_order_id']} {row['state']} step {row['step']}, "
                    f"due {row['due_at']}, {row['reason']}"
                )
            elif not flow.rested(self._fleet, [row["client_order_id"]]):
                name = row["client_order_id"]
                self._problem(f"not protected in {WITHIN:g} s ({flow.name}, {kind}): {name}")
        if len(self._rows(names)) < len(names):
            self._problem(f"an accepted request is no order ({flow.name}, {kind}: {points})")

    def _problem(self, what: str) -> None:
        print(f"PROBLEM {what}", flush=True)
        self._totals.problems.append(what)


def fleet_of(of: Servers, mode: str, home: Path, venue: str = "ledger") -> Fleet:
    """A fleet with two workers wherever one that hangs would leave a queue to nobody."""
    of.come_to_rest()
    return Fleet(
        of.database(f"matrix_{mode.replace('-', '_')}_{uuid4().hex[:6]}"),
        of.valkey.url,
        home / mode,
        queues=("orders", VENUES[venue].broker.lower(), "paper"),
        twins=(VENUES[venue].broker.lower(),),
        venue=VENUES[venue],
        environment={
            "CONTINUE_IN_PLACE": MODES[mode],
            "BREAKER_THRESHOLD": "100000",
            "PAPER_DEPTH": PAPER_DEPTH,
            "REROUTE_REFUSED": "true",  # what is refused takes the longest way
        },
    )


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


def discover(home: Path, venue: str | None = None) -> list[Point]:
    """Walk every way and list what is passed, each point on the first way that passes it.

    With a `venue` these are the ways special to it, else those of all.

    Those that an order passes itself are listed for paper and for a live broker, in place and with
    messages, where every order passes them: a point that only chance leads to cannot be asked for.
    Those that workers pass by themselves are listed there alone: on a way that takes a while at one
    venue they would be met by chance at another.
    """
    found: list[Point] = []
    with servers(home / "servers") as running:
        for mode in MODES:
            of_mode = [flow for flow in FLOWS.values() if flow.venue == venue]
            for place, flows in _by_place(of_mode, venue or "ledger"):
                with fleet_of(running, f"{mode}", home / place, place) as fleet:
                    matrix = Matrix(fleet, mode, Totals())
                    for flow in flows:
                        found += _new_points(matrix, mode, flow, found)
    return found


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
        always = {name for name in always if not name.startswith(_NOBODYS)}
    known = {one.name for one in found if not both or one.name.startswith(_NOBODYS)}
    again = {name for name in always if flow.repeats and name.startswith(flow.repeats)}
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
            time.sleep(_PERIOD)
        walks.append(matrix.passed())
    often = Counter(name for walk in walks for name in walk if name.startswith(_NOBODYS))
    of_workers = {name for name, times in often.items() if times > len(walks) / 2}
    return of_workers | set.intersection(*walks[::2]) | set.intersection(*walks[1::2])


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
    parser.add_argument("--write", action="store_true", help="renew the list of points")
    chosen = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))  # ends what was started, too
    if chosen.write:
        home = Path(tempfile.mkdtemp(prefix="crash-matrix-"))
        home.chmod(0o755)
        try:
            own = None if chosen.venue == "ledger" else chosen.venue
            found = discover(home, own)
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
