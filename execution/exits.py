"""The intent of a reduce-only order: cut to what is free, or kept until brackets have made room.

Judged in the transaction that commits the intent, under the lock of the position, against the
position with the fills on their way to it and against whatever else may still fill against it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal

from sqlalchemy import Connection

from execution.domain.creation import terms_of
from execution.domain.decimals import exact, plain
from execution.domain.errors import NothingToReduce, RequestRefused
from execution.domain.events import OrderEventType
from execution.domain.order_changes import Change
from execution.domain.orders import Order
from execution.domain.ports import Modification
from execution.domain.risk.exposure import Held, left
from execution.domain.risk.reducing import Book, beside, in_words, make_room, room
from execution.domain.trading_rules import TradingRules, fit
from execution.store import orders, reducing
from execution.store.loading import lock_order
from execution.store.statements import Link
from execution.store.work import apply

_RECOVERY = timedelta(seconds=2)
"""When recovery looks again at an exit that waits for room, where its own message was lost."""
IN_DOUBT = timedelta(seconds=2)
"""How long it waits for all of its room before it goes for what is free already."""
_LABEL = "reduce_only"


@dataclass(frozen=True, slots=True)
class Venue:
    """What an order's venue takes of its instrument; None where there are no rules.

    It is asked for before any lock is taken.
    """

    rules: TradingRules | None = None


def admit(link: Link, order: Order, venue: Venue) -> tuple[Order | None, bool]:
    """The order as it may be sent now, and True; or as it waits for its room, and False.

    The transaction holds the position's lock from here on. None for the order when somebody else
    has changed it. Raises NothingToReduce.
    """
    place = reducing.place_of(order)
    lock_order(link, order.order_id)
    reducing.lock(link, place)
    standing = reducing.read(link, place, order.side)
    own = standing.exits.get(order.order_id)
    book, waited = standing.book.without(order.order_id), None if own is None else own.waited
    if book.moving:  # an execution was revised a moment ago: its step 7 is on its way
        orders.postpone(link, order, _RECOVERY)
        return order, False
    free = room(book)
    quantity = _fitted(order, min(left(order), free.most), venue)
    if quantity is None:
        asked = f"reduce_only: {plain(left(order))} {order.symbol} asked"
        raise NothingToReduce(f"{asked}; {in_words(book, order.symbol)}")
    # Where nothing is in the way now, brackets are not to be fitted to what goes.
    reducing.cover(link, standing, make_room(book, quantity))
    if quantity <= free.now:
        return _cut(link, order, quantity, quantity, book), True
    part = _fitted(order, free.now, venue) if waited is not None and waited > IN_DOUBT else None
    if part is not None:
        return _cut(link, order, quantity, part, book), True
    return _claim(link, order, quantity, book, first=waited is None), False


def others(link: Link, order: Order) -> Decimal:
    """What other reduce-only orders may still fill against the position."""
    book = reducing.read(link, reducing.place_of(order), order.side).book
    return sum((one.leaves for one in book.without(order.order_id).exits), Decimal(0))


@exact
def as_it_will_be(order: Order, held: Held) -> Order:
    """The order as its intent will cut it, as far as that can be told before it is due."""
    free = -held.position * order.side.sign - held.exits
    return order if free <= 0 else replace(order, quantity=min(order.quantity, free))


@exact
def why_not_larger(connection: Connection, order: Order, change: Modification) -> str | None:
    """Why a reduce-only order that works may not grow so far; None where it does not, or may.

    The transaction that sets the change on its way holds the position's lock from here on.
    """
    if not order.is_exit or change.quantity is None or change.quantity <= order.quantity:
        return None
    place = reducing.place_of(order)
    reducing.lock(connection, place)
    book = reducing.read(connection, place, order.side).book.without(order.order_id)
    asked = change.quantity - order.filled_quantity
    if asked <= beside(book):
        return None
    words = in_words(book, order.symbol)
    return f"reduce_only: {plain(asked)} is more than is free beside the others; {words}"


def _fitted(order: Order, quantity: Decimal, venue: Venue) -> Decimal | None:
    """As much of a quantity as the venue takes; None where that is nothing."""
    if quantity <= 0:
        return None
    if venue.rules is None:
        return quantity
    terms = terms_of(order.for_venue(), quantity)
    try:
        return fit(terms, venue.rules, None, order.broker, reduces=True).quantity
    except RequestRefused:
        return None


@exact
def _cut(link: Link, order: Order, quantity: Decimal, now: Decimal, book: Book) -> Order | None:
    """The order for `quantity` more, of which this attempt is for `now`."""
    total, attempt = order.filled_quantity + quantity, min(order.attempt.quantity, now)
    cut = total != order.quantity
    if not cut and attempt == order.attempt.quantity:
        return order
    note = f"reduce_only, cut from {plain(order.quantity)}: {in_words(book, order.symbol)}"
    change = Change(
        order.state,
        None,
        label=_LABEL,
        due=order.remaining,
        reason=order.reason,
        order={"quantity": total} if cut else {},
        attempt={"quantity": attempt},
        detail={"quantity": total, "attempt_quantity": attempt} | ({"note": note} if cut else {}),
        events=(OrderEventType.MODIFIED,) if cut else (),
    )
    return apply(link, order, change)


def _claim(link: Link, order: Order, quantity: Decimal, book: Book, *, first: bool) -> Order | None:
    """Let the order wait for its room, which nobody else may take meanwhile."""
    reason = f"reduce_only: waits for {plain(quantity)}; {in_words(book, order.symbol)}"
    change = Change(
        order.state,
        None,
        label=_LABEL,
        due=_RECOVERY,
        reason=reason,
        attempt={"claimed": quantity},
        clock={"claimed_at": timedelta(0)} if first else {},
        detail={"claimed": quantity},
    )
    if not first and order.reason == reason:
        orders.postpone(link, order, _RECOVERY)
        return order
    return apply(link, order, change)
