"""Paper fills: against the order or around mid, and a limit never worse than its limit."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from execution.domain.paper import Slippage, SlippageModel, fill_price
from execution.domain.reports import Quote
from execution.domain.vocabulary import OrderType, Side

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
RATE = Decimal("0.001")
MODELS: list[SlippageModel] = ["fixed", "uniform", "none"]

prices = st.decimals(min_value="0.0001", max_value=1_000_000, places=4)
rates = st.decimals(min_value=0, max_value="0.999", places=3)
# 53 bits over 2**53: what random.random() gives, 0 included and 1 not.
draws = st.integers(0, 2**53 - 1).map(lambda bits: Decimal(bits) / 2**53)
sides = st.sampled_from(Side)


def slippage(
    model: SlippageModel, rate: Decimal = RATE, draw: Decimal = Decimal("0.5")
) -> Slippage:
    """A model whose randomness is fixed."""
    return Slippage(model, rate, lambda: draw)


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
        made = fill_price(side, OrderType.MARKET, None, quote("99", "101"), used)
        assert made == Decimal(price)


@given(sides, quotes(), slippages())
def test_market_slips_within_its_rate(side: Side, market: Quote, used: Slippage) -> None:
    """A MARKET order fills at once, within the rate of mid and never at a price below zero."""
    price = fill_price(side, OrderType.MARKET, None, market, used)
    assert price is not None
    assert price > 0
    assert abs(price - market.mid) <= used.rate * market.mid * (1 + Decimal("1e-20"))


@given(sides, quotes(), rates)
def test_fixed_is_against_the_order(side: Side, market: Quote, rate: Decimal) -> None:
    """The fixed model never gives a better price than mid."""
    price = slippage("fixed", rate).price(market, side)
    assert price == market.mid * (1 + rate * side.sign)
    assert (price - market.mid) * side.sign >= 0


@given(sides, prices, quotes(), slippages())
def test_limit_is_never_worse_than_its_limit(
    side: Side, limit: Decimal, market: Quote, used: Slippage
) -> None:
    """A LIMIT fills exactly when the market crosses it, and at its limit or better."""
    price = fill_price(side, OrderType.LIMIT, limit, market, used)
    crossed = market.ask <= limit if side is Side.BUY else market.bid >= limit
    assert (price is not None) == crossed
    if price is not None:
        assert (limit - price) * side.sign >= 0
        assert price > 0


@given(sides, quotes(), slippages())
def test_limit_at_the_touch_fills(side: Side, market: Quote, used: Slippage) -> None:
    """A limit that equals the opposite side of the market is marketable."""
    touch = market.ask if side is Side.BUY else market.bid
    assert fill_price(side, OrderType.LIMIT, touch, market, used) is not None


def test_limit_gets_the_market_where_that_is_better() -> None:
    """A limit far through the market pays what a MARKET order pays, slippage included."""
    used, market = slippage("fixed"), quote("99", "101")
    assert fill_price(Side.BUY, OrderType.LIMIT, Decimal(150), market, used) == Decimal("100.1")
    assert fill_price(Side.SELL, OrderType.LIMIT, Decimal(50), market, used) == Decimal("99.9")
    near = fill_price(Side.BUY, OrderType.LIMIT, Decimal(101), quote("101", "101"), used)
    assert near == Decimal(101)


def test_without_a_limit_price_a_limit_rests() -> None:
    """A LIMIT without its price never fills."""
    assert fill_price(Side.BUY, OrderType.LIMIT, None, quote("1", "1"), slippage("none")) is None


def test_uniform_draws_once() -> None:
    """One draw makes one price: the same randomness gives the same fill."""
    drawn: list[Decimal] = []

    def draw() -> Decimal:
        drawn.append(Decimal("0.25"))
        return drawn[-1]

    assert Slippage("uniform", RATE, draw).price(quote("99", "101"), Side.BUY) == Decimal("99.95")
    assert len(drawn) == 1
