"""Changes of working orders: fitted like new orders, judged by all their terms, sent sparingly."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from execution.domain.changes import (
    LOOK_FIRST,
    LOOK_LATEST,
    changes_nothing,
    fitted,
    in_words,
    look_again,
    made,
    may_send,
    of_attempt,
)
from execution.domain.errors import RequestRefused
from execution.domain.orders import Order
from execution.domain.pacing import WITHIN
from execution.domain.ports import Modification
from execution.domain.reports import VenueOrder
from execution.domain.trading_rules import TradingRules
from execution.domain.vocabulary import OrderState, OrderType, Side

from .an_order import an_order

D = Decimal
RULES = TradingRules(symbol="SPY", quantity_step=D(1), minimum_quantity=D(2), price_step=D("0.05"))


def shown(quantity: str, limit: str | None = None, stop: str | None = None) -> VenueOrder:
    """An order as its venue shows it."""
    prices = (None if price is None else D(price) for price in (limit, stop))
    limit_price, stop_price = prices
    return VenueOrder(
        "1",
        OrderState.SUBMITTED,
        "SPY",
        Side.BUY,
        D(quantity),
        limit_price=limit_price,
        stop_price=stop_price,
    )


def limit_order(side: Side = Side.BUY, *, filled: str = "0", attempt: str = "0") -> Order:
    """A limit order for 10 at 600.5, `filled` in all and `attempt` of it by its own attempt."""
    return an_order(
        {"filled_quantity": D(attempt)},
        side=side,
        stop_price=None,
        trail_amount=None,
        trail_percent=None,
        filled_quantity=D(filled),
    )


@pytest.mark.parametrize(
    ("change", "there", "expected"),
    [
        (Modification(limit_price=D(500)), shown("10", "500"), True),
        (Modification(limit_price=D("500.00")), shown("10", "500"), True),
        (Modification(limit_price=D(500)), shown("10", "590"), False),
        # The quantity of both is the same: only the price tells.
        (Modification(D(10), D(500)), shown("10", "590"), False),
        (Modification(D(11), D(500)), shown("10", "500"), False),
        (Modification(D(10), D(500)), shown("10", "500"), True),
        (Modification(stop_price=D(90)), shown("10", None, "90"), True),
        (Modification(stop_price=D(90)), shown("10", "90"), None),
        (Modification(D(10), D(500)), shown("10"), None),
        (Modification(D(11), D(500)), shown("10"), False),
        (Modification(D(10), D(500), D(90)), shown("10", "500", "91"), False),
    ],
)
def test_a_change_is_made_when_every_term_shows(
    change: Modification,
    there: VenueOrder,
    expected: bool | None,  # noqa: FBT001
) -> None:
    """One term that differs is enough to tell that it was not; one not shown leaves it open."""
    assert made(change, there) is expected


def test_what_differs_is_named() -> None:
    """Each term that the venue shows otherwise, or not at all."""
    change = Modification(D(10), D(500), D(90))
    assert in_words(change, shown("10", "590")) == (
        "limit_price 590 instead of 500, stop_price not shown instead of 90"
    )


@pytest.mark.parametrize(("side", "price"), [(Side.BUY, "600.10"), (Side.SELL, "600.15")])
def test_prices_round_passively(side: Side, price: str) -> None:
    """By the same rule as those of a new order; what is not named stays None."""
    change = Modification(limit_price=D("600.119"))
    found = fitted(limit_order(side), change, RULES, reference_price=None, in_place=True)
    assert found == Modification(limit_price=D(price))


@pytest.mark.parametrize(("side", "price"), [(Side.BUY, "599.95"), (Side.SELL, "600.00")])
def test_stops_round_toward_the_market(side: Side, price: str) -> None:
    """A stop must not trigger later than was asked."""
    order = an_order(
        side=side,
        order_type=OrderType.STOP,
        limit_price=None,
        trail_amount=None,
        trail_percent=None,
    )
    change = Modification(stop_price=D("599.99"))
    found = fitted(order, change, RULES, reference_price=None, in_place=True)
    assert found == Modification(stop_price=D(price))


@pytest.mark.parametrize("in_place", [True, False])
def test_quantities_round_down(in_place: bool) -> None:  # noqa: FBT001
    """The new total, whatever part of it is at the venue by now."""
    order = limit_order(filled="5", attempt="2")
    change = Modification(quantity=D("12.9"))
    found = fitted(order, change, RULES, reference_price=None, in_place=in_place)
    assert found == Modification(quantity=D(12))


def test_what_is_left_must_be_large_enough_for_a_new_attempt() -> None:
    """One share is below the minimum: then the attempt that works must not be cancelled for it."""
    order, change = limit_order(filled="9", attempt="6"), Modification(limit_price=D(600))
    assert fitted(order, change, RULES, reference_price=None, in_place=True) == change
    with pytest.raises(RequestRefused, match="below IBKR's minimum of 2"):
        fitted(order, change, RULES, reference_price=None, in_place=False)


@given(
    quantity=st.decimals("6", "1000", places=3),
    limit=st.decimals("1", "10000", places=4),
    side=st.sampled_from(Side),
)
def test_fitting_twice_changes_nothing_more(quantity: Decimal, limit: Decimal, side: Side) -> None:
    """What was fitted is on the venue's steps, never above what was asked, never aggressive."""
    order = limit_order(side, filled="5", attempt="2")
    change = Modification(quantity, limit)
    once = fitted(order, change, RULES, reference_price=None, in_place=True)
    assert fitted(order, once, RULES, reference_price=None, in_place=True) == once
    assert once.quantity is not None
    assert once.limit_price is not None
    assert quantity - 1 < once.quantity <= quantity
    assert 0 <= (limit - once.limit_price) * side.sign < D("0.05")


def test_the_attempts_share() -> None:
    """An attempt's total is without what earlier ones have filled."""
    order = limit_order(filled="5", attempt="2")
    assert of_attempt(order, Modification(quantity=D(9))).quantity == 6
    assert of_attempt(order, Modification(limit_price=D(9))) == Modification(limit_price=D(9))


def test_a_change_to_what_it_is() -> None:
    """Every term is looked at."""
    order = limit_order()
    assert changes_nothing(order, Modification(D(10), D("600.50")))
    assert not changes_nothing(order, Modification(D(10), D("600.55")))


@given(pauses=st.lists(st.floats(0.1, 40), min_size=1, max_size=80))
def test_never_more_than_twice_a_minute(pauses: list[float]) -> None:
    """Whenever somebody looks; and it does go out again, at least every two looks or minutes."""
    now, sent = 0.0, list[float]()
    for pause in pauses:
        first, last = (now - sent[0], now - sent[-1]) if sent else (0.0, 0.0)
        if may_send(len(sent), timedelta(seconds=first), timedelta(seconds=last)):
            sent.append(now)
        now += pause
    for at in sent:
        assert len([other for other in sent if at <= other < at + 60]) <= 2
    assert now - sent[-1] < WITHIN.total_seconds() + 2 * 40


@given(seconds=st.floats(0, 3600))
def test_looks_grow_apart(seconds: float) -> None:
    """Half as long as it has lasted, from a second to half a minute."""
    since = timedelta(seconds=seconds)
    pause = look_again(since)
    assert LOOK_FIRST <= pause <= LOOK_LATEST
    assert pause <= max(since / 2, LOOK_FIRST)
