"""Fitting an order to what its venue takes: never up, never silently, refused by name."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from execution.domain.errors import NotTradedNow, RequestRefused
from execution.domain.trading_rules import (
    Terms,
    TradingRules,
    check_traded,
    fit,
    needs_price,
)
from execution.domain.vocabulary import OrderType, Side

D = Decimal
RULES = TradingRules(
    symbol="BTC-USDT",
    quantity_step=D("0.00001"),
    minimum_quantity=D("0.00001"),
    maximum_quantity=D(9000),
    market_maximum_quantity=D(120),
    price_step=D("0.01"),
    minimum_price=D("0.01"),
    maximum_price=D(1000000),
    minimum_notional=D(5),
    maximum_notional=D(9000000),
    maximum_notional_at_market=False,
    minimum_trail=D("0.1"),
    maximum_trail=D(20),
    trail_step=D("0.01"),
)
MARKET = Terms(Side.BUY, OrderType.MARKET, D(1))
LIMIT = Terms(Side.BUY, OrderType.LIMIT, D(1), limit_price=D(64000))


def test_what_fits_is_left_as_it_is() -> None:
    """No digit changes."""
    assert fit(LIMIT, RULES, None, "BINANCE") == LIMIT
    assert fit(LIMIT, RULES, None, "BINANCE").differs(LIMIT) == {}


def test_a_quantity_rounds_down() -> None:
    """0.123459 is 0.12345, never 0.12346."""
    fitted = fit(replace(LIMIT, quantity=D("0.123459999")), RULES, None, "BINANCE")
    assert fitted.quantity == D("0.12345")
    assert fitted.differs(LIMIT) == {"quantity": D("0.12345")}


@pytest.mark.parametrize(("side", "price"), [(Side.BUY, "64000.11"), (Side.SELL, "64000.12")])
def test_a_limit_rounds_passively(side: Side, price: str) -> None:
    """A BUY pays no more than was asked, a SELL gets no less."""
    asked = replace(LIMIT, side=side, limit_price=D("64000.119"))
    assert fit(asked, RULES, None, "BINANCE").limit_price == D(price)


@pytest.mark.parametrize(("side", "price"), [(Side.BUY, "64000.11"), (Side.SELL, "64000.12")])
def test_a_stop_never_triggers_later(side: Side, price: str) -> None:
    """A BUY stop rounds down and a SELL stop up: toward the market it comes from."""
    asked = Terms(side, OrderType.STOP, D(1), stop_price=D("64000.119"))
    assert fit(asked, RULES, None, "BINANCE").stop_price == D(price)


@pytest.mark.parametrize(
    ("terms", "words"),
    [
        (replace(LIMIT, quantity=D("0.000001")), "quantity: 0.000001 of BTC-USDT is below"),
        (replace(LIMIT, quantity=D(9001)), "above BINANCE's maximum of 9000"),
        (replace(MARKET, quantity=D(121)), "above BINANCE's maximum of 120"),
        (replace(LIMIT, limit_price=D("0.001")), "limit_price: 0.001 is below"),
        (replace(LIMIT, limit_price=D(1000001)), "limit_price: 1000001 is above"),
        (replace(LIMIT, quantity=D("0.00007")), "is worth 4.48, below BINANCE's minimum of 5"),
        (replace(LIMIT, quantity=D(141)), "above BINANCE's maximum of 9000000"),
        (replace(MARKET, quantity=D("0.00003")), "is worth 1.95, below"),
        (
            Terms(Side.SELL, OrderType.TRAILING_STOP, D(1), trail_percent=D("0.05")),
            "trail_percent: 0.05 is below BINANCE's minimum of 0.1",
        ),
        (
            Terms(Side.SELL, OrderType.TRAILING_STOP, D(1), trail_percent=D(21)),
            "trail_percent: 21 is above BINANCE's maximum of 20",
        ),
        (
            Terms(Side.SELL, OrderType.TRAILING_STOP, D(1), trail_amount=D("0.009")),
            "trail_amount: 0.009 is below BINANCE's step of 0.01",
        ),
    ],
)
def test_what_it_does_not_take_is_named(terms: Terms, words: str) -> None:
    """Field, value and rule."""
    with pytest.raises(RequestRefused) as refused:
        fit(terms, RULES, D(65000), "BINANCE")
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("rules", "amount"),
    [
        (RULES, "1.23"),
        (replace(RULES, price_step=None), "1.239"),
        # A distance has no price of its own: the smallest step of all.
        (replace(RULES, price_steps=((D(0), D("0.05")), (D(3), D("0.1")))), "1.2"),
    ],
)
def test_a_trail_by_amount_rounds_down(rules: TradingRules, amount: str) -> None:
    """The stop follows no further away than was asked."""
    asked = Terms(Side.SELL, OrderType.TRAILING_STOP, D(1), trail_amount=D("1.239"))
    fitted = fit(asked, rules, None, "IBKR")
    assert fitted.trail_amount == D(amount)
    assert fitted.differs(asked) == ({"trail_amount": D(amount)} if amount != "1.239" else {})


def test_what_is_not_traded_now_is_refused() -> None:
    """A symbol that is halted: by the latest word of it, not by what step 1 has read once."""
    halted = replace(RULES, tradable=False)
    assert fit(LIMIT, halted, None, "BINANCE") == fit(LIMIT, RULES, None, "BINANCE")
    with pytest.raises(NotTradedNow, match="not traded now"):
        check_traded(halted, "BINANCE")
    check_traded(RULES, "BINANCE")


@pytest.mark.parametrize(("quantity", "taken"), [("0.00004", True), ("0.00003", False)])
def test_in_doubt_the_venue_decides(quantity: str, *, taken: bool) -> None:
    """Worth 4 at our quote, where the least is 5 at the venue's own price; 2.4 is clear."""
    small = replace(MARKET, quantity=D(quantity))
    if taken:
        assert fit(small, RULES, D(100000), "BINANCE") == small
        return
    with pytest.raises(RequestRefused, match="minimum of 5"):
        fit(small, RULES, D(80000), "BINANCE")
    assert fit(small, RULES, D(80000), "BINANCE", reduces=True) == small


