"""Looks at the venue ten times a second and measures how long fills are without protection.

Everything is by the venue's ledger and by the oracle's formulas. A fill asks for protection from
the moment it is seen; the time until the venue holds it is measured for each fill by itself, so a
second fill does not hide that the first is late.
"""

from __future__ import annotations

import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal, localcontext

from tests.chaos.covers import case_of
from tests.oracle import Venue
from tests.oracle.case import EXACT, Case
from tests.oracle.protection import covers, positions, working_reducers

LOOK_EVERY = 0.1


@dataclass(frozen=True, slots=True)
class Gap:
    """A quantity that was wanted and did not stand for `seconds` from `began` (monotonic)."""

    what: str
    parent_id: str
    role: str
    quantity: Decimal
    began: float
    seconds: float


class Latency:
    """How long each level of what is wanted waits until it stands."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Decimal, float]] = []

    def look(self, wanted: Decimal, standing: Decimal, now: float) -> list[tuple[Decimal, float]]:
        """Take in one look; returns the levels that stand now, each with when it was wanted first.

        What is wanted no more is forgotten: nothing was missing in the end.
        """
        done = [(level, since) for level, since in self._waiting if level <= standing]
        waiting = [(min(level, wanted), since) for level, since in self._waiting]
        first: dict[Decimal, float] = {}
        for level, since in waiting:
            if level > standing:
                first.setdefault(level, since)
        if wanted > standing and wanted not in first:
            first[wanted] = now
        self._waiting = sorted(first.items())
        return done

    @property
    def longest(self) -> tuple[Decimal, float] | None:
        """The level that has waited for longest, and since when."""
        return min(self._waiting, key=lambda one: one[1], default=None)


@dataclass(slots=True)
class Seen:
    """What the watch has seen: gaps in protection, how long too much stood, how busy it was."""

    gaps: list[Gap] = field(default_factory=list)
    excesses: list[Gap] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    looks: int = 0
    load: float = 0.0

    def slowest(self) -> float:
        """Seconds that the slowest fill waited for its protection."""
        return max((gap.seconds for gap in self.gaps), default=0.0)

    def allowance(self) -> float:
        """How much longer things may take, for more processes wanted a core than there are."""
        return max(self.load / (os.cpu_count() or 1), 1.0)


class Watch:
    """A thread that looks, between `start` and `stop`. `held` gives what the venue holds.

    Only brackets whose parents' names begin with `prefix` are looked at.
    """

    def __init__(self, database_url: str, held: Callable[[], Venue], prefix: str) -> None:
        self.seen = Seen()
        self._database_url, self._held, self._prefix = database_url, held, prefix
        self._missing: defaultdict[tuple[str, str, str], Latency] = defaultdict(Latency)
        self._excess: defaultdict[tuple[str, str, str], Latency] = defaultdict(Latency)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="protection-watch", daemon=True)

    @property
    def has_started(self) -> bool:
        """True once it has begun to look."""
        return self._thread.ident is not None

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> Seen:
        """Stop looking; what has waited for protection until now is a gap, too."""
        self._stopping.set()
        self._thread.join(30)
        now = time.monotonic()
        for kept, found in ((self._missing, self.seen.gaps), (self._excess, self.seen.excesses)):
            for (parent_id, what, role), latency in kept.items():
                if latency.longest is not None:
                    level, since = latency.longest
                    found.append(Gap(what, parent_id, role, level, since, now - since))
        return self.seen

    def _run(self) -> None:
        try:
            while not self._stopping.wait(LOOK_EVERY):
                self._look()
        except Exception as error:  # noqa: BLE001 - any is for whoever stops the thread
            self.seen.errors.append(f"the watch stopped looking: {error!r}")

    def _look(self) -> None:
        # The venue first: an order that it holds has its row by then.
        now, venue = time.monotonic(), self._held()
        with localcontext(EXACT):
            self._take_in(case_of(self._database_url, [venue]), now)
        self.seen.looks += 1
        self.seen.load = max(self.seen.load, os.getloadavg()[0])

    def _take_in(self, case: Case, now: float) -> None:
        for cover in covers(case):
            name = cover.family.parent["client_order_id"]
            if not name.startswith(self._prefix):
                continue
            key = (cover.family.parent["order_id"], f"{name} {cover.role}", cover.role)
            for level, since in self._missing[key].look(cover.wanted, cover.standing, now):
                gap = Gap(key[1], key[0], cover.role, level, since, now - since)
                self.seen.gaps.append(gap)
        held, reducing = positions(case), working_reducers(case)
        for place, quantity in held.items():
            for side, direction in (("BUY", 1), ("SELL", -1)):
                key = ("", "/".join((*place, side)), side)
                # The roles are the other way round: the position has to carry what works.
                position = max(quantity * -direction, Decimal(0))
                working = reducing[place, direction]
                for level, since in self._excess[key].look(working, position, now):
                    self.seen.excesses.append(Gap(key[1], "", side, level, since, now - since))
