"""Runs random lives at a place, and says what they did."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.chaos.stateful.machine import Life
from tests.chaos.stateful.places import Place
from tests.chaos.stateful.verdict import Tally


def live(
    place: Place,
    *,
    faulty: bool,
    lives: int,
    steps: int,
    seeded: int,
    shrink: bool = False,
    seconds: float = math.inf,
) -> Tally:
    """Let some lives of `steps` steps pass at a place whose fleet runs; the same for one seed.

    None begins after so many seconds. Raises AssertionError for the first that ends with something
    wrong. With `shrink` hypothesis then looks for a shorter one, which takes many more lives.
    """
    tally = Tally(until=time.monotonic() + seconds)
    own: dict[str, Any] = {"place": place, "faulty": faulty, "tally": tally, "shrink": shrink}
    kind = seed(seeded)(type("Life", (Life,), own))
    phases = [Phase.generate, *([Phase.shrink] if shrink else [])]
    with _as_it_failed(tally):
        _run(kind, lives, steps, phases)
    return tally


@contextmanager
def _as_it_failed(tally: Tally) -> Iterator[None]:
    """Raise what was wrong with a life in its own words, whatever hypothesis makes of it."""
    try:
        yield
    except BaseException as error:
        if tally.failure is None or isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        raise AssertionError(tally.failure) from error


def _run(kind: type[Life], lives: int, steps: int, phases: list[Phase]) -> None:
    run_state_machine_as_test(
        kind,
        settings=settings(
            max_examples=lives + 1,  # the first is not lived
            stateful_step_count=steps,
            deadline=None,
            database=None,
            phases=phases,
            suppress_health_check=list(HealthCheck),
            report_multiple_bugs=False,
        ),
        _min_steps=steps,
    )


def lines(place: str, tally: Tally, *, faulty: bool) -> list[str]:
    """For people: what was done, what came of it."""
    kind = "with faults" if faulty else "without faults"
    return [
        (
            f"{place}, {kind}: {tally.lives} lives, slowest protection {tally.slowest:.2f} s "
            f"at a load of {tally.load:.1f}"
        ),
        *(
            f"  {what}: {', '.join(f'{name} {count}' for name, count in sorted(counted.items()))}"
            for what, counted in (
                ("steps", tally.steps),
                ("faults", tally.faults),
                ("events", tally.events),
                ("alerts", tally.alerts),
            )
            if counted
        ),
    ]
