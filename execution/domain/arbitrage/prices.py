"""From what was quoted to an observation: complete, fresh, finite and in dollars, or unusable."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from execution.domain.arbitrage.coins import CoinsPerShare
from execution.domain.arbitrage.numbers import EXACT, in_range, on_grid

DOLLAR = "USD"
# Taken for a dollar where no quote of it is at hand; the observation is flagged then.
TAKEN_FOR_DOLLARS = frozenset({"USDT"})


@dataclass(frozen=True, slots=True)
class Price:
    """A price and the time of the venue's word (aware)."""

    value: Decimal
    at: datetime


@dataclass(frozen=True, slots=True)
class Freshness:
    """How old, at the time of an observation, its prices and its coins per share may be."""

    price_max_age: timedelta = timedelta(seconds=60)
    coins_max_age_days: int = 7


@dataclass(frozen=True, slots=True)
class Reading:
    """What is known at `at` (aware) for the interval that begins or closes at `interval`.

    `trust` is in dollars per share, `spot` in `spot_currency` per coin, `conversion` in dollars per
    unit of that currency. None is what nobody quoted.
    """

    interval: datetime
    at: datetime
    trust: Price | None
    spot: Price | None
    coins: CoinsPerShare | None
    spot_currency: str = DOLLAR
    conversion: Price | None = None


@dataclass(frozen=True, slots=True)
class Unusable:
    """A reading that is no observation, and every reason why."""

    interval: datetime
    at: datetime
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Observation:
    """One observation of the pair; all prices are finite and positive.

    `trust_price` is in dollars per share, `spot_price` as quoted, in `spot_currency` per coin;
    `conversion` in dollars per unit of it: 1 for dollars, None where a currency that is taken for
    dollars had no quote. `coins_per_share` is what a share holds now, accrued since `coins_as_of`.
    """

    interval: datetime
    at: datetime
    trust_price: Decimal
    spot_price: Decimal
    coins_per_share: Decimal
    coins_as_of: date
    spot_currency: str = DOLLAR
    conversion: Decimal | None = Decimal(1)

    def __post_init__(self) -> None:
        numbers = [self.trust_price, self.spot_price, self.coins_per_share]
        if self.conversion is not None:
            numbers.append(self.conversion)
        if not all(map(in_range, numbers)):
            raise ValueError(f"not an observation: {self}")

    @property
    def unconverted(self) -> bool:
        """Whether the spot price is taken for dollars without a quote that says so."""
        return self.conversion is None

    @property
    def spot_in_dollars(self) -> Decimal:
        """The spot price in dollars per coin."""
        return EXACT.multiply(
            self.spot_price, Decimal(1) if self.conversion is None else self.conversion
        )

    @property
    def nav_per_share(self) -> Decimal:
        """Net asset value of a share in dollars: spot price x coins per share."""
        return EXACT.multiply(self.spot_in_dollars, self.coins_per_share)

    @property
    def spread(self) -> Decimal:
        """Trust price / NAV - 1, at 30 decimals: -0.02 is a discount of 2 %."""
        return on_grid(EXACT.subtract(EXACT.divide(self.trust_price, self.nav_per_share), 1))


def observe(reading: Reading, freshness: Freshness) -> Observation | Unusable:
    """An observation of a reading, or why it is none."""
    trust, spot, coins = reading.trust, reading.spot, reading.coins
    conversion = _conversion(reading, freshness)
    reasons = tuple(_problems(reading, freshness, conversion))
    if trust is None or spot is None or coins is None or reasons:
        return Unusable(reading.interval, reading.at, reasons)
    return Observation(
        interval=reading.interval,
        at=reading.at,
        trust_price=trust.value,
        spot_price=spot.value,
        coins_per_share=coins.on(_day(reading)),
        coins_as_of=coins.as_of,
        spot_currency=reading.spot_currency,
        conversion=conversion,
    )


def _day(reading: Reading) -> date:
    return reading.at.astimezone(UTC).date()


def _conversion(reading: Reading, freshness: Freshness) -> Decimal | None:
    """Dollars per unit of the spot's currency; None where no usable quote says it."""
    if reading.spot_currency == DOLLAR:
        return Decimal(1)
    quoted = reading.conversion
    if quoted is None or _problem("", quoted, reading.at, freshness):
        return None
    return quoted.value


def _problems(reading: Reading, freshness: Freshness, conversion: Decimal | None) -> Iterator[str]:
    for name, price in (("trust", reading.trust), ("spot", reading.spot)):
        problem = _problem(name, price, reading.at, freshness)
        if problem:
            yield problem
    if reading.coins is None:
        yield "coins per share are missing"
    else:
        problem = reading.coins.problem(_day(reading), freshness.coins_max_age_days)
        if problem:
            yield problem
    if conversion is None and reading.spot_currency not in TAKEN_FOR_DOLLARS:
        yield f"no usable quote of {reading.spot_currency} in dollars"


def _problem(name: str, price: Price | None, at: datetime, freshness: Freshness) -> str | None:
    if price is None:
        return f"{name} price is missing"
    if not in_range(price.value):
        return f"{name} price {price.value} is no usable number"
    if price.at > at:
        return f"{name} price is dated {price.at.isoformat()}, after {at.isoformat()}"
    if at - price.at > freshness.price_max_age:
        return f"{name} price is stale: {(at - price.at).total_seconds():.0f} s old"
    return None
