"""Limits: which orders they hold for, what they measure, and what they say."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from execution.domain.errors import RequestRefused
from execution.domain.instruments import Instrument
from execution.domain.orders import Order
from execution.domain.ports import Modification
from execution.domain.risk.controls import Controls
from execution.domain.risk.exposure import Held, Measured, Twin, reduces, worst, worst_price
from execution.domain.risk.judging import Verdict, judge, what_grows
from execution.domain.risk.limits import (
    AT_INTENT,
    OF_SIZE,
    PRICED,
    Limit,
    LimitKind,
    check_value,
)
from execution.domain.vocabulary import AssetClass, BrokerName, OrderType, Side

from .an_order import an_order

MARKET: dict[str, Any] = {
    "order_type": OrderType.MARKET,
    "limit_price": None,
    "stop_price": None,
    "reference_price": None,
}
numbers = st.decimals(min_value=0, max_value=10**9, places=4, allow_nan=False, allow_infinity=False)
positive = numbers.filter(lambda number: number > 0)
signed = st.decimals(min_value=-(10**9), max_value=10**9, places=4)
sides = st.sampled_from(Side)
helds = st.builds(Held, position=signed, open_same_side=numbers)


def limit(kind: LimitKind, value: str | float | Decimal, **scope: Any) -> Limit:
    """A limit with some id."""
    return Limit(7, kind, Decimal(value), **scope)


def verdict(
    order: Order, *limits: Limit, mid: str | Decimal | None = None, **found: Any
) -> Verdict:
    """The verdict on an order, with the same measured for each limit."""
    measured = Measured(**found)
    return judge(
        order,
        limits,
        held=measured.held,
        measured={one.limit_id: measured for one in limits},
        mid=None if mid is None else Decimal(mid),
    )


def test_each_refusal_names_its_limit_and_the_values() -> None:
    """The words an operator and a producer read."""
    order = an_order(strategy="alpha", **MARKET)
    alpha = {"strategy": "alpha"}
    held = Held(Decimal(5), Decimal(4))
    said = [
        verdict(order, limit(LimitKind.MAX_QUANTITY, "9.5", symbol="SPY")),
        verdict(order, limit(LimitKind.MAX_NOTIONAL, 5999, **alpha), mid="600"),
        verdict(order, limit(LimitKind.MAX_POSITION, 18, **alpha), held=held),
        verdict(order, limit(LimitKind.MAX_EXPOSURE, 11399, **alpha), held=held, mid="600"),
        verdict(order, limit(LimitKind.MAX_OPEN_ORDERS, 3), open_orders=3),
        verdict(
            order,
            limit(LimitKind.MAX_ORDERS_PER_SECOND, 2, broker=BrokerName.IBKR),
            sent_within_a_second=2,
        ),
        verdict(
            an_order(order_type=OrderType.LIMIT, limit_price=Decimal(70000)),
            limit(LimitKind.PRICE_COLLAR, 5),
            mid="64000.5",
        ),
        verdict(
            an_order(**{**MARKET, "reference_price": Decimal(590)}),
            limit(LimitKind.PRICE_COLLAR, 1),
            mid="600",
        ),
        verdict(
            order,
            limit(LimitKind.REPEAT_WINDOW, 5, **alpha, broker=BrokerName.IBKR),
            twin=Twin("a-1", Decimal("0.8123")),
        ),
    ]
    assert all(not one.unpriced for one in said)
    assert [text for one in said for text in one.refusals] == [
        "max_quantity: 10 is more than 9.5 (symbol SPY)",
        "max_notional: 6000 USD is more than 5999 (strategy alpha)",
        (
            "max_position: 19 SPY long (5 held, 4 in open orders, 10 asked) is more than 18 "
            "(strategy alpha)"
        ),
        (
            "max_exposure: 11400 USD long (5 held, 4 in open orders, 10 asked) is more than 11399 "
            "(strategy alpha)"
        ),
        "max_open_orders: 4 open orders is more than 3 (every order)",
        "max_orders_per_second: 3 within a second is more than 2 (broker IBKR)",
        (
            "price_collar: limit_price 70000 is 9.38 % from the market's 64000.5, more than 5 % "
            "(every order)"
        ),
        (
            "price_collar: reference_price 590 is 1.67 % from the market's 600, more than 1 % "
            "(every order)"
        ),
        (
            "repeat_window: the same order was placed 0.81 s ago as a-1, within 5 s "
            "(broker IBKR, strategy alpha)"
        ),
    ]


def test_at_the_limit_is_within_it() -> None:
    """A limit is the most that passes."""
    order = an_order(**MARKET)
    held = Held(Decimal(5), Decimal(4))
    passed = verdict(
        order,
        *[limit(LimitKind.MAX_QUANTITY, 10), limit(LimitKind.MAX_NOTIONAL, 6000)],
        *[limit(LimitKind.MAX_POSITION, 19), limit(LimitKind.MAX_EXPOSURE, 11400)],
        *[limit(LimitKind.MAX_OPEN_ORDERS, 4), limit(LimitKind.MAX_ORDERS_PER_SECOND, 3)],
        limit(LimitKind.REPEAT_WINDOW, 5),
        mid="600",
        held=held,
        open_orders=3,
        sent_within_a_second=2,
        twin=Twin("a-1", Decimal(5)),
    )
    assert passed == Verdict()


def test_without_a_price() -> None:
    """What needs one is neither passed nor refused; the reference price serves for the worth."""
    order = an_order(**MARKET)
    limits = [limit(kind, 1) for kind in (LimitKind.MAX_NOTIONAL, LimitKind.MAX_EXPOSURE)]
    said = verdict(order, *limits)
    assert not said.refusals
    assert said.unpriced == (
        "max_notional: no price of SPY is known to judge it by (every order)",
        "max_exposure: no price of SPY is known to judge it by (every order)",
    )
    referred = replace(order, reference_price=Decimal(600))
    assert len(verdict(referred, *limits).refusals) == 2
    collar = limit(LimitKind.PRICE_COLLAR, 1)
    assert verdict(order, collar) == Verdict()  # nothing of it could be too far away
    assert verdict(referred, collar).unpriced


def test_the_multiplier_counts() -> None:
    """A contract is worth its multiplier's units."""
    option = Instrument("SPY", AssetClass.OPTION, "USD", multiplier=Decimal(100))
    said = verdict(
        an_order(instrument=option, **MARKET), limit(LimitKind.MAX_NOTIONAL, 1), mid="2.5"
    )
    assert said.refusals == ("max_notional: 2500 USD is more than 1 (every order)",)


