"""From a signal to its two legs: orders of equal exposure, fitted to what both venues take."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import ROUND_FLOOR, Decimal

from execution.domain.arbitrage.numbers import EXACT
from execution.domain.arbitrage.prices import Observation
from execution.domain.arbitrage.signals import Action, Direction, Signal
from execution.domain.decimals import plain
from execution.domain.errors import ConfigurationError, RequestRefused
from execution.domain.vocabulary import Side


@dataclass(frozen=True, slots=True)
class Pair:
    """The trust and the spot of the coin that it holds, by our symbols."""

    trust: str = "GBTC"
    spot: str = "BTC-USDT"


@dataclass(frozen=True, slots=True)
class Sizing:
    """How large an entry is: at most `notional` dollars of the trust, in the venues' steps.

    Steps are in shares and in coins. Raises ConfigurationError for what is not above 0.
    """

    notional: Decimal = Decimal(10_000)
    share_step: Decimal = Decimal(1)
    coin_step: Decimal = Decimal("0.00001")

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if not value.is_finite() or value <= 0:
                raise ConfigurationError(f"{name} is {value}: must be a number above 0")


@dataclass(frozen=True, slots=True)
class Leg:
    """One order at the market: `quantity` in shares or coins, positive."""

    symbol: str
    side: Side
    quantity: Decimal

    def back(self) -> Leg:
        """The same the other way."""
        return replace(self, side=self.side.opposite)


@dataclass(frozen=True, slots=True)
class Legs:
    """The two legs, to be sent together; `closing` ones reduce what earlier ones opened.

    `unhedged_coins` is what the trust leg holds beyond the spot leg, less than a step.
    """

    trust: Leg
    spot: Leg
    unhedged_coins: Decimal
    closing: bool = False

    def closed(self) -> Legs:
        """What brings these back to nothing."""
        return Legs(self.trust.back(), self.spot.back(), self.unhedged_coins, closing=True)


def opening(signal: Signal, pair: Pair, sizing: Sizing) -> Legs:
    """The legs that carry out an ENTER: shares x coins per share = coins, each rounded down.

    Raises RequestRefused, naming the step, where the notional does not buy a step of each.
    """
    if signal.action is not Action.ENTER:
        raise ValueError(f"{signal.action} opens nothing")
    return legs_of(signal.direction, signal.observation, pair, sizing)


def legs_of(direction: Direction, observation: Observation, pair: Pair, sizing: Sizing) -> Legs:
    """The legs of an entry in a direction at an observation's prices. RequestRefused as above."""
    shares = _down(EXACT.divide(sizing.notional, observation.trust_price), sizing.share_step)
    exposure = EXACT.multiply(shares, observation.coins_per_share)
    coins = _down(exposure, sizing.coin_step)
    for name, quantity, step in (
        (pair.trust, shares, sizing.share_step),
        (pair.spot, coins, sizing.coin_step),
    ):
        if quantity == 0:
            raise RequestRefused(
                f"a notional of {plain(sizing.notional)} dollars is less than one step of "
                f"{plain(step)} {name}"
            )
    long = direction is Direction.LONG_TRUST_SHORT_SPOT
    side = Side.BUY if long else Side.SELL
    return Legs(
        Leg(pair.trust, side, shares),
        Leg(pair.spot, side.opposite, coins),
        EXACT.subtract(exposure, coins),
    )


def _down(quantity: Decimal, step: Decimal) -> Decimal:
    """`quantity` as the largest multiple of `step` that is not above it."""
    steps = EXACT.divide(quantity, step).to_integral_value(rounding=ROUND_FLOOR)
    return EXACT.multiply(steps, step)
