"""Holds an order against the limits that fit it; each refusal names its limit and the values."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from execution.domain.decimals import exact, plain
from execution.domain.orders import Order
from execution.domain.ports import Modification
from execution.domain.risk.exposure import (
    Held,
    Measured,
    left,
    reduces,
    worst,
    worst_price,
    worth,
)
from execution.domain.risk.limits import OF_SIZE, Limit, LimitKind
from execution.domain.vocabulary import OrderType

_LIMITED = frozenset({OrderType.LIMIT, OrderType.LIMIT_ON_CLOSE})
_CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Verdict:
    """`refusals` says which limits an order is beyond, `unpriced` which no price is known for."""

    refusals: tuple[str, ...] = ()
    unpriced: tuple[str, ...] = ()


def judge(
    order: Order,
    limits: Iterable[Limit],
    *,
    held: Held,
    measured: Mapping[int, Measured],
    mid: Decimal | None,
    kinds: Collection[LimitKind] = frozenset(LimitKind),
) -> Verdict:
    """Judge an order by limits of some kinds.

    `held` is the account's position in its symbol and `measured` what each limit measures, by its
    id. `mid` is about what the market trades at, None where nobody knows.
    """
    refusals, unpriced = [], []
    reducing = reduces(order, held)
    for limit in limits:
        if limit.kind not in kinds:
            continue
        found = measured.get(limit.limit_id, Measured(held))
        # What is reduced is the account's for an order's own size, and what the limit measures
        # (a strategy's own part, perhaps) for a position.
        if limit.kind in OF_SIZE and _passes(order, limit, found, reducing=reducing):
            continue
        said = _beyond(order, limit, found, mid)
        if said is _NO_PRICE:
            unpriced.append(
                f"{limit.kind}: no price of {order.symbol} is known to judge it by ({limit.scope})"
            )
        elif said is not None:
            refusals.append(f"{limit.kind}: {said} ({limit.scope})")
    return Verdict(tuple(refusals), tuple(unpriced))


def what_grows(order: Order, change: Modification) -> frozenset[LimitKind]:
    """The kinds that a change must be judged by: none for one that only makes an order smaller."""
    more = change.quantity is not None and change.quantity > order.quantity
    price = (change.limit_price or order.limit_price, change.stop_price or order.stop_price)
    dearer = price != (order.limit_price, order.stop_price)
    kinds: set[LimitKind] = set()
    if more:
        kinds |= OF_SIZE
    if dearer:
        kinds |= {LimitKind.MAX_NOTIONAL, LimitKind.MAX_EXPOSURE, LimitKind.PRICE_COLLAR}
    return frozenset(kinds)


def is_more(order: Order, change: Modification) -> bool:
    """Whether a change asks for a larger order, or, of one that opens, for another price."""
    if order.reduce_only:
        return change.quantity is not None and change.quantity > order.quantity
    return bool(what_grows(order, change))


_NO_PRICE = "no price"


def _passes(order: Order, limit: Limit, found: Measured, *, reducing: bool) -> bool:
    if limit.kind in {LimitKind.MAX_POSITION, LimitKind.MAX_EXPOSURE}:
        return reduces(order, found.held)
    return reducing


@exact
def _beyond(order: Order, limit: Limit, found: Measured, mid: Decimal | None) -> str | None:
    """How an order is beyond a limit; None when it is within, _NO_PRICE when nobody can say."""
    most = limit.value
    match limit.kind:
        case LimitKind.MAX_QUANTITY:
            return _more(order.quantity, most, plain(order.quantity))
        case LimitKind.MAX_NOTIONAL:
            return _priced(order, order.quantity, mid, most, "")
        case LimitKind.MAX_POSITION:
            size = worst(order, found.held)
            return _more(size, most, f"{plain(size)} {order.symbol} {_parts(order, found.held)}")
        case LimitKind.MAX_EXPOSURE:
            size = worst(order, found.held)
            return _priced(order, size, mid, most, f" {_parts(order, found.held)}")
        case LimitKind.MAX_OPEN_ORDERS:
            count = found.open_orders + 1
            return _more(Decimal(count), most, f"{count} open orders")
        case LimitKind.MAX_ORDERS_PER_SECOND:
            count = found.sent_within_a_second + 1
            return _more(Decimal(count), most, f"{count} within a second")
        case LimitKind.PRICE_COLLAR:
            return _collar(order, most, mid)
        case LimitKind.REPEAT_WINDOW:
            return _repeated(found, most)


def _more(value: Decimal, most: Decimal, shown: str) -> str | None:
    return f"{shown} is more than {plain(most)}" if value > most else None


def _parts(order: Order, held: Held) -> str:
    direction = "long" if order.side.sign > 0 else "short"
    already = plain(held.position * order.side.sign)
    return (
        f"{direction} ({already} held, {plain(held.open_same_side)} in open orders, "
        f"{plain(left(order))} asked)"
    )


def _priced(
    order: Order, quantity: Decimal, mid: Decimal | None, most: Decimal, more: str
) -> str | None:
    price = worst_price(order, mid)
    if price is None:
        return _NO_PRICE
    value = worth(order, quantity, price)
    return _more(value, most, f"{plain(value)} {order.instrument.currency}{more}")


def _collar(order: Order, most: Decimal, mid: Decimal | None) -> str | None:
    limited = order.order_type in _LIMITED
    price = order.limit_price if limited else order.reference_price
    if price is None:
        return None
    if mid is None or mid <= 0:
        return _NO_PRICE
    distance = abs(price - mid) / mid * 100
    if distance <= most:
        return None
    name = "limit_price" if limited else "reference_price"
    return (
        f"{name} {plain(price)} is {plain(distance.quantize(_CENT, ROUND_CEILING))} % from the "
        f"market's {plain(mid)}, more than {plain(most)} %"
    )


def _repeated(found: Measured, window: Decimal) -> str | None:
    if found.twin is None or found.twin.seconds_ago >= window:
        return None
    ago = plain(found.twin.seconds_ago.quantize(_CENT))
    return (
        f"the same order was placed {ago} s ago as {found.twin.client_order_id}, within "
        f"{plain(window)} s"
    )
