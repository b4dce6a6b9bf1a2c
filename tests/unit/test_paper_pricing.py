"""Paper fills: against the order or around mid, and a limit never worse than its limit."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from execution.domain.paper.slippage import (
    Slippage,
    SlippageModel,
    fill_price,
    is_marketable,
    seeded_draw,
)
from execution.domain.reports import Quote
from execution.domain.vocabulary import Side

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
RATE = Decimal("0.001")
MODELS: list[SlippageModel] = ["fixed", "uniform", "none"]
NAME = "a-1:1"

# Futures have traded below zero, so prices may.
prices = st.decimals(min_value=-1_000_000, max_value=1_000_000, places=4)
rates = st.decimals(min_value=0, max_value="0.999", places=3)
draws = st.integers(0, 10**6 - 1).map(lambda number: Decimal(number) / 10**6)
sides = st.sampled_from(Side)


def slippage(
    model: SlippageModel, rate: Decimal = RATE, draw: Decimal = Decimal("0.5")
) -> Slippage:
    """A model whose randomness is fixed."""
    return Slippage(model, rate, lambda _: draw)


def quote(bid: Decimal | str, ask: Decimal | str) -> Quote:
    """A quote of SPY."""
    return Quote("SPY", Decimal(bid), Decimal(ask), NOON, "test")


@st.composite
def quotes(draw: st.DrawFn) -> Quote:
    """Any market that is not crossed."""
    bid, ask = sorted([draw(prices), draw(prices)])
    return quote(bid, ask)


@st.composite
def slippages(draw: st.DrawFn) -> Slippage:
    """Any model, rate and draw."""
    return slippage(draw(st.sampled_from(MODELS)), draw(rates), draw(draws))


@pytest.mark.parametrize(
    ("model", "draw", "buy", "sell"),
    [
        ("none", "0.9", "100", "100"),
        ("fixed", "0.9", "100.1", "99.9"),
        ("uniform", "0", "99.9", "99.9"),
        ("uniform", "0.5", "100", "100"),
        ("uniform", "0.75", "100.05", "100.05"),
    ],
)
def test_market_prices(model: SlippageModel, draw: str, buy: str, sell: str) -> None:
    """Known prices around a mid of 100."""
    used = slippage(model, draw=Decimal(draw))
    for side, price in ((Side.BUY, buy), (Side.SELL, sell)):
        assert fill_price(side, None, quote("99", "101"), used, NAME) == Decimal(price)


@given(sides, quotes(), slippages())
def test_slippage_stays_within_its_rate(side: Side, market: Quote, used: Slippage) -> None:
    """Without a limit the price lies within the rate of mid, on the same side of zero."""
    price = fill_price(side, None, market, used, NAME)
    assert abs(price - market.mid) <= used.rate * abs(market.mid) * (1 + Decimal("1e-20"))
    assert price * market.mid > 0 or price == market.mid == 0


@given(sides, quotes(), rates)
def test_fixed_is_against_the_order(side: Side, market: Quote, rate: Decimal) -> None:
    """The fixed model never gives a better price than mid, below zero neither."""
    price = slippage("fixed", rate).price(market, side, NAME)
    assert (price - market.mid) * side.sign == rate * abs(market.mid)


@given(sides, prices, quotes(), slippages())
def test_limit_is_never_worse_than_its_limit(
    side: Side, limit: Decimal, market: Quote, used: Slippage
) -> None:
    """A limit is kept, slippage included, and costs nothing where the market is better."""
    price = fill_price(side, limit, market, used, NAME)
    free = fill_price(side, None, market, used, NAME)
    assert (limit - price) * side.sign >= 0
    assert price == (free if (limit - free) * side.sign >= 0 else limit)


@given(sides, prices, quotes())
def test_a_limit_is_marketable_when_crossed(side: Side, limit: Decimal, market: Quote) -> None:
    """A BUY looks at the ask and a SELL at the bid; the touch itself is enough."""
    touch = market.ask if side is Side.BUY else market.bid
    assert is_marketable(side, limit, market) == ((limit - touch) * side.sign >= 0)
    assert is_marketable(side, touch, market)
    assert is_marketable(side, None, market)


def test_limit_gets_the_market_where_that_is_better() -> None:
    """A limit far through the market pays what an order without one pays."""
    used, market = slippage("fixed"), quote("99", "101")
    assert fill_price(Side.BUY, Decimal(150), market, used, NAME) == Decimal("100.1")
    assert fill_price(Side.SELL, Decimal(50), market, used, NAME) == Decimal("99.9")
    assert fill_price(Side.BUY, Decimal(101), quote("101", "101"), used, NAME) == Decimal(101)


@given(st.integers(), st.text(st.characters(codec="utf-8"), max_size=20))
def test_draws_depend_on_seed_and_name_alone(seed: int, name: str) -> None:
    """A draw is a fraction in [0, 1) that a restart repeats."""
    drawn = seeded_draw(seed)(name)
    assert 0 <= drawn < 1
    other = seeded_draw(seed)
    other("another")
    assert other(name) == drawn


def test_draws_are_spread() -> None:
    """Other names and other seeds draw other fractions, all over the range."""
    drawn = [seeded_draw(seed)(f"order:{number}") for seed in range(4) for number in range(500)]
    assert len(set(drawn)) > 1_980
    for tenth in range(10):
        low = Decimal(tenth) / 10
        assert 120 < sum(low <= value < low + Decimal("0.1") for value in drawn) < 280


def test_uniform_draws_by_the_execution() -> None:
    """An execution's own name decides its draw, once."""
    asked: list[str] = []

    def draw(name: str) -> Decimal:
        asked.append(name)
        return Decimal("0.25")

    used = Slippage("uniform", RATE, draw)
    assert used.price(quote("99", "101"), Side.BUY, "o:7") == Decimal("99.95")
    assert asked == ["o:7"]


def test_draws_never_change() -> None:
    """A later version repeats the prices of an earlier one, seed by seed."""
    assert seeded_draw(7)("a-1:1") == Decimal("0.929642")
