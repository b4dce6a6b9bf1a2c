"""The rolling window: mean and sample standard deviation of the last spreads, exactly."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from decimal import Decimal

from execution.domain.arbitrage.numbers import EXACT, ROOTS, on_grid


@dataclass(frozen=True, slots=True)
class Score:
    """A spread judged by a window of `observations` spreads that came before it.

    `mean` and `standard_deviation` (of a sample: divided by n - 1) are at 30 decimals, `z` has 50
    digits and is computed from the exact sums, not from these two.
    """

    z: Decimal
    mean: Decimal
    standard_deviation: Decimal
    observations: int


class RollingWindow:
    """The last `size` spreads (2 at least), with their sum and the sum of their squares.

    Both sums are exact, since every spread is at 30 decimals: adding and taking away leaves no
    trace, however long the window slides.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._spreads: deque[Decimal] = deque()
        self._sum = Decimal(0)
        self._squares = Decimal(0)

    def __len__(self) -> int:
        return len(self._spreads)

    @property
    def is_full(self) -> bool:
        """Whether there is enough to judge by."""
        return len(self._spreads) == self._size

    def add(self, spread: Decimal) -> None:
        """Take in the newest spread; the oldest of a full window goes."""
        self._spreads.append(spread)
        self._sum = EXACT.add(self._sum, spread)
        self._squares = EXACT.add(self._squares, EXACT.multiply(spread, spread))
        if len(self._spreads) > self._size:
            gone = self._spreads.popleft()
            self._sum = EXACT.subtract(self._sum, gone)
            self._squares = EXACT.subtract(self._squares, EXACT.multiply(gone, gone))

    def score(self, spread: Decimal) -> Score | None:
        """Judge a spread that is not in the window; None of a flat window or one that is not full.

        With n spreads, their sum S and the sum of their squares Q, n(n - 1) times the variance is
        nQ - S², so Z = (nx - S)(n - 1) / root of n(n - 1)(nQ - S²): one root, one division.
        """
        if not self.is_full:
            return None
        count = Decimal(self._size)
        scatter = EXACT.subtract(
            EXACT.multiply(count, self._squares), EXACT.multiply(self._sum, self._sum)
        )
        if scatter == 0:
            return None
        pairs = EXACT.multiply(count, count - 1)
        root = ROOTS.sqrt(EXACT.multiply(pairs, scatter))
        distance = EXACT.subtract(EXACT.multiply(count, spread), self._sum)
        return Score(
            z=ROOTS.divide(EXACT.multiply(distance, count - 1), root),
            mean=on_grid(EXACT.divide(self._sum, count)),
            standard_deviation=on_grid(EXACT.divide(root, pairs)),
            observations=self._size,
        )
