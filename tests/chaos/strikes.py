"""The faults of a soak: what is struck, and when, all from one seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

PROXIES = ("postgres", "valkey", "venue")


def workers_of(queue: str, count: int = 2) -> tuple[str, ...]:
    """The workers of a run whose live orders go through `queue`, which `count` of them serve."""
    of_broker = (f"worker-{queue}" + (f"-{one}" if one > 1 else "") for one in range(1, count + 1))
    return ("worker-orders", "worker-paper", *of_broker)


@dataclass(frozen=True, slots=True)
class Strike:
    """One fault, `at` seconds from the beginning: what is done, and to whom.

    `kill` a process, kill a `producer` or a part of the `venue`, `cut` one connection of a proxy,
    `cut_all`, `lose` a reply, arm one of the venue's own `delay`s.
    """

    at: float
    what: str
    whom: str


def strikes(  # noqa: PLR0917 - one call
    seed: int,
    seconds: float,
    producers: Sequence[str],
    workers: Sequence[str],
    venue: Sequence[str],
    delays: Sequence[str] = (),
) -> list[Strike]:
    """The faults of a run: the same for the same seed.

    `venue` are the parts of the venue, `delays` the names of its own.
    """
    processes = (*workers, "beat", "valkey", "postgres")
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
            yield from chosen.sample(processes, len(processes))

    dying = victims()
    sow(5, 20, lambda at: Strike(at, "kill", next(dying)))
    sow(10, 30, lambda at: Strike(at, "producer", chosen.choice(producers)))
    sow(1, 5, lambda at: Strike(at, "lose", chosen.choice(PROXIES)))
    sow(1, 5, lambda at: Strike(at, "cut", chosen.choice(PROXIES)))
    sow(20, 60, lambda at: Strike(at, "cut_all", chosen.choice(PROXIES)))
    sow(20, 60, lambda at: Strike(at, "venue", chosen.choice(venue)))
    if delays:
        sow(5, 20, lambda at: Strike(at, "delay", chosen.choice(delays)))
    return sorted(found, key=lambda strike: strike.at)
