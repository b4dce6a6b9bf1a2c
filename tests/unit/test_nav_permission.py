"""Whether an entry may be made: every reason against it, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from execution.domain.arbitrage.legs import Leg, Legs
from execution.domain.arbitrage.permission import (
    Balances,
    Bounds,
    Circumstances,
    ShortSpot,
    Venue,
    not_both,
    objections,
)
from execution.domain.arbitrage.prices import Observation
from execution.domain.lending import Shortable
from execution.domain.routing import BrokerStatus
from execution.domain.vocabulary import (
    BreakerState,
    BrokerName,
    ExecutionMode,
    SessionStatus,
    Side,
)

NOW = datetime(2026, 1, 5, 20, 55, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SEEN = Observation(
    NOW, NOW, Decimal(45), Decimal(62500), Decimal("0.0008"), date(2026, 1, 5), "USDT", None
)
READY = BrokerStatus(SessionStatus.LIVE_READY, MINUTE, None, BreakerState.CLOSED)
SHARES, COINS = Decimal(200), Decimal("0.16")
LONG = Legs(
    Leg("GBTC", Side.BUY, SHARES), Leg("BTC-USDT", Side.SELL, COINS), unhedged_coins=Decimal(0)
)
SHORT = LONG.closed()
TRUST = Venue(BrokerName.IBKR, READY, "USD", None, Balances({"USD": Decimal(9000)}, NOW))
SPOT = Venue(
    BrokerName.BINANCE,
    READY,
    "USDT",
    "BTC",
    Balances({"USDT": Decimal(10000), "BTC": COINS}, NOW),
)
KNOWN = Circumstances(
    NOW,
    ExecutionMode.LIVE,
    TRUST,
    SPOT,
    NOW + 5 * MINUTE,
    Shortable("GBTC", SHARES, NOW, "IBKR"),
)
BOUNDS = Bounds(
    MINUTE, MINUTE, 15 * MINUTE, largest_position=Decimal(9000), short_spot=ShortSpot.INVENTORY
)
PAPER = replace(
    KNOWN,
    mode=ExecutionMode.PAPER,
    trust=replace(TRUST, broker=BrokerName.PAPER, balances=None),
    spot=replace(SPOT, broker=BrokerName.PAPER, balances=None),
    shortable=None,
)


def trust(**changes: Any) -> Circumstances:
    """What is known, with another trust's venue."""
    return replace(KNOWN, trust=replace(TRUST, **changes))


def spot(**changes: Any) -> Circumstances:
    """What is known, with another spot's venue."""
    return replace(KNOWN, spot=replace(SPOT, **changes))


@pytest.mark.parametrize("legs", [LONG, SHORT])
@pytest.mark.parametrize("known", [KNOWN, PAPER])
def test_nothing_against_it(legs: Legs, known: Circumstances) -> None:
    """Everything at its very bound. On paper nothing is paid for, and nothing is lent."""
    assert objections(legs, SEEN, known, BOUNDS) == ()


