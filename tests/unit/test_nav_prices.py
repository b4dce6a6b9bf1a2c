"""What makes an observation, and what is refused: missing, stale, not finite, not in dollars."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from execution.domain.arbitrage.coins import CoinsPerShare
from execution.domain.arbitrage.prices import (
    Freshness,
    Observation,
    Price,
    Reading,
    Unusable,
    observe,
)
from execution.domain.errors import ConfigurationError

AT = datetime(2026, 1, 5, 20, 55, tzinfo=UTC)
GOOD = Reading(
    interval=AT + timedelta(minutes=5),
    at=AT,
    trust=Price(Decimal(49), AT - timedelta(seconds=3)),
    spot=Price(Decimal(50_000), AT),
    coins=CoinsPerShare(Decimal("0.001"), date(2026, 1, 5)),
)
FRESHNESS = Freshness(timedelta(seconds=60), coins_max_age_days=3)
LATER = AT + timedelta(seconds=1)


def test_an_observation() -> None:
    """50,000 dollars x 0.001 coins are a NAV of 50; 49 for it is a spread of -2 %."""
    seen = observe(GOOD, FRESHNESS)
    assert isinstance(seen, Observation)
    assert seen.nav_per_share == 50
    assert seen.spread == Decimal("-0.02")
    assert not seen.unconverted
    assert (seen.interval, seen.at) == (GOOD.interval, AT)


@pytest.mark.parametrize("value", ["NaN", "sNaN", "Infinity", "-Infinity", "0", "-1", "1e15"])
@pytest.mark.parametrize("name", ["trust", "spot", "coins"])
def test_no_usable_number(name: str, value: str) -> None:
    """What is not a positive, finite number of a size that can be is refused by name."""
    number = Decimal(value)
    bad = CoinsPerShare(number, date(2026, 1, 5)) if name == "coins" else Price(number, AT)
    seen = observe(replace(GOOD, **{name: bad}), FRESHNESS)  # type: ignore[arg-type]
    assert isinstance(seen, Unusable)
    (reason,) = seen.reasons
    assert name in reason
    assert "no usable number" in reason


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"trust": None}, "trust price is missing"),
        ({"spot": None}, "spot price is missing"),
        ({"coins": None}, "coins per share are missing"),
        ({"trust": Price(Decimal(49), AT - timedelta(seconds=61))}, "trust price is stale: 61 s"),
        ({"spot": Price(Decimal(1), AT - timedelta(hours=1))}, "spot price is stale: 3600 s old"),
        ({"spot": Price(Decimal(1), LATER)}, "spot price is dated 2026-01-05T20:55:01+00:00, aft"),
        ({"coins": CoinsPerShare(Decimal(1), date(2026, 1, 1))}, "is stale: as of 2026-01-01, 4"),
        ({"coins": CoinsPerShare(Decimal(1), date(2026, 1, 6))}, "not known on 2026-01-05 yet"),
        ({"spot_currency": "EUR"}, "no usable quote of EUR in dollars"),
        (
            {"spot_currency": "EUR", "conversion": Price(Decimal("1.1"), AT - timedelta(hours=1))},
            "no usable quote of EUR in dollars",
        ),
    ],
)
def test_refused(change: dict[str, object], reason: str) -> None:
    """What is missing, stale, dated ahead or in no known money is refused with the reason."""
    seen = observe(replace(GOOD, **change), FRESHNESS)  # type: ignore[arg-type]
    assert isinstance(seen, Unusable)
    assert [reason in one for one in seen.reasons] == [True], seen.reasons


def test_every_reason_is_told() -> None:
    """Not only the first."""
    seen = observe(replace(GOOD, trust=None, spot=None, coins=None), FRESHNESS)
    assert isinstance(seen, Unusable)
    assert len(seen.reasons) == 3


def test_just_fresh_enough() -> None:
    """Sixty seconds and three days are within their limits."""
    old = replace(
        GOOD,
        trust=Price(Decimal(49), AT - timedelta(seconds=60)),
        coins=CoinsPerShare(Decimal("0.001"), date(2026, 1, 2)),
    )
    assert isinstance(observe(old, FRESHNESS), Observation)


def test_tether_is_converted() -> None:
    """50,000 USDT at 0.98 dollars are 49,000 dollars: a trust price of 49 has no discount."""
    seen = observe(
        replace(GOOD, spot_currency="USDT", conversion=Price(Decimal("0.98"), AT)), FRESHNESS
    )
    assert isinstance(seen, Observation)
    assert seen.spot_in_dollars == 49_000
    assert seen.spread == 0
    assert not seen.unconverted


@pytest.mark.parametrize(
    "conversion",
    [
        None,
        Price(Decimal("NaN"), AT),
        Price(Decimal(0), AT),
        Price(Decimal("0.98"), AT - timedelta(minutes=2)),
        Price(Decimal("0.98"), LATER),
    ],
)
def test_tether_without_a_usable_quote_is_flagged(conversion: Price | None) -> None:
    """It is taken for a dollar then, and says so."""
    seen = observe(replace(GOOD, spot_currency="USDT", conversion=conversion), FRESHNESS)
    assert isinstance(seen, Observation)
    assert seen.spot_in_dollars == 50_000
    assert seen.unconverted
    assert seen.conversion is None


def test_dollars_need_no_conversion() -> None:
    """A quote that stands beside a price in dollars changes nothing."""
    seen = observe(replace(GOOD, conversion=Price(Decimal("0.5"), AT)), FRESHNESS)
    assert isinstance(seen, Observation)
    assert seen.spot_in_dollars == 50_000


@pytest.mark.parametrize("value", ["0", "-1", "NaN", "Infinity"])
def test_an_observation_cannot_be_made_of_anything_else(value: str) -> None:
    """Whoever makes one by hand is held to the same."""
    good = observe(GOOD, FRESHNESS)
    assert isinstance(good, Observation)
    for name in ("trust_price", "spot_price", "coins_per_share", "conversion"):
        with pytest.raises(ValueError, match="not an observation"):
            replace(good, **{name: Decimal(value)})  # type: ignore[arg-type]


@pytest.mark.parametrize("fee", ["1", "-0.01", "NaN", "Infinity"])
def test_a_fee_that_makes_no_sense(fee: str) -> None:
    """It is refused by name."""
    with pytest.raises(ConfigurationError, match=f"^annual fee is {fee}"):
        CoinsPerShare(Decimal(1), AT.date(), Decimal(fee))


@given(
    st.decimals(Decimal("0.0001"), Decimal(10), places=8),
    st.integers(0, 400),
    st.decimals(Decimal(0), Decimal("0.5"), places=4),
)
def test_the_fee_accrues_daily(value: Decimal, days: int, fee: Decimal) -> None:
    """Each day leaves 1 - fee / 365 of the coins, to 30 decimals."""
    coins = CoinsPerShare(value, date(2026, 1, 1), fee)
    exact = Fraction(value) * (1 - Fraction(fee) / 365) ** days
    held = coins.on(date(2026, 1, 1) + timedelta(days))
    assert abs(Fraction(held) - exact) <= Fraction(1, 10**30)


def test_on_its_own_day_the_value_stands() -> None:
    """Nothing accrues within the day."""
    assert CoinsPerShare(Decimal("0.00094545"), AT.date()).on(AT.date()) == Decimal("0.00094545")