def test_a_limit_is_no_guess() -> None:
    """What names its price is worth what it says, whoever it is for."""
    small = replace(LIMIT, quantity=D("0.00004"), limit_price=D(100000))
    with pytest.raises(RequestRefused, match="minimum of 5"):
        fit(small, RULES, None, "BINANCE", reduces=True)


def test_a_limit_over_the_market_limit_is_fine() -> None:
    """The smaller maximum is for orders at the market only."""
    assert fit(replace(LIMIT, quantity=D(130)), RULES, None, "BINANCE").quantity == D(130)


def test_without_a_price_the_notional_is_the_venue_s_to_judge() -> None:
    """And the other way round: `needs_price` says when a price is wanted."""
    small = replace(MARKET, quantity=D("0.00007"))
    assert fit(small, RULES, None, "BINANCE") == small
    assert needs_price(small, RULES)
    assert not needs_price(LIMIT, RULES)
    assert not needs_price(small, replace(RULES, minimum_notional_at_market=False))


def test_no_rules_no_change() -> None:
    """A venue that tells nothing takes everything, as far as we know."""
    free = TradingRules("X")
    odd = Terms(Side.SELL, OrderType.LIMIT, D("0.123456789"), limit_price=D("1.000000001"))
    assert fit(odd, free, None, "X") == odd


def test_rules_survive_json() -> None:
    """To the last digit, and what is None stays None."""
    assert TradingRules.from_json(RULES.as_json()) == RULES
    assert TradingRules.from_json({**RULES.as_json(), "of_a_later_release": "1"}) == RULES


_POSITIVE = st.decimals("0.00001", "9000", places=9, allow_nan=False, allow_infinity=False)


@given(_POSITIVE, st.sampled_from(Side), st.decimals("1", "1000000", places=6))
def test_whatever_comes_out_is_taken(quantity: Decimal, side: Side, price: Decimal) -> None:
    """On the step, never more and no worse than asked; fitting again changes nothing."""
    asked = Terms(side, OrderType.LIMIT, quantity, limit_price=price)
    try:
        fitted = fit(asked, RULES, None, "BINANCE")
    except RequestRefused:
        return
    assert fitted.limit_price is not None
    assert fitted.quantity <= quantity
    assert fitted.quantity % D("0.00001") == 0
    assert fitted.limit_price % D("0.01") == 0
    assert (fitted.limit_price - price) * side.sign <= 0
    assert fit(fitted, RULES, None, "BINANCE") == fitted


_STEPS = ((Decimal(0), Decimal("0.01")), (Decimal(3), Decimal("0.05")), (Decimal(10), Decimal(1)))
STEPPED = TradingRules("X", price_step=Decimal("0.01"), price_steps=_STEPS)


@pytest.mark.parametrize(
    ("side", "asked", "fitted"),
    [
        ("BUY", "2.999", "2.99"),
        ("SELL", "2.991", "3"),
        ("BUY", "3.04", "3"),
        ("SELL", "3.04", "3.05"),
        ("BUY", "10.9", "10"),
        ("SELL", "9.96", "10"),
        ("SELL", "10.01", "11"),
    ],
)
def test_steps_that_grow_with_the_price(side: str, asked: str, fitted: str) -> None:
    """The step that holds at a price rounds it passively, across the limits between steps too."""
    terms = Terms(Side(side), OrderType.LIMIT, Decimal(1), limit_price=Decimal(asked))
    assert fit(terms, STEPPED, None, "IBKR").limit_price == Decimal(fitted)


def test_where_a_limit_is_no_multiple_of_the_step_above_it() -> None:
    """Down from the coarser step by the finer one; up from the finer one by the coarser."""
    rules = TradingRules("X", price_steps=((Decimal(0), Decimal("0.01")), (Decimal(3), Decimal(2))))
    buy, sell = (
        Terms(side, OrderType.LIMIT, Decimal(1), limit_price=Decimal("3.5"))
        for side in (Side.BUY, Side.SELL)
    )
    assert fit(buy, rules, None, "IBKR").limit_price == 2
    assert fit(sell, rules, None, "IBKR").limit_price == 4
    edge = replace(sell, limit_price=Decimal("2.995"))
    assert fit(edge, rules, None, "IBKR").limit_price == 4


def test_steps_survive_json() -> None:
    """As numbers of the same digits."""
    assert TradingRules.from_json(STEPPED.as_json()) == STEPPED


@given(st.sampled_from(Side), st.decimals("0.02", "1000", places=4))
def test_a_stepped_price_is_taken_and_no_worse(side: Side, price: Decimal) -> None:
    """A multiple of the step that holds where it is; fitting it again changes nothing."""
    terms = Terms(side, OrderType.LIMIT, Decimal(1), limit_price=price)
    fitted = fit(terms, STEPPED, None, "IBKR").limit_price
    assert fitted is not None
    step = STEPPED.price_step_at(fitted)
    assert step is not None
    assert fitted % step == 0
    assert fitted <= price if side is Side.BUY else fitted >= price
    again = replace(terms, limit_price=fitted)
    assert fit(again, STEPPED, None, "IBKR").limit_price == fitted
