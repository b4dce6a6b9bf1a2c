"""A change that a venue cannot make in place: this attempt is cancelled, and another follows it.

The terms to come are kept with the attempt before it is cancelled. So whoever hears that it is over
makes the next one, for what is left, in one transaction; a process that dies in between leaves an
order that is still to be replaced, never one that has ended by our own cancel.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from execution.domain.decimals import plain
from execution.domain.events import OrderEventType
from execution.domain.identity import venue_order_id
from execution.domain.lifecycle import Step
from execution.domain.orders import Order
from execution.domain.ports import Modification
from execution.domain.vocabulary import OrderState
from execution.store import commands
from execution.store.orders import Timing
from execution.store.transitions import Change, apply

_TERMS = ("quantity", "limit_price", "stop_price")


def intended(
    connection: Connection,
    order: Order,
    change: Modification,
    command_id: UUID,
    modify_id: str | None,
) -> bool:
    """Keep the terms of the attempt that is to follow this one; of two changes only one is."""
    terms = {name: getattr(change, name) for name in _TERMS}
    replacement = {name: plain(value) for name, value in terms.items() if value is not None}
    return _keep(
        connection,
        order,
        {"command_id": str(command_id), **replacement},
        {"modify_id": modify_id, "intent": True, "replaces": True},
    )


def withdrawn(connection: Connection, order: Order, reason: str | None) -> bool:
    """The attempt goes on as it is: nothing follows it."""
    return _keep(connection, order, None, {"replaces": False, "note": reason})


def _keep(
    connection: Connection,
    order: Order,
    replacement: dict[str, str] | None,
    detail: dict[str, Any],
) -> bool:
    change = Change(
        order.state,
        None,
        label="modify_order",
        due=order.remaining,
        reason=order.reason,
        detail=detail,
    )
    if apply(connection, order, change) is None:
        return False
    connection.execute(
        text(
            """
            UPDATE order_attempts SET replacement = CAST(:replacement AS jsonb)
            WHERE attempt_id = :attempt_id
            """
        ),
        {
            "attempt_id": order.attempt.attempt_id,
            "replacement": None if replacement is None else json.dumps(replacement),
        },
    )
    return True


def follow(connection: Connection, order: Order, attempt_id: UUID, timing: Timing) -> bool:
    """The attempt is over at the venue, and all it executed is here: make the one that follows.

    True when step 3 is due for it. What is filled up to the new total already, or beyond it, ends
    FILLED, and a cancel that was asked for meanwhile wins. The command that asked for the change
    ends with it.
    """
    terms = order.attempt.replacement
    if terms is None:
        return False
    total = max(Decimal(terms.get("quantity", order.quantity)), order.filled_quantity)
    left = total - order.filled_quantity
    cancelled = commands.cancel_mark(connection, order.client_order_id)
    reason = None if cancelled is None else f"cancelled by {cancelled.external_id}"
    if cancelled is not None:
        change = Change(
            OrderState.CANCELLED,
            Step.AWAIT_FILL,
            reason=reason,
            attempt={"state": OrderState.CANCELLED, "reason": reason},
        )
    else:
        change = _next(order, terms, total, timing)
    if apply(connection, order, change) is None:
        return False
    outcome = commands.DONE if cancelled is None else commands.REFUSED
    commands.settle(connection, UUID(terms["command_id"]), outcome, reason, [])
    if change.state is not OrderState.PENDING:
        return False
    _insert(connection, order, attempt_id, left)
    return True


def _next(order: Order, terms: Mapping[str, str], total: Decimal, timing: Timing) -> Change:
    new = {name: Decimal(terms[name]) for name in _TERMS if name in terms} | {"quantity": total}
    whole = total == order.filled_quantity
    return Change(
        OrderState.FILLED if whole else OrderState.PENDING,
        None,
        label="modify_order",
        due=None if whole else timing.step,
        order={
            **new,
            **(
                {"step": int(Step.PUBLISH_FILL_EVENT)}
                if whole
                else {
                    "step": int(Step.PERSIST_ORDER),
                    "attempt_no": order.attempt.attempt_no + 1,
                    "broker_order_id": None,
                }
            ),
        },
        attempt={"state": OrderState.FILLED if whole else OrderState.CANCELLED},
        detail={**new, "attempt_state": OrderState.CANCELLED},
        events=(OrderEventType.MODIFIED,),
    )


def _insert(connection: Connection, order: Order, attempt_id: UUID, quantity: Decimal) -> None:
    attempt_no = order.attempt.attempt_no + 1
    connection.execute(
        text(
            """
            INSERT INTO order_attempts (attempt_id, order_id, attempt_no, broker, environment,
                account, execution_mode, venue_order_id, quantity, state)
            SELECT :attempt_id, order_id, :attempt_no, broker, environment, account,
                execution_mode, :venue_order_id, :quantity, 'PENDING'
            FROM orders WHERE order_id = :order_id
            """
        ),
        {
            "attempt_id": attempt_id,
            "order_id": order.order_id,
            "attempt_no": attempt_no,
            "venue_order_id": venue_order_id(order.order_id, attempt_no),
            "quantity": quantity,
        },
    )
