"""What the settings say of the arbitrage, checked and put in the domain's terms."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from execution.domain.arbitrage.coins import CoinsPerShare
from execution.domain.arbitrage.groups import Role
from execution.domain.arbitrage.intervals import Interval
from execution.domain.arbitrage.legs import Pair
from execution.domain.arbitrage.permission import Bounds
from execution.domain.arbitrage.plausible import Plausibility
from execution.domain.arbitrage.prices import Freshness
from execution.domain.arbitrage.signals import Parameters
from execution.domain.errors import ConfigurationError
from execution.domain.instruments import Instrument
from execution.domain.mapping import ExchangeMapper
from execution.domain.market_hours import MarketHours
from execution.domain.routing import LIVE_ROUTES
from execution.domain.vocabulary import AssetClass, BrokerName, Environment, ExecutionMode
from execution.settings import Settings

STRATEGY = "nav-arbitrage"
"""The strategy that its orders and their fills carry."""
_MIDNIGHT = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is watched and how it is traded. `coins` is None where nobody said what a share holds.

    `always_open` stands for a trust that never closes. `mode` is what a new group trades in.
    """

    pair: Pair
    trust: Instrument
    spot: Instrument
    conversion: Instrument | None
    interval: Interval
    parameters: Parameters
    freshness: Freshness
    coins: CoinsPerShare | None
    notional: Decimal
    bounds: Bounds
    mode: ExecutionMode
    enabled: bool
    always_open: bool
    plausible: Plausibility = field(default_factory=Plausibility)

    def for_pair(self, pair: Pair, mapper: ExchangeMapper, day: date) -> Plan:
        """The same for another pair, such as a group's that was opened under other settings."""
        if pair == self.pair:
            return self
        trust, spot = (mapper.map(name, on=day) for name in (pair.trust, pair.spot))
        return replace(self, pair=pair, trust=trust, spot=spot)

    def instrument(self, role: Role) -> Instrument:
        """The instrument of a role."""
        return self.trust if role is Role.TRUST else self.spot

    def interval_at(self, now: datetime, hours: MarketHours) -> datetime | None:
        """The interval that `now` belongs to; None when none is to be observed."""
        if not self.always_open:
            return self.interval.of(now, self.trust, hours)
        length = self.interval.length or _DAY
        return _MIDNIGHT + (now - _MIDNIGHT) // length * length

    def closes_at(self, now: datetime, hours: MarketHours) -> datetime | None:
        """When the trust's session ends; None out of it."""
        if self.always_open:
            return now + _DAY
        open_now = Interval("1m", timedelta(minutes=1)).of(now, self.trust, hours)
        return None if open_now is None else hours.close_after(self.trust, now)


def broker_of(instrument: Instrument, mode: ExecutionMode) -> BrokerName:
    """Where an instrument is traded in a mode."""
    if mode is ExecutionMode.PAPER:
        return BrokerName.PAPER
    return LIVE_ROUTES[instrument.asset_class]


def plan(settings: Settings, mapper: ExchangeMapper, now: datetime) -> Plan:
    """Read the settings. Raises ConfigurationError for what makes no sense, or RequestRefused."""
    always = settings.nav_hours == "always"
    if always and settings.execution_environment is Environment.PRODUCTION:
        raise ConfigurationError("NAV_HOURS is always: that is for practice only")
    day = now.astimezone(UTC).date()
    trust, spot = (mapper.map(name, on=day) for name in (settings.nav_trust, settings.nav_spot))
    for name, instrument, wanted in (
        ("NAV_TRUST", trust, AssetClass.EQUITY),
        ("NAV_SPOT", spot, AssetClass.CRYPTO),
    ):
        if instrument.asset_class is not wanted:
            raise ConfigurationError(
                f"{name} is {instrument.symbol}, which is {instrument.asset_class}, not {wanted}"
            )
    paper = settings.nav_paper or settings.force_paper_trading
    return Plan(
        pair=Pair(trust.symbol, spot.symbol),
        trust=trust,
        spot=spot,
        conversion=None
        if settings.nav_conversion is None
        else mapper.map(settings.nav_conversion, on=day),
        interval=Interval.parse(settings.nav_interval),
        parameters=Parameters(
            settings.nav_window,
            settings.nav_entry_z,
            settings.nav_entry_spread,
            settings.nav_exit_z,
            settings.nav_longest_holding,
        ),
        freshness=Freshness(settings.quote_max_age, settings.nav_coins_max_age),
        coins=_coins(settings),
        notional=settings.nav_notional,
        bounds=Bounds(
            leg_limit=settings.nav_leg_limit,
            balance_max_age=settings.nav_balance_max_age,
            shortable_max_age=settings.nav_shortable_max_age,
            largest_position=settings.nav_largest_position,
            short_spot=settings.nav_short_spot,
        ),
        mode=ExecutionMode.PAPER if paper else ExecutionMode.LIVE,
        enabled=settings.nav_arbitrage_enabled,
        always_open=always,
        plausible=Plausibility(
            settings.nav_farthest_z,
            settings.nav_largest_move,
            settings.nav_coins_tolerance,
            settings.nav_annual_fee,
        ),
    )


def _coins(settings: Settings) -> CoinsPerShare | None:
    value, as_of = settings.nav_coins_per_share, settings.nav_coins_as_of
    if (value is None) != (as_of is None):
        raise ConfigurationError("NAV_COINS_PER_SHARE and NAV_COINS_AS_OF go together")
    if value is None or as_of is None:
        return None
    return CoinsPerShare(value, as_of, settings.nav_annual_fee)
