"""What the detector says: a signal with every number that led to it, or why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from execution.domain.arbitrage.prices import Observation
from execution.domain.arbitrage.window import Score
from execution.domain.errors import ConfigurationError


class Direction(StrEnum):
    """Which of the two is bought; the other is sold."""

    LONG_TRUST_SHORT_SPOT = "LONG_TRUST_SHORT_SPOT"
    SHORT_TRUST_LONG_SPOT = "SHORT_TRUST_LONG_SPOT"

    @property
    def sign(self) -> int:
        """+1 where the trust is bought, -1 where it is sold."""
        return 1 if self is Direction.LONG_TRUST_SHORT_SPOT else -1


class Action(StrEnum):
    """What a signal asks for."""

    ENTER = "ENTER"
    EXIT = "EXIT"


class ExitReason(StrEnum):
    """Why a position is to be closed."""

    REVERTED = "REVERTED"  # |Z| is below the exit level
    SIGN_TURNED = "SIGN_TURNED"  # Z has gone to the other side of the mean
    HELD_LONG_ENOUGH = "HELD_LONG_ENOUGH"


class Quiet(StrEnum):
    """Why an observation gives no signal."""

    WARMING_UP = "WARMING_UP"  # fewer observations than the window holds
    FLAT_WINDOW = "FLAT_WINDOW"  # all its spreads are equal: there is no deviation to judge by
    INTERVAL_SEEN = "INTERVAL_SEEN"  # the interval, or a later one, was observed already
    WITHIN_LIMITS = "WITHIN_LIMITS"
    HOLDING = "HOLDING"  # a position is open, and it is not time to close it


@dataclass(frozen=True, slots=True)
class Parameters:
    """How the detector judges. Raises ConfigurationError for what makes no sense.

    `window` is in observations. `entry_z` and `entry_spread` (a rate: 0.02 is 2 %) are both to be
    exceeded, strictly; a position is closed when |Z| is below `exit_z`, or when its sign turned, or
    when it was held for `longest_holding` (None: for as long as it takes).
    """

    window: int = 60
    entry_z: Decimal = Decimal(2)
    entry_spread: Decimal = Decimal("0.02")
    exit_z: Decimal = Decimal("0.5")
    longest_holding: timedelta | None = None

    def __post_init__(self) -> None:
        for name in ("entry_z", "entry_spread", "exit_z"):
            value = getattr(self, name)
            if not value.is_finite() or value < 0:
                raise ConfigurationError(f"{name} is {value}: must be a number, 0 or above")
        if not 2 <= self.window <= 1_000_000:  # noqa: PLR2004 - a sample's deviation needs two
            raise ConfigurationError(f"window is {self.window}: must be from 2 to 1000000")
        if self.exit_z >= self.entry_z:
            raise ConfigurationError(
                f"exit_z is {self.exit_z}: must be below entry_z, which is {self.entry_z}"
            )
        if self.longest_holding is not None and self.longest_holding <= timedelta(0):
            raise ConfigurationError(
                f"longest_holding is {self.longest_holding}: must be above 0, or none"
            )


@dataclass(frozen=True, slots=True)
class Position:
    """What is held: since when (aware), which way, and the Z and the spread it was entered on."""

    direction: Direction
    entered_at: datetime
    z: Decimal
    spread: Decimal


@dataclass(frozen=True, slots=True)
class Signal:
    """Enter or close, with every number that led to it.

    An ENTER has no `position` and no `exit_reason`; an EXIT has both.
    """

    action: Action
    direction: Direction
    observation: Observation
    nav_per_share: Decimal
    spread: Decimal
    score: Score
    parameters: Parameters
    position: Position | None = None
    exit_reason: ExitReason | None = None

    @property
    def at(self) -> datetime:
        """When the pair was observed."""
        return self.observation.at


@dataclass(frozen=True, slots=True)
class Assessment:
    """One observation judged: a signal, or why there is none (exactly one of them is None)."""

    observation: Observation
    nav_per_share: Decimal
    spread: Decimal
    score: Score | None
    signal: Signal | None
    quiet: Quiet | None


def followed(position: Position | None, signal: Signal | None) -> Position | None:
    """What is held once a signal has been carried out."""
    if signal is None:
        return position
    if signal.action is Action.EXIT:
        return None
    return Position(signal.direction, signal.at, signal.score.z, signal.spread)
