"""`make arbitrage-matrix`: every fault of both simulators on either leg, and a kill at every point.

Each cell brings the pair to an entry or an exit while something goes wrong there. Afterwards the
group must be open with both legs, or over with nothing held, or have an alert: judged by what the
venues' own ledgers hold for its orders. A fault or a point that never fired fails the run. At the
end the oracle compares ledgers, tables and event stream. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

from benchmarks.servers import servers
from simulators.binance.venue import BinanceVenue
from simulators.faults import FaultKind
from simulators.ib_gateway.gateway import SUPPORTED
from tests.fleet import Fleet, wait_until
from tests.pairs import CHEAP, DEAR, FAIR, OVER, PairRun, pair_fleet

WITHIN = 60.0
"""Seconds in which a group must be at rest, or alerted."""
TRUST, SPOT = "GBTC", "BTC-USDT"
KINDS = {TRUST: SUPPORTED, SPOT: BinanceVenue().faults.supported}
# Strikes the description of a contract, which is qualified once, before the first quote of it.
NEVER_ON_A_LEG = frozenset({FaultKind.AMBIGUOUS})
OPTIONS: dict[FaultKind, dict[str, Any]] = {
    FaultKind.DELAY: {"seconds": 1.5},
    FaultKind.DELAY_REPLY: {"seconds": 1.5},
    FaultKind.DISCONNECT: {"seconds": 1.5, "on": "submit"},
    FaultKind.UNAVAILABLE: {"on": "submit"},
    FaultKind.LATE_REJECT: {"seconds": 0.3, "code": "201"},
    FaultKind.LATE_COMMISSION: {"seconds": 2},
    FaultKind.RATE_LIMIT: {"seconds": 1},
}
REFUSAL = {TRUST: {"code": "201"}, SPOT: {"code": "-2010", "reason": "Account has insufficient"}}
ON_CANCEL = ("drop_request", "drop_reply", "delay", "error_reply", "reject", "disconnect")
"""Struck while the leg that rests is cancelled."""

ENTRY_POINTS = (
    *("nav:opening:begin", "nav:opening:before_commit", "nav:opening:committed"),
    *("nav:opening:one_sent", "nav:open:before_commit", "nav:open:committed"),
    *(f"watch_nav:commit_{number}:{side}" for number in (1, 2, 3) for side in ("before", "after")),
    *("watch_nav:begin", "watch_nav:end", "move_groups:begin", "move_groups:end"),
    *(f"move_groups:commit_{number}:{side}" for number in (1, 2) for side in ("before", "after")),
)
EXIT_POINTS = (
    *("nav:closing:before_commit", "nav:closing:committed", "nav:reducing:before_commit"),
    *("nav:reducing:committed", "nav:reducing:one_sent"),
    *("nav:closed:before_commit", "nav:closed:committed"),
)
UNWIND_POINTS = (
    *("nav:unwinding:before_commit", "nav:unwinding:committed", "nav:reducing:before_commit"),
    *("nav:reducing:committed", "nav:reducing:one_sent"),
    *("nav:unwound:before_commit", "nav:unwound:committed"),
)
CANCEL_POINTS = ("nav:cancel:before", "nav:cancel:recorded")
WAITING_POINTS = ("nav:waiting:before_commit", "nav:waiting:committed")


@dataclass(frozen=True, slots=True)
class Cell:
    """What goes wrong, at which instrument's venue, on the way in or out; or where a kill falls."""

    name: str
    phase: str
    trust_price: tuple[str, str]
    symbol: str | None = None
    faults: tuple[dict[str, Any], ...] = ()
    partial: bool = False
    point: str | None = None


def cells() -> list[Cell]:
    """All of them: both ways of trading take turns."""
    return [*_fault_cells(), *_cancel_cells(), *_partial_cells(), *_kill_cells()]


