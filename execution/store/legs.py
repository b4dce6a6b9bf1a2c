"""Attempts of a bracket's child, several of which may work at the venue at once: legs.

A leg is given as its order with that attempt in the place of the current one
(`loading.load_with_attempt`). All of it happens under the family's lock.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from execution.domain.events import OrderEventType
from execution.domain.lifecycle import Step
from execution.domain.order_changes import Change, NextAttempt, beside_its_fills
from execution.domain.orders import Order
from execution.domain.ports import Modification
from execution.domain.protection import Cause
from execution.domain.vocabulary import OrderState
from execution.store import amendments, loading, touching
from execution.store.work import apply

_LABEL = "bracket"


def add(
    connection: Connection, order: Order, attempt_id: UUID, quantity: Decimal, group: UUID | None
) -> bool:
    """Place a child once more, beside what of it stands at the venue; step 3 is due for it."""
    attempt_no = order.attempt.attempt_no + 1
    change = Change(
        OrderState.PENDING,
        None,
        label=_LABEL,
        due=timedelta(0),
        order={
            "step": int(Step.PERSIST_ORDER),
            "attempt_no": attempt_no,
            "broker_order_id": None,
            "quantity": order.filled_quantity + _working(connection, order.order_id) + quantity,
        },
        detail={"quantity": quantity, "attempt_no": attempt_no},
        events=(OrderEventType.MODIFIED,),
        followed_by=NextAttempt(attempt_id, quantity, order.attempt.account, group),
    )
    return apply(connection, order, change) is not None


def _working(connection: Connection, order_id: UUID) -> Decimal:
    """What a child's attempts that are not over still cover."""
    covers: Decimal = connection.execute(
        text(
            """
            SELECT coalesce(sum(greatest(quantity - reduced - filled_quantity, 0)), 0)
            FROM order_attempts WHERE order_id = :order_id
              AND state NOT IN ('FILLED', 'CANCELLED', 'REJECTED', 'EXPIRED')
            """
        ),
        {"order_id": order_id},
    ).scalar_one()
    return covers


def resize(connection: Connection, order: Order, quantity: Decimal) -> bool:
    """A leg (the attempt of `order`) is for `quantity` in all, and the child for what that makes.

    What was reduced of it is in that quantity.
    """
    attempt = order.attempt
    left = max(attempt.quantity - attempt.reduced - attempt.filled_quantity, Decimal(0))
    total = order.filled_quantity + _working(connection, order.order_id) - left
    change = Change(
        order.state,
        None,
        label=_LABEL,
        due=order.remaining,
        reason=order.reason,
        order={"quantity": total + max(quantity - attempt.filled_quantity, Decimal(0))},
        attempt={"quantity": quantity, "reduced": Decimal(0)},
        detail={"quantity": quantity, "attempt_no": attempt.attempt_no},
        events=(OrderEventType.MODIFIED,),
    )
    return apply(connection, order, change) is not None


def expect(connection: Connection, order: Order, quantity: Decimal) -> Order | None:
    """A leg is about to be changed at its venue to `quantity` in all.

    Whatever it fills from now on is no surprise. Returns the order with that leg as it is then.
    """
    more = quantity - (order.attempt.quantity - order.attempt.reduced)
    change = Change(
        order.state,
        None,
        label=_LABEL,
        due=order.remaining,
        reason=order.reason,
        order={"quantity": order.quantity + max(more, Decimal(0))},
        detail={"intent": True, "quantity": quantity, "attempt_no": order.attempt.attempt_no},
    )
    return apply(connection, order, change)


def cancel_intended(connection: Connection, order: Order) -> Order | None:
    """A leg is about to be cancelled at its venue; its end is no surprise from now on."""
    change = Change(
        order.state,
        None,
        label=_LABEL,
        due=order.remaining,
        reason=order.reason,
        detail={"intent": True, "cancels": order.attempt.attempt_no},
    )
    changed = apply(connection, order, change)
    if changed is not None:
        _mark_cancelled(connection, order.attempt.attempt_id)
    return changed


def _mark_cancelled(connection: Connection, attempt_id: UUID) -> None:
    connection.execute(
        text(
            """
            UPDATE order_attempts SET cancel_asked_at = coalesce(cancel_asked_at, clock_timestamp())
            WHERE attempt_id = :attempt_id
            """
        ),
        {"attempt_id": attempt_id},
    )