@pytest.mark.parametrize(
    ("terms", "mid", "price"),
    [
        ({"side": Side.BUY, "order_type": OrderType.LIMIT, "limit_price": 90}, 100, 90),
        ({"side": Side.SELL, "order_type": OrderType.LIMIT, "limit_price": 1}, 100, 100),
        ({"side": Side.SELL, "order_type": OrderType.LIMIT, "limit_price": 110}, 100, 110),
        ({"side": Side.BUY, "order_type": OrderType.STOP, "stop_price": 1}, 100, 100),
        ({"side": Side.BUY, "order_type": OrderType.STOP, "stop_price": 110}, 100, 110),
        ({"side": Side.BUY, "order_type": OrderType.STOP_LIMIT, "limit_price": 9}, 100, 9),
        ({"side": Side.SELL, "order_type": OrderType.MARKET}, 100, 100),
        ({"side": Side.SELL, "order_type": OrderType.LIMIT, "limit_price": 1}, None, 1),
        ({"side": Side.BUY, "order_type": OrderType.MARKET, "reference_price": 5}, None, 5),
    ],
)
def test_worst_price(terms: dict[str, Any], mid: int | None, price: int) -> None:
    """An order cannot make itself small by naming a price that it will not trade at."""
    numbers = {k: Decimal(v) if isinstance(v, int) else v for k, v in terms.items()}
    order = an_order(**{**MARKET, **numbers})
    assert worst_price(order, None if mid is None else Decimal(mid)) == price


@given(side=sides, quantity=positive, held=helds, value=numbers)
def test_a_position_grows_no_further(
    side: Side, quantity: Decimal, held: Held, value: Decimal
) -> None:
    """What passes leaves the position within the limit, or nearer to zero than it was."""
    order = an_order(side=side, quantity=quantity, **MARKET)
    passes = not verdict(order, limit(LimitKind.MAX_POSITION, value), held=held).refusals
    after = held.position * side.sign + held.open_same_side + quantity
    assert passes == (after <= value)
    if passes and after > 0:
        assert after <= value


@given(side=sides, quantity=positive, held=helds, flagged=st.booleans())
def test_what_reduces(side: Side, quantity: Decimal, held: Held, flagged: bool) -> None:  # noqa: FBT001
    """It never grows the position, nor turns it round, whatever the order calls itself."""
    order = an_order(side=side, quantity=quantity, reduce_only=flagged, **MARKET)
    if not reduces(order, held):
        return
    after = held.position + side.sign * quantity
    assert abs(after) < abs(held.position)
    assert after * held.position >= 0
    if not flagged:
        assert worst(order, held) <= 0


@given(side=sides, quantity=positive, held=helds, mid=positive)
def test_what_reduces_passes_limits_of_size(
    side: Side, quantity: Decimal, held: Held, mid: Decimal
) -> None:
    """It passes even a limit of 0; what does not reduce passes none."""
    order = an_order(side=side, quantity=quantity, **MARKET)
    for kind in OF_SIZE:
        passes = verdict(order, limit(kind, 0), held=held, mid=mid) == Verdict()
        assert passes == reduces(order, held)


