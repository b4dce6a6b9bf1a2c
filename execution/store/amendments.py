"""Changes of an order's terms, as transactions."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Connection

from execution.domain.events import OrderEventType
from execution.domain.orders import Order
from execution.domain.ports import Modification
from execution.store.transitions import Change, apply


def modify_intended(connection: Connection, order: Order, modify_id: str | None) -> bool:
    """A change sets out for the venue: of two on the same version, only one does."""
    change = Change(
        order.state,
        None,
        label="modify_order",
        due=_remaining(order),
        reason=order.reason,
        detail={"modify_id": modify_id, "intent": True},
    )
    return apply(connection, order, change)


def modified(connection: Connection, order: Order, what: Modification) -> bool:
    """The change is made: the order's terms are the new ones."""
    values = {
        "quantity": what.quantity,
        "limit_price": what.limit_price,
        "stop_price": what.stop_price,
    }
    terms = {name: value for name, value in values.items() if value is not None}
    attempt = {}
    if what.quantity is not None:
        filled_before = order.filled_quantity - order.attempt.filled_quantity
        attempt = {"quantity": what.quantity - filled_before}
    change = Change(
        order.state,
        None,
        label="modify_order",
        due=_remaining(order),
        reason=order.reason,
        order=terms,
        attempt=attempt,
        detail=terms,
        events=(OrderEventType.MODIFIED,),
    )
    return apply(connection, order, change)


def _remaining(order: Order) -> timedelta | None:
    """What was due stays due."""
    if order.due_at is None:
        return None
    return max(order.due_at - order.read_at, timedelta(0))
