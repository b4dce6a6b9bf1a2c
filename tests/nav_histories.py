"""Histories of a trust and its coin for tests: the real one, and made-up ones."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from hypothesis import strategies as st

from execution.domain.arbitrage.prices import Observation

REAL = Path(__file__).parents[1] / "examples" / "gbtc_btc_daily.csv"
START = datetime(2026, 1, 1, 21, tzinfo=UTC)
COINS = Decimal("0.001")

Prices = Sequence[tuple[Decimal, Decimal]]


def real() -> list[dict[str, str]]:
    """The rows of the real history."""
    with REAL.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def observation(
    day: int, trust: Decimal | str, spot: Decimal | str, coins: Decimal = COINS
) -> Observation:
    """What was seen on the `day`-th day."""
    at = START + timedelta(days=day)
    return Observation(at, at, Decimal(trust), Decimal(spot), coins, date(2026, 1, 1))


def history(prices: Prices, coins: Decimal = COINS) -> list[Observation]:
    """A day for each pair of (trust, spot) prices."""
    return [observation(day, *pair, coins) for day, pair in enumerate(prices)]


def at_spreads(*spreads: str) -> list[Observation]:
    """A day for each spread, at a NAV of 100 dollars."""
    nav = Decimal(100)
    return history([(nav * (1 + Decimal(spread)), nav / COINS) for spread in spreads])


price = st.decimals(Decimal("0.01"), Decimal(99999), places=4)
prices = st.lists(st.tuples(price, price), max_size=40)
# Around one level, so that windows are narrow and the next spread may be far from them.
near = st.decimals(Decimal(80), Decimal(120), places=3)
calm = st.lists(st.tuples(near, near.map(lambda value: value * 1000)), max_size=60)
histories = prices | calm
