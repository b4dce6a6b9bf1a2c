"""The settings of the NAV arbitrage; `execution.settings` has them all."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings

from execution.domain.arbitrage.permission import ShortSpot
from execution.durations import Seconds


class NavSettings(BaseSettings):
    """What is watched, how it is judged and what may be traded; see docs/arbitrage.md."""

    nav_arbitrage_enabled: bool = Field(
        default=False, description="Act on the signals of the NAV arbitrage; else only observe."
    )
    nav_trust: str = "GBTC"
    nav_spot: str = "BTC-USDT"
    nav_conversion: str | None = Field(
        default=None,
        description="Symbol whose price is dollars per unit of the spot's currency; without it "
        "USDT is taken for dollars, and observations are flagged.",
    )
    nav_coins_per_share: Decimal | None = Field(
        default=None, gt=0, description="What a share held on NAV_COINS_AS_OF; none: no watching."
    )
    nav_coins_as_of: date | None = None
    nav_coins_max_age: int = Field(
        default=7, ge=0, description="Days, beyond which coins per share are refused."
    )
    nav_annual_fee: Decimal = Field(default=Decimal("0.02"), ge=0, lt=1)
    nav_interval: str = Field(default="1d", description="Of one observation: 1d, 15m, 1h.")
    nav_window: int = Field(default=60, ge=2, le=1_000_000)
    nav_entry_z: Decimal = Field(default=Decimal(2), ge=0)
    nav_entry_spread: Decimal = Field(default=Decimal("0.02"), ge=0)
    nav_exit_z: Decimal = Field(default=Decimal("0.5"), ge=0)
    nav_longest_holding: Seconds | None = None
    nav_farthest_z: Decimal = Field(
        default=Decimal(10), gt=0, description="A Z beyond it is no observation until confirmed."
    )
    nav_largest_move: Decimal = Field(
        default=Decimal("0.25"),
        gt=0,
        description="Nor is a change of price / NAV since the observation before beyond this rate.",
    )
    nav_coins_tolerance: Decimal = Field(
        default=Decimal("0.002"),
        ge=0,
        description="By how much, as a rate, coins per share may differ from those observed "
        "before less the fee since; beyond it a person must confirm them.",
    )
    nav_poll: Seconds = Field(
        default=timedelta(seconds=5), description="How often the pair is looked at."
    )
    nav_hours: Literal["exchange", "always"] = Field(
        default="exchange", description="`always`: as if the trust never closed. Practice only."
    )
    nav_notional: Decimal = Field(
        default=Decimal(10_000), gt=0, description="Dollars of the trust an entry."
    )
    nav_largest_position: Decimal | None = Field(
        default=None, gt=0, description="Dollars of the trust that may be held after an entry."
    )
    nav_short_spot: ShortSpot | None = Field(
        default=None,
        description="How coins are sold short: `inventory` sells held ones, `margin` borrows; "
        "without it no entry does.",
    )
    nav_paper: bool = Field(default=False, description="Both legs on paper.")
    nav_leg_limit: Seconds = Field(
        default=timedelta(seconds=60), description="How long a leg may stand unfilled."
    )
    nav_balance_max_age: Seconds = timedelta(seconds=60)
    nav_shortable_max_age: Seconds = timedelta(minutes=15)
