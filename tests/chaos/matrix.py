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
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any
from uuid import uuid4

from benchmarks.servers import Servers, servers
from tests.chaos.flows import FLOWS, Flow, reset
from tests.fleet import PRICES, Fleet, wait_until
from tests.venues import VENUES

POINTS = Path(__file__).with_name("points.txt")
"""Those of every venue; a venue's own are in `points-VENUE.txt`."""
PROGRESS = Path(".crash-matrix.json")
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


@dataclass(slots=True)
class Totals:
    """What a run has done, and what was wrong."""

    cells: int = 0
    orders: int = 0
    faults: int = 0
    kills: int = 0
    longest: float = 0.0
    problems: list[str] = field(default_factory=list)
    verdicts: Counter[str] = field(default_factory=Counter)


def listed(venue: str = "ledger") -> list[Point]:
    """The points of the list, and of the venue's own."""
    files = (POINTS, _own_points(venue))
    lines = [
        line for file in files if file.exists() for line in file.read_text("utf-8").splitlines()
    ]
    points = [Point(*line.split()) for line in lines if line and not line.startswith("#")]
    return [point for point in points if _kind(venue) not in FLOWS[point.flow].without]


def _own_points(venue: str) -> Path:
    return POINTS.with_name(f"points-{_kind(venue)}.txt")


def _kind(venue: str) -> str:
    """Two ways to run the same venue have the same points."""
    return venue.partition("-")[0]


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
        # A first fill in an account takes another way into its position than the next ones.
        self._orders += 1
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
        return len(rows) == len(names) and all(
            row["state"] in flow.ends and row["due_at"] is None for row in rows
        )

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
        environment={"CONTINUE_IN_PLACE": MODES[mode], "BREAKER_THRESHOLD": "100000"},
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
            with fleet_of(running, mode, home, venue or "ledger") as fleet:
                matrix = Matrix(fleet, mode, Totals())
                for flow in FLOWS.values():
                    if flow.venue != venue:
                        continue
                    always = _always_passed(matrix, flow)
                    both = flow.name in {"paper", "live"}
                    if not both:
                        always = {name for name in always if not name.startswith(_NOBODYS)}
                    known = {one.name for one in found if not both or one.name.startswith(_NOBODYS)}
                    found += [
                        Point(mode, flow.name, name)
                        for name in sorted(always - known)
                        if name.startswith(flow.points)
                    ]
    return found


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


def write(points: Iterable[Point], file: Path = POINTS) -> None:
    """Renew the list."""
    head = "# Every fault point, with the mode and the way on which it is fired; see matrix.py.\n"
    lines = [f"{point.mode} {point.flow} {point.name}\n" for point in points]
    file.write_text(head + "".join(lines), encoding="utf-8")


class Progress:
    """Which batches are done, so that a run that was broken off goes on from there."""

    def __init__(self, seed: int | None, venue: str = "ledger", *, fresh: bool) -> None:
        commit = subprocess.run(
            ["git", "describe", "--always", "--dirty"],  # noqa: S607 - whichever git there is
            capture_output=True,
            text=True,
            check=False,
        ).stdout.strip()
        drawn = random.SystemRandom().randrange(10**6)
        self._data: dict[str, Any] = {
            "commit": f"{commit} {venue}",
            "seed": drawn if seed is None else seed,
            "done": [],
            "totals": {},
        }
        if PROGRESS.exists() and not fresh:
            kept = json.loads(PROGRESS.read_text(encoding="utf-8"))
            if kept["commit"] == self._data["commit"] and seed in {None, kept["seed"]}:
                self._data = kept

    @property
    def seed(self) -> int:
        """What decides the order of the cells."""
        return int(self._data["seed"])

    def has(self, batch: Sequence[Cell]) -> bool:
        """Whether this batch was done before."""
        return _key(batch) in self._data["done"]

    def restore(self, totals: Totals) -> None:
        """Count what was done before."""
        for name, value in self._data["totals"].items():
            setattr(totals, name, value)
        totals.verdicts = Counter(totals.verdicts)

    def add(self, batch: Sequence[Cell], totals: Totals) -> None:
        """Remember a batch, unless something was wrong: that is to be run again."""
        if totals.problems:
            return
        self._data["done"].append(_key(batch))
        names = ("cells", "orders", "faults", "kills", "longest", "verdicts")
        self._data["totals"] = {name: getattr(totals, name) for name in names}
        PROGRESS.write_text(json.dumps(self._data), encoding="utf-8")


def _key(batch: Sequence[Cell]) -> str:
    return "|".join(
        f"{cell.point.mode} {cell.point.flow} {cell.point.name} {cell.kind}" for cell in batch
    )


def run(
    points: Sequence[Point], kinds: Sequence[str], progress: Progress, venue: str = "ledger"
) -> Totals:
    """All cells of some points; see the module."""
    totals, seed = Totals(), progress.seed
    progress.restore(totals)
    home = Path(tempfile.mkdtemp(prefix="crash-matrix-"))
    home.chmod(0o755)
    todo = [batch for batch in batches(points, kinds, seed) if not progress.has(batch)]
    try:
        with servers(home / "servers") as running:
            for mode, group in groupby(todo, key=lambda batch: batch[0].point.mode):
                with fleet_of(running, mode, home, venue) as fleet:
                    matrix = Matrix(fleet, mode, totals)
                    for batch in group:
                        matrix.run(FLOWS[batch[0].point.flow], batch[0].kind, batch)
                        progress.add(batch, totals)
                    matrix.judge()
                    ways = {batch[0].point.flow for batch in todo if batch[0].point.mode == mode}
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
        write(found, POINTS if own is None else _own_points(own))
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
