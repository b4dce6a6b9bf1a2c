"""What one round of one fleet gives: a burst, idle orders one at a time, memory."""

from __future__ import annotations

import math
import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks import machine
from benchmarks.fleets import Fleet, ServiceFleet

_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.005, 0.055
_MILLISECONDS = 1e3


@dataclass(frozen=True, slots=True)
class Burst:
    """Orders enqueued as fast as they go; `seconds` from the first send to the last work.

    CPU time meanwhile: `harness_seconds` went into sending and watching, `others_seconds` into
    processes that are none of ours.
    """

    orders: int
    seconds: float
    harness_seconds: float = 0.0
    others_seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Orders per second."""
        return self.orders / self.seconds


@dataclass(frozen=True, slots=True)
class Spread:
    """How samples lie, in the unit of the samples."""

    samples: int
    p50: float
    p95: float
    p99: float
    most: float

    @classmethod
    def of(cls, samples: Sequence[float]) -> Spread:
        """Needs one sample at least."""
        p95, p99 = percentile(samples, 95), percentile(samples, 99)
        return cls(len(samples), statistics.median(samples), p95, p99, max(samples))


@dataclass(slots=True)
class Measured:
    """One round of one variant. Times are in ms, memory in MB by process."""

    variant: str
    number: int
    burst: Burst | None = None
    idle: list[float] = field(default_factory=list)
    send: list[float] = field(default_factory=list)
    place: list[float] = field(default_factory=list)
    told: list[float] = field(default_factory=list)
    """From a venue's execution message to the event."""
    memory: dict[str, float] = field(default_factory=dict)
    waiting: int = 0
    """Orders that rest at the venue meanwhile."""
    waiting_memory: float = 0.0
    """What they added to the worker that waits for them."""

    def as_json(self) -> dict[str, Any]:
        """What is reported of it; times as their spread."""
        said: dict[str, Any] = {"variant": self.variant, "round": self.number}
        if self.burst is not None:
            said |= {
                "orders": self.burst.orders,
                "burst_s": round(self.burst.seconds, 4),
                "orders_per_s": round(self.burst.rate, 2),
                "harness_cpu_s": round(self.burst.harness_seconds, 3),
                "others_cpu_s": round(self.burst.others_seconds, 3),
            }
        for name in ("idle", "send", "place", "told"):
            if getattr(self, name):
                said[f"{name}_ms"] = spread_json(Spread.of(getattr(self, name)))
        if self.memory:
            said["memory_mb"] = {name: round(used, 1) for name, used in self.memory.items()}
        if self.waiting:
            said |= {"waiting": self.waiting, "waiting_mb": round(self.waiting_memory, 2)}
        return said


def spread_json(spread: Spread) -> dict[str, float]:
    """A spread for the JSON line."""
    return {
        "samples": spread.samples,
        "p50": round(spread.p50, 3),
        "p95": round(spread.p95, 3),
        "p99": round(spread.p99, 3),
        "max": round(spread.most, 3),
    }


def percentile(samples: Sequence[float], percent: float) -> float:
    """The least sample that so many percent of all samples do not exceed (nearest rank)."""
    ordered = sorted(samples)
    return ordered[max(math.ceil(percent / 100 * len(ordered)), 1) - 1]


def burst(fleet: Fleet, orders: Sequence[str]) -> Burst:
    """Enqueue them all at once; the producer's own time counts, as it does for its user."""
    fleet.expect(orders)
    others = machine.others_seconds()
    began, used = time.time(), time.process_time()
    for order in orders:
        fleet.send(order)
    _, last = fleet.finished()
    used = time.process_time() - used
    return Burst(len(orders), last - began, used, max(machine.others_seconds() - others, 0.0))


def one_at_a_time(
    fleet: Fleet,
    orders: Sequence[str],
    chance: random.Random,
    send: Callable[[str], object] | None = None,
) -> tuple[list[float], list[float]]:
    """Enqueue each order into an idle fleet, after a short random pause.

    Returns in ms how long each took until it was done, and how long its sending took. `send` is
    what enqueues, if not the fleet's own way.
    """
    latencies, sends = [], []
    for order in orders:
        time.sleep(chance.uniform(_SHORTEST_PAUSE, _LONGEST_PAUSE))
        fleet.expect([order])
        began = time.time()
        (send or fleet.send)(order)
        sent = time.time()
        done, _ = fleet.finished()
        latencies.append((done[order] - began) * _MILLISECONDS)
        sends.append((sent - began) * _MILLISECONDS)
    return latencies, sends


def place_one_at_a_time(
    fleet: ServiceFleet, orders: Sequence[str], chance: random.Random
) -> list[float]:
    """How long `OrderClient.place` takes, each into an idle fleet, in ms."""
    client = fleet.client

    def place(order: str) -> None:
        client.place(**fleet.request(order))

    # The first call opens the client's connections.
    return one_at_a_time(fleet, orders, chance, place)[1][1:]
