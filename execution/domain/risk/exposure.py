"""What an order would add to: the position, and what else is open beside it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from execution.domain.decimals import exact
from execution.domain.orders import Order
from execution.domain.vocabulary import OrderType, Side

# Their limit price is the worst that a buyer can pay.
_CAPPED = frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.LIMIT_ON_CLOSE})


@dataclass(frozen=True, slots=True)
class Held:
    """A signed position, and what other open orders of the order's side may still add to it.

    Bracket children are not among those: they close what their parent has filled. An order whose
    outcome is unknown is. `exits` is what other reduce-only orders may still fill against the
    position; measured for such an order only.
    """

    position: Decimal = Decimal(0)
    open_same_side: Decimal = Decimal(0)
    exits: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Twin:
    """The same order, accepted `seconds_ago`."""

    client_order_id: str
    seconds_ago: Decimal


@dataclass(frozen=True, slots=True)
class Measured:
    """What one limit measures, the order in question apart.

    `held` is the strategy's own where the limit is a strategy's.
    """

    held: Held = Held()
    open_orders: int = 0
    sent_within_a_second: int = 0
    twin: Twin | None = None


@exact
def left(order: Order) -> Decimal:
    """How much of an order is not filled."""
    return max(order.quantity - order.filled_quantity, Decimal(0))


@exact
def worst(order: Order, held: Held) -> Decimal:
    """The position on the order's side if it and all that is open there fill; negative: reduced."""
    return held.position * order.side.sign + held.open_same_side + left(order)


def reduces(order: Order, held: Held) -> bool:
    """Whether an order can only bring a position nearer to zero.

    A bracket's child always does. A reduce_only order does when it fits into the position beside
    the others (`execution.domain.risk.reducing`): it displaces a bracket's children, which exclude
    each other and make room for it. Any other must fit beside what is open on its side.
    """
    if order.parent_order_id is not None:
        return True
    against = -held.position * order.side.sign
    if order.reduce_only:
        return against > 0 and left(order) <= against - held.exits
    return worst(order, held) <= 0


@exact
def worst_price(order: Order, mid: Decimal | None) -> Decimal | None:
    """The highest price an order may trade at, as far as anything is known; None: nothing is.

    A buyer pays at most the limit. Any other order trades at the market, once it does, or at the
    price it names, whichever is worth more.
    """
    if order.side is Side.BUY and order.order_type in _CAPPED:
        return order.limit_price
    named = [order.limit_price, order.stop_price, mid]
    known = [price for price in named if price is not None]
    return max(known) if known else order.reference_price


@exact
def worth(order: Order, quantity: Decimal, price: Decimal) -> Decimal:
    """What a quantity is worth at a price, in the instrument's currency."""
    return abs(quantity * price * order.instrument.multiplier)
