"""Positions: adds average, reductions realise, flips do both, and the money adds up."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from execution.domain.positions import FillEntry, Position, fill_entry, unrealised_pnl
from execution.domain.vocabulary import Side

ONE = Decimal(1)
# What a venue's own numbers look like: whole steps of a quantity and of a price.
quantities = st.decimals(min_value="0.00000001", max_value=1_000_000, places=8)
prices = st.decimals(min_value="0.00000001", max_value=1_000_000, places=8)
fills = st.builds(FillEntry, st.sampled_from(Side), quantities, prices)
histories = st.lists(fills, max_size=30)
multipliers = st.sampled_from([ONE, Decimal(100), Decimal("0.1")])


def fold(fills: Iterable[FillEntry], multiplier: Decimal) -> Position:
    """The position that `fills`, in the order of their execution, add up to."""
    position = Position()
    for fill in fills:
        position = position.apply(fill, multiplier)
    return position


def entry(text: str) -> FillEntry:
    """`BUY 2 @ 10`."""
    side, quantity, _, price = text.split()
    return FillEntry(Side(side), Decimal(quantity), Decimal(price))


def held(*texts: str, multiplier: Decimal = ONE) -> tuple[str, str, str]:
    """Quantity, average price and realised PnL after some fills."""
    position = fold(map(entry, texts), multiplier)
    return str(position.quantity), str(position.average_price), str(position.realised_pnl)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([], ("0", "0", "0")),
        (["BUY 2 @ 10"], ("2", "10", "0")),
        (["SELL 2 @ 10"], ("-2", "10", "0")),
        (["BUY 2 @ 10", "BUY 2 @ 20"], ("4", "15", "0")),
        (["SELL 2 @ 10", "SELL 6 @ 20"], ("-8", "17.5", "0")),
        (["BUY 4 @ 10", "SELL 1 @ 13"], ("3", "10", "3")),
        (["SELL 4 @ 10", "BUY 1 @ 13"], ("-3", "10", "-3")),
        (["BUY 4 @ 10", "SELL 4 @ 9"], ("0", "0", "-4")),
        (["BUY 4 @ 10", "SELL 6 @ 12"], ("-2", "12", "8")),
        (["SELL 4 @ 10", "BUY 6 @ 12"], ("2", "12", "-8")),
        (["BUY 1 @ 5", "SELL 1 @ 6", "BUY 1 @ 9"], ("1", "9", "1")),
        (["BUY 1 @ -37", "SELL 1 @ 10"], ("0", "0", "47")),
    ],
)
def test_known_histories(texts: list[str], expected: tuple[str, str, str]) -> None:
    """Quantity, average and realised PnL of small histories worked out by hand."""
    assert held(*texts) == expected


def test_multiplier_scales_the_profit_alone() -> None:
    """A contract for a hundred units earns a hundred times the price's change."""
    expected = ("1", "10", "200")
    assert held("BUY 2 @ 10", "SELL 1 @ 12", multiplier=Decimal(100)) == expected
    position = fold([entry("BUY 2 @ 10")], Decimal(100))
    assert unrealised_pnl(position, Decimal("9.5"), Decimal(100)) == Decimal(-100)


def test_commissions_are_kept_apart() -> None:
    """A commission in money adds up by itself and changes neither price nor profit."""
    bought = FillEntry(Side.BUY, Decimal(2), Decimal(10), commission=Decimal("0.3"))
    sold = FillEntry(Side.SELL, Decimal(2), Decimal(11), commission=Decimal("0.4"))
    position = fold([bought, sold], ONE)
    assert position == Position(Decimal(0), Decimal(0), Decimal(2), Decimal("0.7"))


def test_commission_in_the_base_asset_reduces_what_is_held() -> None:
    """What the venue kept of what was bought is not held; it is a cost at what it was worth."""
    bought = FillEntry(Side.BUY, Decimal(1), Decimal(50), base_commission=Decimal("0.001"))
    position = fold([bought], ONE)
    assert position == Position(Decimal("0.999"), Decimal(50), Decimal(0), Decimal("0.050"))
    sold = position.apply(FillEntry(Side.SELL, Decimal("0.999"), Decimal(60)), ONE)
    assert (sold.quantity, sold.realised_pnl) == (Decimal(0), Decimal("9.99"))
    assert sold.net_pnl == Decimal(-50) + Decimal("59.94")


@given(histories, multipliers)
def test_quantity_is_the_signed_sum(history: list[FillEntry], multiplier: Decimal) -> None:
    """A position is the sum of its executions, whatever their order; flat has no price."""
    position = fold(history, multiplier)
    assert position.quantity == sum(fill.quantity * fill.side.sign for fill in history)
    assert fold(reversed(history), multiplier).quantity == position.quantity
    assert (position.quantity == 0) <= (position.average_price == 0)


@given(histories, prices, multipliers)
def test_profit_is_the_cash_that_flowed(
    history: list[FillEntry], mid: Decimal, multiplier: Decimal
) -> None:
    """Realised and unrealised PnL are what was paid and got, and what the rest is worth."""
    position = fold(history, multiplier)
    cash = sum(-Fraction(fill.quantity * fill.side.sign) * Fraction(fill.price) for fill in history)
    worth = Fraction(position.quantity) * Fraction(mid)
    profit = Fraction(position.realised_pnl) + Fraction(unrealised_pnl(position, mid, multiplier))
    turnover = sum(Fraction(fill.quantity) * Fraction(fill.price) for fill in history) + abs(worth)
    assert (
        abs(profit - (cash + worth) * Fraction(multiplier)) <= turnover * Fraction(1, 10**18) * 100
    )


