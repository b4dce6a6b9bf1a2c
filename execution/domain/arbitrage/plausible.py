"""Whether a reading may be believed: a split or a spin-off looks like a signal of a lifetime.

On 31 July 2024 Grayscale Bitcoin Trust gave a tenth of its coins to another trust, whose shares its
own holders received: with the coins per share of the day before, its price was 10 % below NAV and
50 deviations from the mean. (Source: Grayscale Investments, announcement of the initial
distribution of Grayscale Bitcoin Mini Trust, July 2024.)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal

from execution.domain.arbitrage.coins import CoinsPerShare
from execution.domain.arbitrage.numbers import EXACT
from execution.domain.arbitrage.prices import Observation
from execution.domain.arbitrage.window import Score
from execution.domain.decimals import plain

_NEAR = 5
"""A confirmed level is one from which the reading is less than a fifth of the largest move away."""


@dataclass(frozen=True, slots=True)
class Plausibility:
    """Bounds, all as rates but the first: beyond one a reading must be confirmed.

    `largest_move` is of price / NAV since the observation before, `coins_tolerance` of coins per
    share from those of the observation before less the fee since.
    """

    farthest_z: Decimal = Decimal(10)
    largest_move: Decimal = Decimal("0.25")
    coins_tolerance: Decimal = Decimal("0.002")
    annual_fee: Decimal = Decimal("0.02")


@dataclass(frozen=True, slots=True)
class Confirmation:
    """A level that a person, or a second source, has confirmed: the spread, and coins per share."""

    at: datetime
    spread: Decimal
    coins_per_share: Decimal
    coins_as_of: date


def doubts(
    seen: Observation,
    score: Score | None,
    before: Observation | None,
    confirmed: Confirmation | None,
    bounds: Plausibility,
) -> tuple[str, ...]:
    """Why a reading is no observation yet; nothing where it may be believed.

    `before` is the last observation, `score` the reading's by the window before it. A confirmation
    counts until the next observation, for readings near the level that was confirmed.
    """
    if confirmed is not None and (before is None or confirmed.at > before.at):
        same_coins = confirmed.coins_as_of == seen.coins_as_of and _near(
            seen.coins_per_share, confirmed.coins_per_share, bounds.coins_tolerance
        )
        if same_coins and _near(seen.spread + 1, confirmed.spread + 1, bounds.largest_move / _NEAR):
            return ()
    return tuple(_doubts(seen, score, before, bounds))


def _doubts(
    seen: Observation, score: Score | None, before: Observation | None, bounds: Plausibility
) -> Iterator[str]:
    if before is not None:
        day, today = (one.at.astimezone(UTC).date() for one in (before, seen))
        expected = CoinsPerShare(before.coins_per_share, day, bounds.annual_fee).on(today)
        if not _near(seen.coins_per_share, expected, bounds.coins_tolerance):
            yield (
                f"coins per share {plain(seen.coins_per_share)} disagree with "
                f"{plain(expected)}, which those of {day} are less the fee since"
            )
        move = EXACT.subtract(EXACT.divide(seen.spread + 1, before.spread + 1), 1)
        if abs(move) > bounds.largest_move:
            yield f"price / NAV has moved by {move:+.1%} since the observation of {day}"
    if score is not None and score.z.copy_abs() > bounds.farthest_z:
        yield f"Z is {score.z:+.1f}, beyond {plain(bounds.farthest_z)}"


def _near(value: Decimal, other: Decimal, tolerance: Decimal) -> bool:
    return abs(EXACT.subtract(EXACT.divide(value, other), 1)) <= tolerance
