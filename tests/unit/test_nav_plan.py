"""What the settings say of the arbitrage."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from execution.arbitrage.plan import Plan, broker_of, plan
from execution.domain.arbitrage.groups import Role
from execution.domain.arbitrage.legs import Pair
from execution.domain.errors import ConfigurationError
from execution.domain.mapping import ExchangeMapper
from execution.domain.vocabulary import BrokerName, ExecutionMode
from execution.market_calendar import ExchangeCalendars
from execution.settings import load

MONDAY = datetime(2026, 1, 5, 20, 55, tzinfo=UTC)
HOURS = ExchangeCalendars()


def read(**settings: Any) -> Plan:
    """The plan of some settings."""
    return plan(load(**settings), ExchangeMapper(), MONDAY)


def test_defaults() -> None:
    """GBTC against BTC-USDT, only observed, once a day; nobody has said what a share holds."""
    found = read()
    assert (found.pair, found.interval.name, found.enabled) == (Pair(), "1d", False)
    assert (found.mode, found.coins, found.bounds.short_spot) == (ExecutionMode.LIVE, None, None)
    assert found.notional == 10_000
    assert found.parameters.window == 60
    assert found.instrument(Role.SPOT).symbol == "BTC-USDT"
    assert broker_of(found.trust, ExecutionMode.LIVE) is BrokerName.IBKR
    assert broker_of(found.trust, ExecutionMode.PAPER) is BrokerName.PAPER


@pytest.mark.parametrize("name", ["nav_paper", "force_paper_trading"])
def test_both_legs_on_paper(name: str) -> None:
    """Asked for, or since everything is."""
    assert read(**{name: True}).mode is ExecutionMode.PAPER


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"nav_coins_per_share": "0.0008"}, "NAV_COINS_PER_SHARE and NAV_COINS_AS_OF go together"),
        ({"nav_coins_as_of": "2026-01-05"}, "NAV_COINS_PER_SHARE and NAV_COINS_AS_OF go together"),
        ({"nav_trust": "EURUSD"}, "NAV_TRUST is EURUSD, which is FX, not EQUITY"),
        ({"nav_spot": "GBTC"}, "NAV_SPOT is GBTC, which is EQUITY, not CRYPTO"),
        ({"nav_interval": "2d"}, "interval '2d'"),
        ({"nav_exit_z": "3"}, "exit_z is 3"),
        (
            {"nav_hours": "always", "execution_environment": "production"},
            "NAV_HOURS is always: that is for practice only",
        ),
        ({"nav_short_spot": "naked"}, "NAV_SHORT_SPOT"),
        ({"nav_notional": "0"}, "NAV_NOTIONAL"),
    ],
)
def test_what_makes_no_sense(settings: dict[str, Any], words: str) -> None:
    """Is refused by name."""
    with pytest.raises(ConfigurationError, match=words):
        read(**settings)


def test_coins_per_share() -> None:
    """With the date that they are as of."""
    found = read(nav_coins_per_share="0.0008", nav_coins_as_of="2026-01-02", nav_annual_fee="0.01")
    assert found.coins is not None
    assert found.coins.value == Decimal("0.0008")
    assert found.coins.annual_fee == Decimal("0.01")


def test_hours() -> None:
    """Those of the exchange; or none, for practice."""
    found, close = read(), datetime(2026, 1, 5, 21, tzinfo=UTC)
    assert found.interval_at(MONDAY, HOURS) == close
    assert found.closes_at(MONDAY, HOURS) == close
    night = MONDAY + timedelta(hours=6)
    assert found.interval_at(night, HOURS) is None
    assert found.closes_at(night, HOURS) is None
    always = read(nav_hours="always", nav_interval="15m")
    assert always.interval_at(night, HOURS) == datetime(2026, 1, 6, 2, 45, tzinfo=UTC)
    closes_at = always.closes_at(night, HOURS)
    assert closes_at is not None
    assert closes_at > night


def test_another_pair() -> None:
    """A group that was opened under other settings is traded where its own symbols are."""
    found = read().for_pair(Pair("ETHE", "ETH-USDT"), ExchangeMapper(), MONDAY.date())
    assert (found.trust.symbol, found.spot.base_currency) == ("ETHE", "ETH")
    assert read().for_pair(Pair(), ExchangeMapper(), MONDAY.date()) == read()