OLD = NOW - timedelta(seconds=61)
AGAINST: list[tuple[Legs, Circumstances, Bounds, str]] = [
    (LONG, trust(status=None), BOUNDS, "no worker of IBKR is there"),
    (LONG, spot(status=replace(READY, status=None)), BOUNDS, "no worker of BINANCE is there"),
    (
        SHORT,
        spot(status=replace(READY, status=SessionStatus.DOWN, detail="cut")),
        BOUNDS,
        "BINANCE is DOWN: cut",
    ),
    (
        SHORT,
        trust(status=replace(READY, breaker=BreakerState.HALF_OPEN)),
        BOUNDS,
        "the circuit breaker of IBKR is HALF_OPEN",
    ),
    (LONG, replace(KNOWN, closes_at=None), BOUNDS, "the trust's session is not open"),
    (
        LONG,
        replace(KNOWN, closes_at=NOW + timedelta(seconds=59)),
        BOUNDS,
        "the trust's session closes at 2026-01-05T20:55:59+00:00",
    ),
    (
        LONG,
        KNOWN,
        replace(BOUNDS, largest_position=Decimal(8999)),
        "GBTC would be 9000 dollars, above the largest position of 8999",
    ),
    (
        LONG,
        trust(held=Decimal(1)),
        BOUNDS,
        "GBTC would be 9045 dollars, above the largest position of 9000",
    ),
    (
        LONG,
        KNOWN,
        replace(BOUNDS, short_spot=None),
        "NAV_SHORT_SPOT is not set: inventory sells held coins, margin borrows them",
    ),
    (
        LONG,
        KNOWN,
        replace(BOUNDS, short_spot=ShortSpot.MARGIN),
        "NAV_SHORT_SPOT is margin, and BINANCE lends no coins here",
    ),
    (
        LONG,
        PAPER,
        replace(BOUNDS, short_spot=None),
        "NAV_SHORT_SPOT is not set: inventory sells held coins, margin borrows them",
    ),
    (LONG, trust(balances=None), BOUNDS, "nobody has said what the account at IBKR holds"),
    (
        LONG,
        trust(balances=Balances({"USD": Decimal("8999.99")}, NOW)),
        BOUNDS,
        "IBKR holds 8999.99 USD, 9000 are needed",
    ),
    (
        LONG,
        spot(balances=Balances({"BTC": Decimal("0.15999")}, NOW)),
        BOUNDS,
        "BINANCE holds 0.15999 BTC, 0.16 are needed",
    ),
    (
        SHORT,
        spot(balances=Balances({"USDT": Decimal(9999)}, NOW)),
        BOUNDS,
        "BINANCE holds 9999 USDT, 10000 are needed",
    ),
    (SHORT, trust(balances=Balances({}, NOW)), BOUNDS, "IBKR holds 0 USD, 9000 are needed"),
    (
        LONG,
        trust(balances=Balances({"USD": Decimal(9000)}, OLD)),
        BOUNDS,
        "the balances at IBKR are 61 s old",
    ),
    (
        SHORT,
        replace(KNOWN, shortable=None),
        BOUNDS,
        "nobody has said how many shares of GBTC can be borrowed",
    ),
    (
        SHORT,
        replace(KNOWN, shortable=Shortable("GBTC", Decimal(199), NOW, "IBKR")),
        BOUNDS,
        "199 shares of GBTC can be borrowed, not 200",
    ),
    (
        SHORT,
        replace(KNOWN, shortable=Shortable("GBTC", SHARES, NOW - timedelta(seconds=901), "IBKR")),
        BOUNDS,
        "how many shares of GBTC can be borrowed is 901 s old",
    ),
]


@pytest.mark.parametrize(("legs", "known", "bounds", "words"), AGAINST)
def test_each_reason(legs: Legs, known: Circumstances, bounds: Bounds, words: str) -> None:
    """Told in words, and alone."""
    assert objections(legs, SEEN, known, bounds) == (words,)


def test_what_is_not_needed_is_not_asked() -> None:
    """Coins for a purchase, shares to borrow for one, or where all that is sold is held."""
    poor = spot(balances=Balances({"USDT": Decimal(10000)}, NOW))
    assert objections(SHORT, SEEN, poor, BOUNDS) == ()
    assert objections(SHORT, SEEN, KNOWN, replace(BOUNDS, short_spot=None)) == ()
    assert objections(LONG, SEEN, replace(KNOWN, shortable=None), BOUNDS) == ()
    held = replace(trust(held=SHARES), shortable=Shortable("GBTC", Decimal(0), NOW, "IBKR"))
    assert objections(SHORT, SEEN, held, BOUNDS) == ()
    lending = spot(lends=True, balances=Balances({}, NOW))
    assert objections(LONG, SEEN, lending, replace(BOUNDS, short_spot=ShortSpot.MARGIN)) == ()


def test_on_paper_coins_are_lent() -> None:
    """The simulation asks for no coins; that they are borrowed must be said all the same."""
    assert objections(LONG, SEEN, PAPER, replace(BOUNDS, short_spot=ShortSpot.MARGIN)) == ()


def test_all_reasons_together() -> None:
    """None hides another."""
    known = replace(KNOWN, closes_at=None, shortable=None, trust=replace(TRUST, status=None))
    assert len(objections(SHORT, SEEN, known, BOUNDS)) == 3


def test_whether_both_legs_can_leave() -> None:
    """For an exit only the venues and the session count."""
    assert not_both(replace(KNOWN, shortable=None), MINUTE) is None
    assert not_both(replace(KNOWN, closes_at=None), MINUTE) == "the trust's session is not open"
