"""What a crash matrix has done, and how it goes on where it was broken off."""

from __future__ import annotations

import json
import random
import subprocess
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos.matrix_points import Cell

PROGRESS = Path(".crash-matrix.json")


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