def _fault_cells() -> list[Cell]:
    found: list[Cell] = []
    for symbol, kinds in KINDS.items():
        for kind in sorted(kinds - NEVER_ON_A_LEG):
            options = {"kind": kind.value, "symbol": symbol, **OPTIONS.get(kind, {})}
            if kind is FaultKind.REJECT:
                options |= REFUSAL[symbol]
            for phase in ("entry", "exit"):
                price = DEAR if (len(found) // 2 + (phase == "exit")) % 2 else CHEAP
                if kind is FaultKind.LOCATE:
                    # Only a sale of what is not held waits for shares.
                    if phase == "exit":
                        continue
                    price = DEAR
                found.append(
                    Cell(f"{symbol} {phase} {kind.value}", phase, price, symbol, (options,))
                )
    return found


def _cancel_cells() -> list[Cell]:
    found = []
    for symbol in KINDS:
        hold = {"kind": "hold_fills", "symbol": symbol}
        for kind in ON_CANCEL:
            options = {"kind": kind, "symbol": symbol, **OPTIONS.get(FaultKind(kind), {})}
            if kind == "disconnect":
                options.pop("symbol")
            if kind == "reject" and symbol == SPOT:
                options |= {"code": "-2011", "reason": "Unknown order sent."}
            faults = (hold, {**options, "on": "cancel"})
            found.append(Cell(f"{symbol} cancel {kind}", "entry", CHEAP, symbol, faults))
    return found


def _partial_cells() -> list[Cell]:
    return [
        Cell(f"{symbol} {phase} partial", phase, CHEAP, symbol, partial=True)
        for symbol in KINDS
        for phase in ("entry", "exit")
    ]


def _kill_cells() -> list[Cell]:
    refused = ({"kind": "reject", "symbol": SPOT, **REFUSAL[SPOT]},)
    held = ({"kind": "hold_fills", "symbol": SPOT},)
    doubtful = ({"kind": "drop_reply", "symbol": SPOT},)
    groups = (
        ("entry", "entry", ENTRY_POINTS, ()),
        ("exit", "exit", EXIT_POINTS, ()),
        ("unwind", "entry", UNWIND_POINTS, refused),
        ("cancel", "entry", CANCEL_POINTS, held),
        ("doubt", "entry", WAITING_POINTS, doubtful),
    )
    return [
        Cell(f"kill {way} {point}", phase, CHEAP, SPOT, faults, point=point)
        for way, phase, points, faults in groups
        for point in points
    ]


@dataclass(slots=True)
class Totals:
    """What a run has done, and what was wrong. `ends` counts the groups by their last state."""

    cells: int = 0
    groups: int = 0
    faults: int = 0
    kills: int = 0
    alerted: int = 0
    unalerted: int = 0
    longest: float = 0.0
    ends: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)


