"""Changes of an order's terms, as transactions."""

from __future__ import annotations

from sqlalchemy import Connection

from execution.domain.events import OrderEventType
from execution.domain.lifecycle import Step
from execution.domain.order_changes import Change, beside_its_fills
from execution.domain.orders import Order
from execution.domain.ports import Modification
from execution.domain.vocabulary import OrderState
from execution.store.work import apply


def modify_intended(connection: Connection, order: Order, modify_id: str | None) -> bool:
    """A change sets out for the venue: of two on the same version, only one does."""
    change = Change(
        order.state,
        None,
        label="modify_order",
        due=order.remaining,
        reason=order.reason,
        detail={"modify_id": modify_id, "intent": True},
    )
    return apply(connection, order, change) is not None


def modified(connection: Connection, order: Order, what: Modification) -> bool:
    """The change is made: the order's terms are the new ones, and its state what they make of it.

    A total that is filled already ends it; one above it takes an order up again that a lost reply
    had let look filled (its attempt has no watcher then, so that a session adopts it).
    """
    values = {
        "quantity": what.quantity,
        "limit_price": what.limit_price,
        "stop_price": what.stop_price,
    }
    terms = {name: value for name, value in values.items() if value is not None}
    state, due = order.state, order.remaining
    attempt: dict[str, object] = {}
    more: dict[str, object] = {}
    if what.quantity is not None:
        filled_before = order.filled_quantity - order.attempt.filled_quantity
        attempt["quantity"] = what.quantity - filled_before
        if order.filled_quantity >= what.quantity and order.state.is_working:
            state = OrderState.FILLED
            attempt["state"] = state
            last, due = beside_its_fills(order)
            more |= last
        elif order.state is OrderState.FILLED and order.filled_quantity < what.quantity:
            state = OrderState.PARTIALLY_FILLED
            attempt |= {"state": state, "watcher": None}
            more["step"] = int(Step.SUBMIT_ORDER)
    change = Change(
        state,
        None,
        label="modify_order",
        due=due,
        reason=order.reason,
        order={**terms, **more},
        attempt=attempt,
        detail=terms,
        events=(OrderEventType.MODIFIED,),
    )
    return apply(connection, order, change) is not None
