"""Stops: on which side they are reached, how they follow, and what they become."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from execution.domain.paper import triggers
from execution.domain.paper.matching import match
from execution.domain.paper.order import PaperOrder
from execution.domain.reports import Quote
from execution.domain.vocabulary import OrderState, OrderType, Side

from .test_paper_matching import NOON, RULES, after, new, only_price, quote


def seen(order: PaperOrder, *markets: tuple[str, str]) -> PaperOrder:
    """The order after looks at one fresh quote a second."""
    for second, (bid, ask) in enumerate(markets):
        order = match(order, quote(bid, ask, after(second)), after(second), RULES).order
    return order


@pytest.mark.parametrize(
    ("side", "market", "reached"),
    [
        (Side.BUY, ("99.98", "99.99"), False),
        (Side.BUY, ("99", "100"), True),
        (Side.BUY, ("105", "106"), True),
        (Side.SELL, ("100.01", "100.02"), False),
        (Side.SELL, ("100", "101"), True),
        (Side.SELL, ("94", "95"), True),
    ],
)
def test_stop_side(side: Side, market: tuple[str, str], reached: bool) -> None:  # noqa: FBT001
    """A BUY is reached by the ask and a SELL by the bid, and trades at the market at once."""
    order = new(OrderType.STOP, side=side, stop_price=Decimal(100))
    matched = match(order, quote(*market), NOON, RULES)
    assert (matched.order.triggered_at == NOON) == reached
    if reached:
        assert only_price(matched) == quote(*market).mid * (1 + Decimal("0.001") * side.sign)


def test_stop_is_not_reached_by_anything_but_a_fresh_quote() -> None:
    """Neither a stale quote nor the reference price, in place of a live order neither."""
    order = new(
        OrderType.STOP, stop_price=Decimal(100), reference_price=Decimal(200), rerouted=True
    )
    old = quote("150", "151", NOON - timedelta(seconds=10))
    assert match(order, old, NOON, RULES).order is order
    assert match(order, None, after(3600), RULES).order is order


def test_stop_limit_stays_triggered() -> None:
    """Reached past its limit it rests as a LIMIT, below its stop too, until its limit is met."""
    order = new(OrderType.STOP_LIMIT, stop_price=Decimal(110), limit_price=Decimal(111))
    resting = seen(order, ("110", "112"))
    assert (resting.state, resting.triggered_at) == (OrderState.SUBMITTED, NOON)
    later = after(60)
    matched = match(resting, quote("108", "109", later), later, RULES)
    assert only_price(matched) == Decimal("108.6085")
    assert matched.order.triggered_at == NOON


def test_stop_crossed_while_nobody_looked() -> None:
    """It is reached on the next quote seen, at that quote's price."""
    order = new(OrderType.STOP, side=Side.SELL, stop_price=Decimal(90))
    late = after(3600)
    assert only_price(match(order, quote("79", "81", late), late, RULES)) == Decimal("79.92")
    back = match(order, quote("99", "101", late), late, RULES)
    assert back.order is order


@pytest.mark.parametrize(
    ("side", "terms", "markets", "stops"),
    [
        (
            Side.SELL,
            {"trail_amount": Decimal(5)},
            [("99", "101"), ("119", "121"), ("115", "117"), ("120", "122")],
            ["94", "114", "114", "115"],
        ),
        (
            Side.BUY,
            {"trail_amount": Decimal(5)},
            [("99", "101"), ("89", "91"), ("93", "95"), ("88", "90")],
            ["106", "96", "96", "95"],
        ),
        (
            Side.SELL,
            {"trail_percent": Decimal(10)},
            [("99", "101"), ("200", "201")],
            ["89.1", "180"],
        ),
        (Side.BUY, {"trail_percent": Decimal(10)}, [("99", "101"), ("49", "50")], ["111.1", "55"]),
    ],
)
def test_trail(
    side: Side, terms: dict[str, Any], markets: list[tuple[str, str]], stops: list[str]
) -> None:
    """It starts at the first fresh quote: BUY above the lowest ask, SELL below the highest bid."""
    order = new(OrderType.TRAILING_STOP, side=side, **terms)
    assert triggers.stop_price(order) is None
    for number, stop in enumerate(stops, start=1):
        order_now = seen(order, *markets[:number])
        assert order_now.triggered_at is None
        assert triggers.stop_price(order_now) == Decimal(stop)


def test_trail_is_reached() -> None:
    """At its stop, on its own side, and then trades at the market."""
    order = seen(
        new(OrderType.TRAILING_STOP, side=Side.SELL, trail_amount=Decimal(5)),
        ("99", "101"),
        ("119", "121"),
    )
    assert seen(order, ("114.01", "114.02")).triggered_at is None
    assert only_price(match(order, quote("114", "116"), NOON, RULES)) == Decimal("114.885")


def test_a_trail_by_percent_below_zero() -> None:
    """The distance is of the price's size, so the stop stays on the losing side of it."""
    order = new(OrderType.TRAILING_STOP, side=Side.SELL, trail_percent=Decimal(10))
    assert triggers.stop_price(seen(order, ("-40", "-39"))) == Decimal(-44)


touches = st.lists(st.decimals(min_value=-50, max_value=150, places=2), min_size=1, max_size=30)


@given(touches, st.sampled_from(Side), st.booleans())
def test_trail_never_moves_against_the_order(
    walk: list[Decimal],
    side: Side,
    by_percent: bool,  # noqa: FBT001
) -> None:
    """However the market moves: a SELL's stop never falls, a BUY's never rises."""
    trail = "trail_percent" if by_percent else "trail_amount"
    order = new(OrderType.TRAILING_STOP, side=side, **{trail: Decimal(3)})
    stop: Decimal | None = None
    for price in walk:
        order = triggers.look(order, Quote("SPY", price, price, NOON, "test"), NOON)
        moved = triggers.stop_price(order)
        assert moved is not None
        if stop is not None:
            assert (stop - moved) * side.sign >= 0
        stop = moved
        order = replace(order, triggered_at=None)


@given(touches, st.sampled_from(Side))
def test_trail_is_reached_exactly_by_its_retreat(walk: list[Decimal], side: Side) -> None:
    """It is reached at the first price that lies its whole distance behind the best one."""
    order = new(OrderType.TRAILING_STOP, side=side, trail_amount=Decimal(3))
    best = walk[0]
    for price in walk:
        best = min(best, price) if side is Side.BUY else max(best, price)
        order = triggers.look(order, Quote("SPY", price, price, NOON, "test"), NOON)
        if abs(price - best) >= 3:
            assert order.triggered_at is not None
            return
        assert order.triggered_at is None


def test_clock_is_the_given_one() -> None:
    """`triggered_at` is the time of the look."""
    order = new(OrderType.STOP_LIMIT, stop_price=Decimal(1), limit_price=Decimal(1))
    look = datetime(2030, 1, 1, tzinfo=UTC)
    assert match(order, quote("2", "3", look), look, RULES).order.triggered_at == look