class Matrix:
    """Runs cells on one fleet; see the module."""

    def __init__(self, fleet: Fleet, totals: Totals) -> None:
        self._fleet, self._totals = fleet, totals
        self._pair = PairRun(fleet)
        self._venues = {TRUST: fleet.venues[0], SPOT: fleet.venues[1]}

    def run(self, cell: Cell) -> None:
        """One cell, and then an exit of what it left open.

        On a busy machine a leg may be given up before it leaves; then what was armed for it never
        fires, and the cell is run again.
        """
        began, before = time.monotonic(), len(self._totals.problems)
        for last in (False, False, True):
            group_id, missed = self._strike(cell)
            if not missed:
                break
            if last:
                self._problem(cell, "what was armed never fired")
        self._totals.cells += 1
        states = " ".join(self._pair.states(group_id)) if group_id else "no group"
        if group_id and "UNWINDING" in states:
            states += f" ({self._pair.reasons(group_id)})"
        verdict = "ok" if len(self._totals.problems) == before else "WRONG"
        seconds = time.monotonic() - began
        print(f"{cell.name:44} {seconds:5.1f} s {verdict:5} {states}", flush=True)

    def _strike(self, cell: Cell) -> tuple[str | None, bool]:
        """The group of a cell, and whether nothing struck it."""
        pair = self._pair
        self._mend()
        group_id, missed = None, False
        try:
            if cell.phase == "exit":
                group_id = self._open(cell)
            fired = self._arm(cell)
            if group_id is None:
                group_id = pair.enter(cell.trust_price)
            else:
                pair.exit(group_id)
            missed = not self._has_struck(cell, fired, group_id)
            if not missed:
                self._rest(cell, group_id)
        except AssertionError as error:
            self._problem(cell, str(error).splitlines()[0])
        self._mend()
        if cell.point is not None:
            self._fleet.disarm_point(cell.point)
        if group_id is not None:
            self._end(cell, group_id)
            self._totals.groups += 1
            self._totals.ends[pair.group(group_id)["state"]] += 1
        return group_id, missed

    def _open(self, cell: Cell) -> str:
        """A group that is open, undisturbed; on a busy machine a leg may take too long."""
        for _ in range(3):
            group_id = self._pair.enter(cell.trust_price)
            found = self._pair.until(group_id, "OPEN", *OVER, timeout=WITHIN)
            if found["state"] == "OPEN":
                return group_id
        raise AssertionError("no undisturbed entry came to be open")

    def _mend(self) -> None:
        for symbol, venue in self._venues.items():
            venue.disarm()
            venue.control("POST", "liquidity", {"symbol": symbol, "size": None, "slice": None})
        self._pair.lend(1_000_000)
        self._pair.quote(FAIR)
        wait_until(self._ready, WITHIN, "both venues to be there")

    def _ready(self) -> bool:
        rows = self._fleet.query(
            """SELECT DISTINCT broker FROM broker_sessions WHERE status = 'LIVE_READY'
            AND ended_at IS NULL AND heartbeat_at > clock_timestamp() - interval '2 seconds'
            AND broker IN ('IBKR', 'BINANCE')"""
        )
        return len(rows) == len(self._venues)

    def _arm(self, cell: Cell) -> dict[str, int]:
        """Let it go wrong; how often each fault had fired before."""
        if cell.point is not None:
            self._fleet.arm_point(cell.point, "kill")
        if cell.symbol is None:
            return {}
        venue = self._venues[cell.symbol]
        if cell.partial:
            size = "50" if cell.symbol == TRUST else "0.05"
            venue.control("POST", "liquidity", {"symbol": cell.symbol, "size": size, "slice": None})
        before = {fault["kind"]: venue.fired(fault["kind"]) for fault in cell.faults}
        for fault in cell.faults:
            venue.arm(**fault)
        return before

    def _has_struck(self, cell: Cell, before: dict[str, int], group_id: str) -> bool:
        """Wait until all that was armed has fired; False when the group is done without it."""

        def pending() -> list[str]:
            found = []
            if cell.symbol is not None:
                venue = self._venues[cell.symbol]
                found = [kind for kind, count in before.items() if venue.fired(kind) <= count]
            if cell.point is not None and not self._fleet.fired(cell.point):
                found.append(cell.point)
            return found

        def done() -> bool:
            return self._pair.group(group_id)["state"] in OVER and not self._pair.alerts(group_id)

        # Points of the tasks themselves are passed whether or not there is a group.
        mine = cell.point is None or cell.point.startswith("nav:")
        wait_until(lambda: not pending() or (mine and done()), WITHIN, f"{pending()}")
        if pending():
            return False
        self._totals.faults += len(before)
        self._totals.kills += cell.point is not None
        return True

    def _rest(self, cell: Cell, group_id: str) -> None:
        """Both legs or none, as the ledgers say; or a person has been told."""
        began, pair = time.monotonic(), self._pair
        goal = {"CLOSED"} if cell.phase == "exit" else {"OPEN", *OVER}

        def at_rest() -> bool:
            return pair.group(group_id)["state"] in goal and self._balanced(group_id)

        # What holds until it is cleared is over once a person knows.
        endless = any(fault["kind"] == "hold_fills" for fault in cell.faults)
        try:
            wait_until(lambda: at_rest() or (endless and pair.alerts(group_id)), WITHIN, "rest")
            if not at_rest():
                self._totals.alerted += 1
        except AssertionError:
            state = pair.group(group_id)["state"]
            if pair.alerts(group_id):
                self._totals.alerted += 1
                print(f"alerted: {pair.alerts(group_id)[0]}", flush=True)
            else:
                self._totals.unalerted += 1
                self._problem(cell, f"{state} with {pair.net(group_id)}, and no alert")
        self._totals.longest = max(self._totals.longest, time.monotonic() - began)

    def _balanced(self, group_id: str) -> bool:
        """Whether the venues hold both legs of an open group, and nothing of one that is over."""
        net, state = self._pair.net(group_id), self._pair.group(group_id)["state"]
        trust, spot = (net.get(symbol, Decimal(0)) for symbol in (TRUST, SPOT))
        if state == "OPEN":
            wanted = {leg["role"]: leg for leg in self._pair.legs(group_id)[:2]}
            return (
                abs(trust) == wanted["TRUST"]["quantity"]
                and abs(spot) == wanted["SPOT"]["quantity"]
                and trust * spot < 0
            )
        # What a commission took of bought coins cannot be sold.
        return trust == 0 and abs(spot) < Decimal("0.001")

    def _end(self, cell: Cell, group_id: str) -> None:
        """Nothing goes wrong any more: the group must come to its end, and its alert be settled."""
        pair = self._pair
        try:
            group = pair.until(group_id, "OPEN", "CLOSING", *OVER, timeout=WITHIN)
            if group["state"] == "OPEN":
                pair.exit(group_id)
            pair.until(group_id, *OVER, timeout=WITHIN)
            wait_until(
                lambda: self._balanced(group_id) and not pair.alerts(group_id),
                WITHIN,
                "nothing left, and no alert",
            )
        except AssertionError as error:
            state, net = pair.group(group_id)["state"], pair.net(group_id)
            said = f"{str(error).splitlines()[0]}: {state} {net} {pair.alerts(group_id)}"
            self._problem(cell, said)

    def _problem(self, cell: Cell, what: str) -> None:
        print(f"PROBLEM {cell.name}: {what}", flush=True)
        self._totals.problems.append(f"{cell.name}: {what}")


