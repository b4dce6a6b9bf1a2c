"""Coins per share: what one share of the trust holds, as of a date, less its fee since."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from execution.domain.arbitrage.numbers import EXACT, in_range, on_grid
from execution.domain.decimals import plain
from execution.domain.errors import ConfigurationError

_DAYS_OF_A_YEAR = 365


def checked_fee(annual_fee: Decimal) -> Decimal:
    """A fee as a rate a year, from 0 to below 1. Raises ConfigurationError."""
    if not annual_fee.is_finite() or not 0 <= annual_fee < 1:
        raise ConfigurationError(f"annual fee is {annual_fee}: must be a rate from 0 to below 1")
    return annual_fee


@dataclass(frozen=True, slots=True)
class CoinsPerShare:
    """`value` coins a share held on `as_of`; `annual_fee` is a rate (0.02 is 2 % a year).

    The fee accrues daily and is paid in coins, so each day leaves 1 - annual_fee / 365 of them.
    Source: the trust's reports to the SEC (Grayscale Bitcoin Trust, 10-Q, note on related parties).
    Raises ConfigurationError for a fee that cannot be one; a value that cannot be is a `problem`.
    """

    value: Decimal
    as_of: date
    annual_fee: Decimal = Decimal("0.02")

    def __post_init__(self) -> None:
        checked_fee(self.annual_fee)

    def problem(self, day: date, max_age_days: int) -> str | None:
        """Why it cannot serve for `day`; None if it can."""
        if not in_range(self.value):
            return f"coins per share {self.value} is no usable number"
        age = (day - self.as_of).days
        if age < 0:
            return f"coins per share as of {self.as_of} is not known on {day} yet"
        if age > max_age_days:
            return f"coins per share {plain(self.value)} is stale: as of {self.as_of}, {age} days"
        return None

    def on(self, day: date) -> Decimal:
        """The coins that a share holds on `day`, not before `as_of`: the value less the fee."""
        days = (day - self.as_of).days
        if days == 0:
            return self.value
        left = EXACT.divide(_DAYS_OF_A_YEAR - self.annual_fee, Decimal(_DAYS_OF_A_YEAR))
        return on_grid(EXACT.multiply(self.value, EXACT.power(left, days)))