def end_unsent(connection: Connection, order: Order, reason: str) -> bool:
    """End a child's attempt that never left."""
    change = Change(
        order.working_state if order.standing else OrderState.CANCELLED,
        None,
        label=_LABEL,
        reason=None if order.standing else reason,
        order={"step": int(Step.SUBMIT_ORDER)} if order.standing else {},
        attempt={"state": OrderState.CANCELLED, "reason": reason},
    )
    if apply(connection, order, change) is None:
        return False
    _mark_cancelled(connection, order.attempt.attempt_id)
    return True


def end(connection: Connection, order: Order) -> bool:
    """A child's attempt, current or not, is over at its venue, and all it executed is here.

    The child is over with the last of its attempts: FILLED where nothing of it was left, else as
    the venue says. One that is being sent goes on being sent.
    """
    attempt = order.attempt
    end = attempt.reported_state or OrderState.CANCELLED
    if attempt.filled_quantity >= attempt.quantity - attempt.reduced > 0:
        end = OrderState.FILLED
    current = loading.load(connection, order.order_id)
    is_current = current is not None and current.attempt.attempt_id == attempt.attempt_id
    change = Change(
        order.state,
        Step.AWAIT_FILL,
        due=order.remaining,
        reason=order.reason,
        attempt={"state": end, "reason": attempt.reported_reason},
        detail={"attempt_state": end, "attempt_no": attempt.attempt_no},
    )
    if order.state.is_working and order.standing:
        again = {"step": int(Step.SUBMIT_ORDER)} if is_current else {}
        change = _with(change, order.working_state, again)
    elif order.state.is_working:
        columns, due = beside_its_fills(order)
        if end is OrderState.FILLED:
            columns = {**columns, "quantity": order.filled_quantity}
        change = _with(change, end, columns, reason=attempt.reported_reason, due=due)
    return apply(connection, order, change) is not None


def _with(
    change: Change,
    state: OrderState,
    columns: Mapping[str, Any],
    reason: str | None = None,
    due: timedelta | None = None,
) -> Change:
    return Change(
        state,
        change.step,
        due=due,
        reason=reason if state.is_final and state is not OrderState.FILLED else None,
        order=columns,
        attempt=change.attempt,
        detail=change.detail,
    )


def new_prices(connection: Connection, order: Order, change: Modification) -> bool:
    """A child has other prices from now on; what was sent under the old ones is outdated.

    Its family lets further attempts take the place of those, one group after the other.
    """
    if not amendments.modified(connection, order, change):
        return False
    connection.execute(
        text(
            """
            UPDATE order_attempts SET outdated = true WHERE order_id = :order_id
              AND state IN ('SUBMITTING', 'UNKNOWN', 'SUBMITTED', 'PARTIALLY_FILLED')
            """
        ),
        {"order_id": order.order_id},
    )
    connection.execute(
        text(f"{touching.TOUCH} WHERE {touching.OF_FAMILY}"), {"family": order.parent_order_id}
    )
    return True


def any_outdated(connection: Connection, order_id: UUID) -> bool:
    """Whether an attempt of a child still works, or may, under prices that it has no more."""
    found: bool = connection.execute(
        text(
            """
            SELECT EXISTS (SELECT FROM order_attempts WHERE order_id = :order_id AND outdated
                AND state IN ('SUBMITTING', 'UNKNOWN', 'SUBMITTED', 'PARTIALLY_FILLED'))
            """
        ),
        {"order_id": order_id},
    ).scalar_one()
    return found


def explain(connection: Connection, attempt_id: UUID, cause: Cause) -> None:
    """Record why a leg ended."""
    connection.execute(
        text("UPDATE order_attempts SET end_cause = :cause WHERE attempt_id = :attempt_id"),
        {"attempt_id": attempt_id, "cause": cause},
    )


def fit_total(connection: Connection, order: Order) -> None:
    """Let a working child's quantity be what it has filled and its attempts still cover."""
    total = order.filled_quantity + _working(connection, order.order_id)
    if not order.state.is_final and total not in {order.quantity, Decimal(0)}:
        change = Change(
            order.state,
            None,
            label=_LABEL,
            due=order.remaining,
            reason=order.reason,
            order={"quantity": total},
            detail={"quantity": total},
            events=(OrderEventType.MODIFIED,),
        )
        apply(connection, order, change)
