"""The faults of a soak: what is struck, and when, all from one seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

WORKERS = ("worker-orders", "worker-paper", "worker-binance", "worker-binance-2")
VICTIMS = (*WORKERS, "beat", "valkey", "postgres")
PROXIES = ("postgres", "valkey", "ledger")


@dataclass(frozen=True, slots=True)
class Strike:
    """One fault, `at` seconds from the beginning: what is done, and to whom.

    `kill` a process, kill a `producer`, `cut` one connection of a proxy, `cut_all`, `lose` a reply.
    """

    at: float
    what: str
    whom: str


def strikes(seed: int, seconds: float, producers: Sequence[str]) -> list[Strike]:
    """The faults of a run: the same for the same seed."""
    chosen = random.Random(seed)  # noqa: S311 - test data
    found: list[Strike] = []

    def sow(least: float, most: float, make: Callable[[float], Strike]) -> None:
        at = chosen.uniform(least, most)
        while at < seconds:
            found.append(make(at))
            at += chosen.uniform(least, most)

    def victims() -> Iterator[str]:
        """In random order, but everybody once before anybody twice."""
        while True:
            yield from chosen.sample(VICTIMS, len(VICTIMS))

    dying = victims()
    sow(5, 20, lambda at: Strike(at, "kill", next(dying)))
    sow(10, 30, lambda at: Strike(at, "producer", chosen.choice(producers)))
    sow(1, 5, lambda at: Strike(at, "lose", chosen.choice(PROXIES)))
    sow(1, 5, lambda at: Strike(at, "cut", chosen.choice(PROXIES)))
    sow(20, 60, lambda at: Strike(at, "cut_all", chosen.choice(PROXIES)))
    return sorted(found, key=lambda strike: strike.at)
