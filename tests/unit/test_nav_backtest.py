"""Legs and backtest: equal exposure, money by hand, and the real history worked out anew."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from execution.cli.nav_history import Columns, readings
from execution.domain.arbitrage.backtest import Backtest, Costs, Rules, backtest
from execution.domain.arbitrage.coins import CoinsPerShare
from execution.domain.arbitrage.detector import NavArbitrageDetector, detect
from execution.domain.arbitrage.legs import Leg, Pair, Sizing, opening
from execution.domain.arbitrage.prices import Observation, Price, Reading
from execution.domain.arbitrage.signals import Direction, Parameters, Signal
from execution.domain.arbitrage.summary import days_held, summarise
from execution.domain.errors import ConfigurationError, RequestRefused
from execution.domain.vocabulary import Side
from tests.nav_histories import COINS, REAL, Prices, at_spreads, histories, history, real

THREE = Parameters(window=3)
# In at -5 %, once worse, then out at the mean; the spot stands at 100,000 all the time.
STORY = ("-0.01", "0", "0.01", "-0.05", "-0.06", "0.01")


def as_readings(observations: list[Observation]) -> list[Reading]:
    """What was quoted when these were observed."""
    return [
        Reading(
            interval=one.interval,
            at=one.at,
            trust=Price(one.trust_price, one.at),
            spot=Price(one.spot_price, one.at),
            coins=CoinsPerShare(one.coins_per_share, one.at.date()),
        )
        for one in observations
    ]


def run(spreads: tuple[str, ...] = STORY, **rules: object) -> Backtest:
    """A backtest of a history with these spreads."""
    return backtest(as_readings(at_spreads(*spreads)), Rules(parameters=THREE, **rules))  # type: ignore[arg-type]


def entry(spread: str) -> Signal:
    """An entry at a spread far from a mean of 0 %."""
    *before, newest = at_spreads("-0.01", "0", "0.01", spread)
    signal = NavArbitrageDetector(THREE, before).observe(newest).signal
    assert signal is not None
    return signal


def test_long_legs() -> None:
    """10,000 dollars buy 105 shares at 95; the coins that they hold are sold."""
    legs = opening(entry("-0.05"), Pair(), Sizing())
    assert legs.trust == Leg("GBTC", Side.BUY, Decimal(105))
    assert legs.spot == Leg("BTC-USDT", Side.SELL, Decimal("0.105"))
    assert legs.unhedged_coins == 0
    assert not legs.closing


def test_short_legs_in_coarse_steps_and_back() -> None:
    """95 shares at 105 in steps of 10, their 0.09 coins in steps of 0.04; closed they turn."""
    sizing = Sizing(share_step=Decimal(10), coin_step=Decimal("0.04"))
    legs = opening(entry("0.05"), Pair("ETHE", "ETH-USDT"), sizing)
    assert legs.trust == Leg("ETHE", Side.SELL, Decimal(90))
    assert legs.spot == Leg("ETH-USDT", Side.BUY, Decimal("0.08"))
    assert legs.unhedged_coins == Decimal("0.01")
    back = legs.closed()
    assert (back.trust, back.closing) == (Leg("ETHE", Side.BUY, Decimal(90)), True)
    assert back.spot == Leg("ETH-USDT", Side.SELL, Decimal("0.08"))


@pytest.mark.parametrize(
    ("sizing", "message"),
    [
        (Sizing(notional=Decimal(94)), "94 dollars is less than one step of 1 GBTC"),
        (Sizing(coin_step=Decimal("0.2")), "10000 dollars is less than one step of 0.2 BTC-USDT"),
    ],
)
def test_too_small(sizing: Sizing, message: str) -> None:
    """Less than a step of either leg is no entry, and the reason names it."""
    with pytest.raises(RequestRefused, match=message):
        opening(entry("-0.05"), Pair(), sizing)


def test_an_exit_opens_nothing() -> None:
    """Whoever asks for the opening legs of an exit has made a mistake."""
    leaving = run().trades[0].exit
    assert leaving is not None
    with pytest.raises(ValueError, match="EXIT opens nothing"):
        opening(leaving, Pair(), Sizing())


size = st.decimals(Decimal("0.00001"), Decimal(5000), places=5).filter(bool)


@given(size, size, st.decimals(Decimal(1), Decimal(10**7), places=2))
def test_equal_exposure(share_step: Decimal, coin_step: Decimal, notional: Decimal) -> None:
    """Both legs are whole steps, the trust within the notional, the exposure within a coin step."""
    signal = entry("-0.05")
    try:
        legs = opening(signal, Pair(), Sizing(notional, share_step, coin_step))
    except RequestRefused:
        return
    shares, coins = Fraction(legs.trust.quantity), Fraction(legs.spot.quantity)
    assert (shares / Fraction(share_step)).denominator == 1
    assert (coins / Fraction(coin_step)).denominator == 1
    assert shares * 95 <= notional < (shares + Fraction(share_step)) * 95
    assert 0 <= shares * Fraction(COINS) - coins == Fraction(legs.unhedged_coins)
    assert legs.unhedged_coins < coin_step


@pytest.mark.parametrize("name", ["notional", "share_step", "coin_step"])
@pytest.mark.parametrize("value", ["0", "-1", "NaN", "Infinity"])
def test_sizes_that_make_no_sense(name: str, value: str) -> None:
    """They are refused by name."""
    with pytest.raises(ConfigurationError, match=f"^{name} is "):
        Sizing(**{name: Decimal(value)})


def test_a_trade_by_hand() -> None:
    """105 shares from 95 to 101 dollars, once at 94: 630 dollars, and 105 below on the way."""
    (trade,) = run().trades
    assert trade.opened.trust_price == 95
    assert trade.closed.trust_price == 101
    assert trade.trust_pnl == 630
    assert trade.spot_pnl == 0
    assert trade.costs == 0
    assert trade.pnl == 630
    assert trade.lowest_pnl == -105
    assert days_held(trade) == 2
    assert not trade.is_open


def test_both_legs_count() -> None:
    """The coins that were sold at 100,000 stand at 110,000 when the trade is closed."""
    story = at_spreads(*STORY)
    story[-1] = replace(story[-1], trust_price=Decimal(112), spot_price=Decimal(110_000))
    (trade,) = backtest(as_readings(story), Rules(parameters=THREE)).trades
    assert trade.trust_pnl == 105 * (112 - 95)
    assert trade.spot_pnl == -Decimal("0.105") * 10_000
    assert trade.pnl == 1785 - 1050


def test_short_trust() -> None:
    """The other way round: 95 shares sold at 105, bought back at 99."""
    (trade,) = run(("-0.01", "0", "0.01", "0.05", "-0.01")).trades
    assert trade.entry.direction is Direction.SHORT_TRUST_LONG_SPOT
    assert trade.trust_pnl == 570
    assert trade.pnl == 570
    assert trade.lowest_pnl == 0


def test_costs_by_hand() -> None:
    """0.1 % of each share fill, 0.2 % of each coin fill, 73 % a year of the coins for two days."""
    costs = Costs(trust_fee=Decimal("0.001"), spot_fee=Decimal("0.002"), borrow=Decimal("0.73"))
    (trade,) = run(costs=costs).trades
    entered = Decimal("9.975") + 21  # of 9,975 dollars in shares, of 10,500 in coins
    left = Decimal("10.605") + 21
    a_day = Decimal(21)
    assert trade.costs == entered + left + 2 * a_day
    assert trade.pnl == 630 - trade.costs
    assert trade.lowest_pnl == -105 - entered - a_day


def test_a_short_trust_borrows_shares() -> None:
    """73 % a year of 95 shares at 105 dollars for a day."""
    found = run(("-0.01", "0", "0.01", "0.05", "-0.01"), costs=Costs(borrow=Decimal("0.73")))
    assert found.trades[0].costs == Decimal("19.95")


@pytest.mark.parametrize("name", ["trust_fee", "spot_fee", "borrow"])
@pytest.mark.parametrize("value", ["-0.1", "NaN", "Infinity"])
def test_costs_that_make_no_sense(name: str, value: str) -> None:
    """They are refused by name."""
    with pytest.raises(ConfigurationError, match=f"^{name} is "):
        Costs(**{name: Decimal(value)})


def test_filled_later() -> None:
    """One observation after each signal: in at 94 and out at 103, of as many shares as before."""
    (trade,) = run((*STORY, "0.03"), fill_after=1).trades
    assert trade.entry.observation.trust_price == 95
    assert trade.opened.trust_price == 94
    assert trade.closed.trust_price == 103
    assert trade.pnl == 105 * 9


def test_what_the_end_leaves_open() -> None:
    """It is valued at the last prices and told apart; an entry that cannot be filled is none."""
    found = run(STORY[:-1], costs=Costs(trust_fee=Decimal("0.001")))
    (trade,) = found.trades
    assert trade.is_open
    assert trade.exit is None
    assert trade.trust_pnl == -105
    assert trade.costs == Decimal("9.975")  # not yet those of an exit
    summary = summarise(found)
    assert summary.open == 1
    assert summary.closed == 0
    assert summary.pnl == 0
    assert summary.open_pnl == Decimal("-114.975")
    assert run(STORY[:-2], fill_after=1).trades == []
    (late,) = run(STORY, fill_after=1).trades  # the exit's own fill is missing
    assert late.is_open
    assert late.closed.trust_price == 101


def test_negative_delays_make_no_sense() -> None:
    """Nobody trades before the signal."""
    with pytest.raises(ConfigurationError, match="fill_after is -1"):
        Rules(fill_after=-1)


def test_too_small_to_enter() -> None:
    """The signal is kept with its reason, nothing is held, and the next signal comes."""
    found = run(("-0.01", "0", "0.01", "-0.05", "-0.15", "-0.5"), sizing=Sizing(Decimal(60)))
    assert [reason for _, reason in found.not_entered] == [
        "a notional of 60 dollars is less than one step of 1 GBTC"
    ] * 2
    assert [trade.opened.trust_price for trade in found.trades] == [50]


def test_unusable_readings_are_told_and_left_out() -> None:
    """What is missing or no number neither enters the window nor gives a signal."""
    good = as_readings(at_spreads(*STORY))
    at = good[3].at
    bad = [
        replace(good[3], trust=None),
        replace(good[3], spot=Price(Decimal("NaN"), at)),
        replace(good[3], trust=Price(Decimal(1), at - timedelta(days=1))),
    ]
    found = backtest([*good[:3], *bad, *good[3:]], Rules(parameters=THREE))
    assert len(found.unusable) == 3
    assert [one.reasons for one in found.unusable[:1]] == [("trust price is missing",)]
    assert found.trades == run().trades


def test_a_summary_by_hand() -> None:
    """A trade of 630 dollars, one of -105, one of nothing, and one of 20 that is still open."""
    found = run()
    (won,) = found.trades
    lost = replace(won, trust_pnl=Decimal(-100), costs=Decimal(5), lowest_pnl=Decimal(-300))
    nothing = replace(won, trust_pnl=Decimal(-3), spot_pnl=Decimal(3))
    unfinished = replace(won, exit=None, trust_pnl=Decimal(20), opened=won.closed)
    summary = summarise(replace(found, trades=[won, lost, nothing, unfinished]))
    assert (summary.observations, summary.unusable, summary.unconverted) == (6, 0, 0)
    assert (summary.closed, summary.open, summary.won, summary.lost) == (3, 1, 1, 1)
    assert (summary.long_trust, summary.short_trust) == (4, 0)
    assert summary.pnl == 525
    assert summary.open_pnl == 20
    assert summary.costs == 5
    assert summary.average_pnl == 175
    assert summary.best_pnl == 630
    assert summary.worst_pnl == -105
    assert summary.lowest_pnl == -300
    assert summary.average_days == summary.longest_days == 2
    assert summary.first == found.assessments[0].observation.interval
    assert summary.last == found.assessments[-1].observation.interval


def test_a_summary_of_nothing() -> None:
    """No reading, no trade, no average."""
    summary = summarise(backtest([]))
    assert (summary.observations, summary.closed, summary.first) == (0, 0, None)
    assert summary.average_pnl is summary.best_pnl is summary.longest_days is None


@given(histories)
def test_the_backtest_trades_on_the_detector_s_signals(prices: Prices) -> None:
    """Its signals are those of the batch, each entry with its exit, in turn."""
    observations = history(prices)
    found = backtest(
        as_readings(observations),
        Rules(parameters=THREE, sizing=Sizing(Decimal(10**9), coin_step=Decimal("1e-9"))),
    )
    signals = [one.signal for one in detect(observations, THREE)]
    told = [signal for trade in found.trades for signal in (trade.entry, trade.exit)]
    assert [_brief(one) for one in told if one] == [_brief(one) for one in signals if one]
    assert all(not trade.is_open for trade in found.trades[:-1])


def _brief(signal: Signal) -> tuple[datetime, str, str]:
    return signal.at, signal.action, signal.direction


def the_real_one(**rules: object) -> Backtest:
    """The real history, run."""
    seen = readings(REAL, Columns(), spot_currency="USD", annual_fee=Decimal("0.02"))
    return backtest(seen, Rules(**rules))  # type: ignore[arg-type]


def independent(delay: int = 0) -> list[tuple[str, str, int, int, Fraction, float, float]]:
    """The trades of the real history, by plain numpy and fractions.

    For each: days of entry and exit, +1 where the trust is bought, shares, PnL, Z in and out.
    """
    rows = real()
    trust, spot, coins = (
        np.array([float(row[name]) for row in rows])
        for name in ("gbtc_close_usd", "btc_close_usd", "btc_per_share")
    )
    spread = trust / spot / coins - 1
    z = np.full(len(rows), np.nan)
    for i in range(60, len(rows)):
        z[i] = (spread[i] - np.mean(spread[i - 60 : i])) / np.std(spread[i - 60 : i], ddof=1)
    low, high = (z < -2) & (spread < -0.02), (z > 2) & (spread > 0.02)
    trades, i = [], 60
    while i < len(rows):
        if not (low[i] or high[i]):
            i += 1
            continue
        way = 1 if low[i] else -1
        over = (np.abs(z) < 0.5) | (z * way > 0)
        end = i + 1 + int(np.argmax(over[i + 1 :]))
        shares = floor(10_000 / Fraction(rows[i]["gbtc_close_usd"]))
        held = Fraction(floor(shares * Fraction(rows[i]["btc_per_share"]) * 100_000), 100_000)
        moved = [
            Fraction(rows[end + delay][name]) - Fraction(rows[i + delay][name])
            for name in ("gbtc_close_usd", "btc_close_usd")
        ]
        pnl = way * (shares * moved[0] - held * moved[1])
        trades.append((rows[i]["date"], rows[end]["date"], way, shares, pnl, z[i], z[end]))
        i = end + 1
    return trades


@pytest.mark.parametrize("delay", [0, 1])
def test_the_real_history_worked_out_anew(delay: int) -> None:
    """Every trade: its days, way, size, both Zs, and its PnL to the last digit."""
    expected = independent(delay)
    trades = the_real_one(fill_after=delay).trades
    assert len(trades) == len(expected)
    for trade, (entered, left, way, shares, pnl, z_in, z_out) in zip(trades, expected, strict=True):
        assert trade.exit is not None
        assert trade.entry.at.date() == date.fromisoformat(entered)
        assert trade.exit.at.date() == date.fromisoformat(left)
        assert trade.entry.direction.sign == way
        assert trade.legs.trust.quantity == shares
        assert Fraction(trade.pnl) == pnl
        assert float(trade.entry.score.z) == pytest.approx(z_in, rel=1e-9)
        assert float(trade.exit.score.z) == pytest.approx(z_out, rel=1e-9)


def test_the_known_figures_of_the_real_history() -> None:
    """Those that docs/arbitrage.md tells."""
    found = the_real_one()
    summary = summarise(found)
    assert summary.observations == 1733
    assert (summary.closed, summary.open, summary.won, summary.lost) == (24, 0, 22, 2)
    assert (summary.long_trust, summary.short_trust) == (5, 19)
    assert round(summary.pnl, 2) == Decimal("13272.68")
    assert summary.lowest_pnl is not None
    assert round(summary.lowest_pnl, 2) == Decimal("-13539.77")
    first, last = found.trades[0], found.trades[-1]
    assert first.entry.at == datetime(2015, 9, 14, 20, tzinfo=UTC)
    assert round(first.pnl, 2) == Decimal("693.77")
    assert last.closed.at == datetime(2022, 3, 18, 20, tzinfo=UTC)
    assert round(last.pnl, 2) == Decimal("-489.39")


def test_the_future_of_the_real_history_changes_nothing() -> None:
    """Cut off after each thousand days, it has made the same trades until then."""
    seen = readings(REAL, Columns(), spot_currency="USD", annual_fee=Decimal("0.02"))
    whole = backtest(seen).trades
    for day in (200, 1000, 1500):
        part = [trade for trade in backtest(seen[:day]).trades if not trade.is_open]
        assert part == whole[: len(part)]
        assert all(trade.closed.at > seen[day - 1].at for trade in whole[len(part) :])