@given(value=numbers, more=positive, quantity=positive, held=helds, mid=positive)
def test_a_stricter_limit_passes_no_more(
    value: Decimal, more: Decimal, quantity: Decimal, held: Held, mid: Decimal
) -> None:
    """What a limit lets pass, a looser one does; every one that fits counts."""
    order = an_order(quantity=quantity, **{**MARKET, "reference_price": mid * 2})
    found = {"held": held, "open_orders": 3, "sent_within_a_second": 3}
    for kind in set(LimitKind) - {LimitKind.REPEAT_WINDOW}:
        strict, loose = limit(kind, value), limit(kind, value + more)
        if not verdict(order, strict, mid=mid, **found).refusals:
            assert not verdict(order, loose, mid=mid, **found).refusals
        both = verdict(order, strict, loose, mid=mid, **found)
        assert bool(both.refusals) == bool(verdict(order, strict, mid=mid, **found).refusals)


def test_filled_is_not_asked_again() -> None:
    """What an order has filled is in the position already."""
    order = an_order(filled_quantity=Decimal(6), **MARKET)
    position = limit(LimitKind.MAX_POSITION, 10)
    assert verdict(order, position, held=Held(Decimal(6))) == Verdict()
    assert verdict(order, position, held=Held(Decimal(7))).refusals


def test_a_strategy_may_not_grow_its_own_part_by_closing_anothers() -> None:
    """What reduces the account's position does not pass the limit on a strategy's own."""
    order = an_order(side=Side.SELL, strategy="beta", **MARKET)
    account, own = Held(Decimal(100)), Held(Decimal(-5))
    mine = limit(LimitKind.MAX_POSITION, 10, strategy="beta")
    said = judge(order, [mine], held=account, measured={7: Measured(own)}, mid=None)
    assert said.refusals
    size = limit(LimitKind.MAX_QUANTITY, 1)
    assert not judge(order, [size], held=account, measured={}, mid=None).refusals


@pytest.mark.parametrize("order", [an_order(strategy="alpha"), an_order()])
def test_scopes(order: Order) -> None:
    """A scope that is left out holds for all; one that is named for that alone."""
    kind = LimitKind.MAX_QUANTITY
    assert limit(kind, 1).fits(order)
    assert limit(kind, 1, broker=BrokerName.IBKR, symbol="SPY").fits(order)
    assert limit(kind, 1, strategy="alpha").fits(order) == (order.strategy == "alpha")
    assert not limit(kind, 1, broker=BrokerName.PAPER).fits(order)
    assert not limit(kind, 1, broker=BrokerName.IBKR, symbol="GBTC").fits(order)


def test_a_child_is_not_judged() -> None:
    """Its parent was; it must be able to close what the parent has filled."""
    controls = Controls(1, limits=(limit(LimitKind.MAX_ORDERS_PER_SECOND, 0),))
    assert controls.concerning(an_order()).limits
    assert not controls.concerning(an_order(parent_order_id=uuid4()))
    assert not Controls(1).concerning(an_order())


@pytest.mark.parametrize(
    ("change", "kinds"),
    [
        (Modification(quantity=Decimal(10)), frozenset()),
        (Modification(quantity=Decimal(9)), frozenset()),
        (Modification(quantity=Decimal(11)), OF_SIZE),
        (Modification(limit_price=Decimal("600.5")), frozenset()),
        (Modification(limit_price=Decimal(1)), PRICED),
        (Modification(quantity=Decimal(9), stop_price=Decimal(1)), PRICED),
        (Modification(quantity=Decimal(11), stop_price=Decimal(1)), OF_SIZE | PRICED),
    ],
)
def test_what_grows(change: Modification, kinds: frozenset[LimitKind]) -> None:
    """A change is judged by what it makes larger; how often is for new orders only."""
    assert what_grows(an_order(), change) == kinds
    assert not kinds & AT_INTENT


@pytest.mark.parametrize(
    ("kind", "value", "rule"),
    [
        (LimitKind.MAX_OPEN_ORDERS, "1.5", "whole number"),
        (LimitKind.MAX_ORDERS_PER_SECOND, "1001", "must not be above 1000"),
        (LimitKind.REPEAT_WINDOW, "3601", "must not be above 3600"),
        (LimitKind.MAX_QUANTITY, "-1", "from 0"),
        (LimitKind.MAX_QUANTITY, "1e15", "from 0"),
        (LimitKind.MAX_QUANTITY, "NaN", "from 0"),
        (LimitKind.MAX_QUANTITY, "Infinity", "from 0"),
    ],
)
def test_values_that_no_limit_has(kind: LimitKind, value: str, rule: str) -> None:
    """They are refused by name."""
    with pytest.raises(RequestRefused, match=f"{kind}: .*{rule}"):
        check_value(kind, Decimal(value))


@pytest.mark.parametrize("kind", LimitKind)
def test_values_that_every_limit_may_have(kind: LimitKind) -> None:
    """0 lets nothing new pass."""
    check_value(kind, Decimal(0))
    check_value(kind, Decimal(1000))