def run(chosen: Sequence[Cell], seconds: float, leg_limit: str) -> Totals:
    """The cells, one after the other, as many as begin within `seconds`."""
    totals = Totals()
    home = Path(tempfile.mkdtemp(prefix="arbitrage-matrix-"))
    home.chmod(0o755)
    until = time.monotonic() + seconds
    try:
        with servers(home / "servers") as running:
            database = running.database(f"pairs_{uuid4().hex[:6]}")
            settings = {"NAV_LEG_LIMIT": leg_limit}
            with pair_fleet(database, running.valkey.url, home / "fleet", settings) as fleet:
                matrix = Matrix(fleet, totals)
                for cell in chosen:
                    if time.monotonic() > until:
                        break
                    try:
                        matrix.run(cell)
                    except Exception:  # noqa: BLE001 - the next cell may still say something
                        totals.problems.append(f"{cell.name}: {traceback.format_exc()}")
                        print(totals.problems[-1], flush=True)
                verdict = fleet.verdict(timeout=WITHIN)
                totals.problems += [f"oracle: {problem}" for problem in verdict.problems]
    finally:
        if totals.problems:
            print(f"left for a look: {home}")
        else:
            shutil.rmtree(home, ignore_errors=True)
    return totals


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.arbitrage_matrix")
    parser.add_argument("--only", default="", help="cells whose name contains one of these")
    parser.add_argument("--minutes", type=float, default=60, help="begin no cell after that")
    parser.add_argument(
        "--leg-limit", default="6", help="seconds; more on a machine that is busy with other work"
    )
    parser.add_argument("--list", action="store_true", help="list the cells")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))  # ends what was started, too
    wanted = options.only.split(",")
    chosen = [cell for cell in cells() if any(part in cell.name for part in wanted)]
    if options.list:
        print("\n".join(cell.name for cell in chosen))
        return 0
    began = time.monotonic()
    totals = run(chosen, options.minutes * 60, options.leg_limit)
    for problem in totals.problems:
        print(f"PROBLEM {problem}")
    figures = {
        "cells": totals.cells,
        "of": len(chosen),
        "groups": totals.groups,
        "faults_fired": totals.faults,
        "kills": totals.kills,
        "ends": dict(totals.ends),
        "alerted": totals.alerted,
        "one_leg_unalerted": totals.unalerted,
        "longest_to_rest": round(totals.longest, 1),
        "problems": len(totals.problems),
        "seconds": round(time.monotonic() - began),
    }
    print(json.dumps(figures))
    return 1 if totals.problems or totals.cells < len(chosen) else 0


if __name__ == "__main__":
    sys.exit(main())