@given(histories)
def test_average_lies_among_the_prices(history: list[FillEntry]) -> None:
    """The average price of what is held lies between the lowest and the highest price paid."""
    position = fold(history, ONE)
    if position.quantity:
        paid = [fill.price for fill in history if fill.side.sign * position.quantity > 0]
        slack = Decimal("1e-18") * max(paid)
        assert min(paid) - slack <= position.average_price <= max(paid) + slack


@given(histories, st.integers(0, 30))
def test_folding_goes_on_where_it_stopped(history: list[FillEntry], at: int) -> None:
    """Folding a history at once or in two parts gives the same position."""
    position = fold(history[:at], ONE)
    for fill in history[at:]:
        position = position.apply(fill, ONE)
    assert position == fold(history, ONE)


def test_quantity_keeps_all_digits_a_request_may_have() -> None:
    """A request may have 15 digits before the point and 18 behind: the position keeps all 33."""
    quantity = Decimal("123456789012345.123456789012345678")
    assert fold([FillEntry(Side.BUY, quantity, ONE)], ONE).quantity == quantity


def test_a_base_commission_on_the_way_to_flat() -> None:
    """Buying back exactly what was short leaves the commission short, at the price of the day."""
    back = FillEntry(Side.BUY, Decimal(1), Decimal(60), base_commission=Decimal("0.001"))
    position = fold([entry("SELL 1 @ 50"), back], ONE)
    assert position == Position(Decimal("-0.001"), Decimal(60), Decimal(-10), Decimal("0.060"))


def crypto(side: str, quantity: str, price: str, cost: str, currency: str | None) -> FillEntry:
    """An execution in BTC-USDT."""
    return fill_entry(
        Side(side),
        Decimal(quantity),
        Decimal(price),
        cost=(Decimal(cost), currency),
        currency="USDT",
        base_asset="BTC",
    )


def test_costs_are_kept_by_currency() -> None:
    """BNB and USDT are not added; what was paid in bitcoin is a cost at what it was worth."""
    position = fold(
        [
            crypto("BUY", "1", "60000", "0.0001", "BNB"),
            crypto("SELL", "1", "60000", "60", "USDT"),
            crypto("BUY", "1", "60000", "0.001", "BTC"),
            crypto("SELL", "0.999", "60000", "-0.5", None),
        ],
        ONE,
    )
    assert position.quantity == position.realised_pnl == 0
    assert position.commission == Decimal(60) + 60 - Decimal("0.5")
    assert position.costs == {
        "BNB": Decimal("0.0001"),
        "USDT": Decimal("59.5"),
        "BTC": Decimal("0.001"),
    }
    assert position.net_pnl == -position.commission


def test_a_credit_takes_a_cost_back() -> None:
    """What was paid and came back is no cost; nothing is left to tell of it."""
    position = fold(
        [crypto("BUY", "1", "10", "2", "BNB"), crypto("SELL", "1", "10", "-2", "BNB")], ONE
    )
    assert not position.costs
    assert position.commission == 0


def test_a_cost_in_an_instrument_that_nobody_knows() -> None:
    """Its currency is not taken for the instrument's, which nobody knows either."""
    fill = fill_entry(Side.BUY, ONE, ONE, cost=(Decimal(3), "USD"), currency=None, base_asset=None)
    assert (fill.commission, fill.paid) == (Decimal(0), ("USD", Decimal(3)))
    bare = fill_entry(Side.BUY, ONE, ONE, cost=(Decimal(3), None), currency=None, base_asset=None)
    assert (bare.commission, bare.base_commission) == (Decimal(3), Decimal(0))
    assert bare.paid == ("?", Decimal(3))


costed = st.builds(
    FillEntry,
    st.sampled_from(Side),
    quantities,
    prices,
    commission=st.decimals(min_value="-10", max_value=1000, places=4),
    base_commission=st.decimals(min_value=0, max_value="0.5", places=8),
)


@given(st.lists(costed, max_size=20), prices)
def test_net_profit_is_the_cash_that_flowed(history: list[FillEntry], mid: Decimal) -> None:
    """With costs in the quote currency and in the base asset, to the last digit that matters."""
    position = fold(history, ONE)
    cash = sum(
        -Fraction(fill.quantity * fill.side.sign) * Fraction(fill.price) - Fraction(fill.commission)
        for fill in history
    )
    held = sum(
        Fraction(fill.quantity * fill.side.sign) - Fraction(fill.base_commission)
        for fill in history
    )
    assert Fraction(position.quantity) == held
    profit = Fraction(position.net_pnl) + Fraction(unrealised_pnl(position, mid, ONE))
    turnover = sum(Fraction(fill.quantity) * Fraction(fill.price) for fill in history)
    slack = (turnover + abs(held * Fraction(mid)) + 1) * Fraction(1, 10**16)
    assert abs(profit - (cash + held * Fraction(mid))) <= slack
