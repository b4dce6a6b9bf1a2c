"""What a group has earned: against plain sums of money in and out."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from execution.domain.arbitrage.groups import Role
from execution.domain.arbitrage.result import GroupFill, Result, result
from execution.domain.vocabulary import Side

D = Decimal


def fill(role: Role, side: Side, quantity: str, price: str, **changes: Any) -> GroupFill:
    """A fill without a commission."""
    trust = role is Role.TRUST
    currency, base = ("USD", None) if trust else ("USDT", "BTC")
    return GroupFill(role, side, D(quantity), D(price), currency, base, **changes)


ENTRY = [
    fill(Role.TRUST, Side.BUY, "200", "45"),
    fill(Role.SPOT, Side.SELL, "0.16", "62500"),
]
EXIT = [
    fill(Role.TRUST, Side.SELL, "200", "50"),
    fill(Role.SPOT, Side.BUY, "0.16", "62600"),
]


def test_a_round_trip() -> None:
    """Money out, money in; nothing is left, so marks say nothing."""
    assert result([*ENTRY, *EXIT], {Role.TRUST: D(1)}) == Result(D(1000) - D(16))


def test_while_it_is_held() -> None:
    """At what closing would give, the spot's money in dollars."""
    marks = {Role.TRUST: D(46), Role.SPOT: D(62000)}
    assert result(ENTRY, marks).pnl == 200 + 80
    assert result(ENTRY, marks, D("0.5")).pnl == 200 + 40
    assert result(ENTRY, {}).pnl == 0
    assert result([], {}).pnl == 0


def test_commissions() -> None:
    """In the currency of the price; in the coin at its mark; another is told apart."""
    bought = fill(Role.SPOT, Side.BUY, "1", "100", commission=D("0.01"), commission_currency="BTC")
    assert result([bought], {Role.SPOT: D(200)}).pnl == 100 - 2
    paid = fill(Role.SPOT, Side.BUY, "1", "100", commission=D(3), commission_currency="USDT")
    assert result([paid], {}, D("0.5")).pnl == D("-1.5")
    other = fill(Role.SPOT, Side.BUY, "1", "100", commission=D(3), commission_currency="BNB")
    assert result([other, other], {}) == Result(D(0), {"BNB": D(6)})


trades = st.lists(
    st.tuples(
        st.sampled_from(Side),
        st.decimals(D("0.01"), D(100), places=2),
        st.decimals(D("0.01"), D(100), places=2),
        st.decimals(D(0), D(1), places=3),
        st.booleans(),
    ),
    max_size=8,
)


@given(trades, st.decimals(D("0.01"), D(100), places=2))
def test_it_is_the_money_that_moved_and_what_is_held(told: list[Any], mark: D) -> None:
    """Worked out as cash and coins: commissions in coins leave less of them."""
    fills, cash, coins = [], D(0), D(0)
    for side, quantity, price, fee, in_coins in told:
        fills.append(
            GroupFill(
                Role.SPOT, side, quantity, price, "USDT", "BTC", fee, "BTC" if in_coins else "USDT"
            )
        )
        cash -= side.sign * quantity * price + (0 if in_coins else fee)
        coins += side.sign * quantity - (fee if in_coins else 0)
    assert result(fills, {Role.SPOT: mark}).pnl == cash + coins * mark
