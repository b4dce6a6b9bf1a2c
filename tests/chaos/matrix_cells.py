"""Cells of the crash matrix: a fault on an order's way, and how that order must end."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

from benchmarks.servers import Servers
from tests.chaos.flows import FLOWS, PAPER_DEPTH, Flow, reset
from tests.chaos.matrix_points import Cell, listed
from tests.chaos.matrix_progress import Totals
from tests.fleet import PRICES, Fleet, wait_until
from tests.venues import VENUES

AT_ONCE = {"kill": 6, "raise": 10, "hang": 4}
"""Cells of a batch: no more hangs than leave every worker some threads."""
WITHIN = 60.0
"""Seconds in which every order must be at rest after its fault."""
FIRES_WITHIN = 120.0
"""Seconds in which every point must fire: after a kill a way takes longer to come to the next."""
MODES = {"in-place": "true", "messages": "false"}
_MORE_ORDERS = 12
_QUOTE_EVERY = 2.0
PERIOD = 8.0
"""Seconds in which workers do everything that they do now and then."""
# Passed by workers, whichever way any order takes.
NOBODYS = (
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
            wait_until(all_fired, FIRES_WITHIN, "every armed point")
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
        unlisted = {name for name in unlisted if not name.startswith(NOBODYS)}
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
