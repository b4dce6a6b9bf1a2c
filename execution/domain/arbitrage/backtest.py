"""A history run through the detector: the trades it would have made, and what they would have paid.

Fills are at the observed prices, without spread, slippage or impact; see docs/arbitrage.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from execution.domain.arbitrage.detector import NavArbitrageDetector
from execution.domain.arbitrage.legs import Legs, Pair, Sizing, opening
from execution.domain.arbitrage.prices import (
    Freshness,
    Observation,
    Reading,
    Unusable,
    observe,
)
from execution.domain.arbitrage.signals import (
    Action,
    Assessment,
    Parameters,
    Position,
    Signal,
    followed,
)
from execution.domain.decimals import exact
from execution.domain.errors import ConfigurationError, RequestRefused

_SECONDS_OF_A_YEAR = 365 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Costs:
    """What trading costs, as rates: of each fill's value, and a year for what is sold short.

    The borrowed leg is charged on its value at entry. Raises ConfigurationError below 0.
    """

    trust_fee: Decimal = Decimal(0)
    spot_fee: Decimal = Decimal(0)
    borrow: Decimal = Decimal(0)

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if not value.is_finite() or value < 0:
                raise ConfigurationError(f"{name} is {value}: must be a rate, 0 or above")


@dataclass(frozen=True, slots=True)
class Rules:
    """Everything a run depends on besides its readings.

    `fill_after` is how many observations after its signal a trade is filled: 0 at the very prices
    that gave the signal, 1 at the next ones.
    """

    parameters: Parameters = field(default_factory=Parameters)
    freshness: Freshness = field(default_factory=Freshness)
    pair: Pair = field(default_factory=Pair)
    sizing: Sizing = field(default_factory=Sizing)
    costs: Costs = field(default_factory=Costs)
    fill_after: int = 0

    def __post_init__(self) -> None:
        if self.fill_after < 0:
            raise ConfigurationError(f"fill_after is {self.fill_after}: must be 0 or above")


@dataclass(frozen=True, slots=True)
class Trade:
    """A position from its entry to its exit; money in dollars.

    `opened` and `closed` are the observations at whose prices it was filled; while it is open,
    `exit` is None and `closed` the last observation. `pnl` is `trust_pnl` + `spot_pnl` - `costs`;
    `lowest_pnl` the least that it stood at, exit costs not yet counted, at any observation between.
    """

    entry: Signal
    exit: Signal | None
    legs: Legs
    opened: Observation
    closed: Observation
    trust_pnl: Decimal
    spot_pnl: Decimal
    costs: Decimal
    lowest_pnl: Decimal

    @property
    def is_open(self) -> bool:
        """Whether the history ended before its exit."""
        return self.exit is None

    @property
    @exact
    def pnl(self) -> Decimal:
        """What it made, costs taken off."""
        return self.trust_pnl + self.spot_pnl - self.costs


@dataclass(frozen=True, slots=True)
class Backtest:
    """What a run found: every observation judged, what was unusable or too small, the trades."""

    rules: Rules
    assessments: Sequence[Assessment]
    unusable: Sequence[Unusable]
    not_entered: Sequence[tuple[Signal, str]]
    trades: Sequence[Trade]


@dataclass(slots=True)
class _Held:
    """An entry that was carried out: where in the history, and where its exit."""

    entry: Signal
    legs: Legs
    entered: int
    exit: Signal | None = None
    left: int | None = None


def backtest(readings: Iterable[Reading], rules: Rules | None = None) -> Backtest:
    """Run readings, oldest first, through the detector; each is seen once and never ahead."""
    rules = rules or Rules()
    detector = NavArbitrageDetector(rules.parameters)
    position: Position | None = None
    assessments: list[Assessment] = []
    unusable: list[Unusable] = []
    not_entered: list[tuple[Signal, str]] = []
    held: list[_Held] = []
    for reading in readings:
        seen = observe(reading, rules.freshness)
        if isinstance(seen, Unusable):
            unusable.append(seen)
            continue
        assessment = detector.observe(seen, position)
        assessments.append(assessment)
        signal = assessment.signal
        if signal is None:
            continue
        if signal.action is Action.EXIT:
            held[-1].exit, held[-1].left = signal, len(assessments) - 1
        else:
            try:
                legs = opening(signal, rules.pair, rules.sizing)
            except RequestRefused as refused:
                not_entered.append((signal, str(refused)))
                continue
            held.append(_Held(signal, legs, len(assessments) - 1))
        position = followed(position, signal)
    history = [assessment.observation for assessment in assessments]
    trades = [
        _trade(one, history, rules) for one in held if one.entered + rules.fill_after < len(history)
    ]
    return Backtest(rules, assessments, unusable, not_entered, trades)


@exact
def _trade(held: _Held, history: Sequence[Observation], rules: Rules) -> Trade:
    """Fill an entry and its exit, if the history goes on for as long as their fills take."""
    first = held.entered + rules.fill_after
    last = len(history) - 1
    leaving = held.exit
    if held.left is not None and held.left + rules.fill_after <= last:
        last = held.left + rules.fill_after
    else:
        leaving = None
    opened, closed = history[first], history[last]
    costs = _fees(held.legs, opened, rules.costs) + _borrowing(held.legs, opened, closed, rules)
    if leaving is not None:
        costs += _fees(held.legs, closed, rules.costs)
    trust, spot = _profits(held.legs, opened, closed)
    return Trade(
        entry=held.entry,
        exit=leaving,
        legs=held.legs,
        opened=opened,
        closed=closed,
        trust_pnl=trust,
        spot_pnl=spot,
        costs=costs,
        lowest_pnl=min(
            sum(_profits(held.legs, opened, seen), -_fees(held.legs, opened, rules.costs))
            - _borrowing(held.legs, opened, seen, rules)
            for seen in history[first : last + 1]
        ),
    )


@exact
def _profits(legs: Legs, opened: Observation, now: Observation) -> tuple[Decimal, Decimal]:
    """What each leg made, trust first."""
    trust = legs.trust.side.sign * legs.trust.quantity * (now.trust_price - opened.trust_price)
    spot = legs.spot.quantity * (now.spot_in_dollars - opened.spot_in_dollars)
    return trust, legs.spot.side.sign * spot


@exact
def _fees(legs: Legs, at: Observation, costs: Costs) -> Decimal:
    """The fees of filling both legs."""
    trust = legs.trust.quantity * at.trust_price * costs.trust_fee
    return trust + legs.spot.quantity * at.spot_in_dollars * costs.spot_fee


@exact
def _borrowing(legs: Legs, opened: Observation, until: Observation, rules: Rules) -> Decimal:
    """What the leg that is sold short costs to borrow, on its value at entry."""
    short_trust = legs.trust.side.sign < 0
    value = (
        legs.trust.quantity * opened.trust_price
        if short_trust
        else legs.spot.quantity * opened.spot_in_dollars
    )
    seconds = Decimal((until.at - opened.at).total_seconds())
    return value * rules.costs.borrow * seconds / _SECONDS_OF_A_YEAR
