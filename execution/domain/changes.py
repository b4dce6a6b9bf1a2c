"""Changes of working orders: their terms as a venue takes them, and whether one was made there."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from execution.domain.decimals import exact, plain
from execution.domain.orders import Order
from execution.domain.pacing import MOST, WITHIN
from execution.domain.ports import Modification
from execution.domain.reports import VenueOrder
from execution.domain.trading_rules import Terms, TradingRules, check_traded, fit

LOOK_FIRST, LOOK_LATEST = timedelta(seconds=1), timedelta(seconds=30)
"""The shortest and the longest pause between two looks at what became of a change or a cancel."""
SECOND_SEND = timedelta(seconds=5)
"""How long a request may go unanswered before it is sent a second time: it may have been lost."""
GIVE_UP = timedelta(minutes=2)
"""How long a change may be pending at its venue before it counts as refused."""


def look_again(since_sent: timedelta) -> timedelta:
    """How long until the venue is asked again: the longer the doubt has lasted, the longer."""
    return min(max(since_sent / 2, LOOK_FIRST), LOOK_LATEST)


def may_send(sends: int, since_sent: timedelta, since_last_send: timedelta) -> bool:
    """Whether a change or cancel may go out (again), no more often than an order (`pacing`).

    `sends` went out so far, the first `since_sent` ago and the last `since_last_send` ago.
    """
    if sends < MOST:
        return not sends or since_last_send >= SECOND_SEND
    return since_sent >= WITHIN and since_last_send >= WITHIN / MOST


def made(change: Modification, shown: VenueOrder) -> bool | None:
    """Whether a venue shows an order with every term of a change; `quantity` is the attempt's.

    None: none differs, and there is one that the venue does not show.
    """
    pairs = [(getattr(change, name), getattr(shown, name)) for name in change.names()]
    if any(there is not None and there != wanted for wanted, there in pairs):
        return False
    return None if any(there is None for _, there in pairs) else True


def in_words(change: Modification, shown: VenueOrder) -> str:
    """Which terms a venue shows instead of those of a change: `limit_price 590 instead of 500`."""
    names = ("quantity", "limit_price", "stop_price")
    pairs = [(name, getattr(change, name), getattr(shown, name)) for name in names]
    return ", ".join(
        f"{name} {'not shown' if there is None else plain(there)} instead of {plain(wanted)}"
        for name, wanted, there in pairs
        if wanted is not None and there != wanted
    )


@exact
def filled_before(order: Order) -> Decimal:
    """What earlier attempts of an order have filled."""
    return order.filled_quantity - order.attempt.filled_quantity


@exact
def of_attempt(order: Order, change: Modification) -> Modification:
    """A change of an order as one of its current attempt, whose total is less what came before."""
    if change.quantity is None:
        return change
    return replace(change, quantity=change.quantity - filled_before(order))


@exact
def terms_after(order: Order, change: Modification, *, in_place: bool) -> Terms:
    """What would stand at the venue after a change.

    In place it is the attempt with its new total; otherwise a new attempt for what is left.
    """
    gone = filled_before(order) if in_place else order.filled_quantity
    total = order.quantity if change.quantity is None else change.quantity
    return Terms(
        side=order.side,
        order_type=order.order_type,
        quantity=total - gone,
        limit_price=change.limit_price or order.limit_price,
        stop_price=change.stop_price or order.stop_price,
        trail_amount=order.trail_amount,
        trail_percent=order.trail_percent,
    )


@exact
def fitted(
    order: Order,
    change: Modification,
    rules: TradingRules,
    *,
    reference_price: Decimal | None,
    in_place: bool,
) -> Modification:
    """A change as its venue takes it, by the rules that hold for new orders.

    Only the terms that it names are rounded. `reference_price` as in `trading_rules.fit`. Raises
    RequestRefused for what the venue does not take.
    """
    check_traded(rules, order.broker)
    before = terms_after(order, change, in_place=in_place)
    after = fit(before, rules, reference_price, order.broker, reduces=order.reduces_risk)
    quantity = change.quantity
    if quantity is not None:
        quantity += after.quantity - before.quantity
    return replace(
        change,
        quantity=quantity,
        limit_price=None if change.limit_price is None else after.limit_price,
        stop_price=None if change.stop_price is None else after.stop_price,
    )


def changes_nothing(order: Order, change: Modification) -> bool:
    """Whether an order has all the terms of a change already."""
    return all(getattr(order, name) == getattr(change, name) for name in change.names())
