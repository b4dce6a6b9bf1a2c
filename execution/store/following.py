"""Attempts that follow one another: a change that a venue cannot make in place, or the next part.

The terms to come are kept with the attempt before it is cancelled. So whoever hears that it is over
makes the next one, for what is left, in one transaction; a process that dies in between leaves an
order that is still to be replaced, never one that has ended by our own cancel. An order that takes
several things at its venue (`execution.domain.ports.Part`) goes on in the same way.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from execution.domain.decimals import plain
from execution.domain.events import OrderEventType
from execution.domain.lifecycle import Step
from execution.domain.order_changes import Change, NextAttempt, Timing, beside_its_fills
from execution.domain.orders import Order
from execution.domain.ports import Modification
from execution.domain.vocabulary import OrderState
from execution.store import commands
from execution.store.statements import Link, Prepared
from execution.store.work import apply

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
        attempt={"replacement": replacement},
        detail=detail,
    )
    return apply(connection, order, change) is not None


def is_to_follow(order: Order) -> bool:
    """Whether another attempt follows one that is over at the venue.

    Either it was cancelled to be replaced, or it was a part that is done, and not the last.
    """
    attempt = order.attempt
    part_is_done = (
        attempt.reported_state is OrderState.FILLED
        and attempt.filled_quantity >= attempt.quantity
        and order.filled_quantity < order.quantity
    )
    return attempt.replacement is not None or part_is_done


def follow(connection: Connection, order: Order, attempt_id: UUID, timing: Timing) -> bool:
    """The attempt is over at the venue, and all it executed is here: make the one that follows.

    True when step 3 is due for it. What is filled up to the new total already, or beyond it, ends
    FILLED, and a cancel that was asked for meanwhile wins. The command that asked for a change
    ends with it.
    """
    terms = order.attempt.replacement or {}
    total = max(Decimal(terms.get("quantity", order.quantity)), order.filled_quantity)
    cancelled = commands.cancel_mark(connection, order.client_order_id)
    reason = None if cancelled is None else f"cancelled by {cancelled.external_id}"
    if cancelled is not None:
        change = Change(
            OrderState.CANCELLED,
            Step.AWAIT_FILL,
            reason=reason,
            attempt={"state": _end_of(order), "reason": reason},
        )
    else:
        change = _next(order, terms, total, timing, attempt_id)
    if apply(connection, order, change) is None:
        return False
    if "command_id" in terms:
        outcome = commands.DONE if cancelled is None else commands.REFUSED
        commands.settle(connection, UUID(terms["command_id"]), outcome, reason, [])
    return change.state is OrderState.PENDING


def anew(
    connection: Connection,
    order: Order,
    reason: str,
    attempt_id: UUID,
    due: timedelta,
    *,
    sent: bool = False,
    failed: bool = False,
) -> bool:
    """It is provably not at a venue that takes no id again: step 3 once more, as another.

    `sent` and `failed` as for `orders.back_to_gateway`.
    """
    change = Change(
        OrderState.PENDING,
        Step.SUBMIT_ORDER,
        due=due,
        reason=reason,
        order={
            "step": int(Step.PERSIST_ORDER),
            "attempt_no": order.attempt.attempt_no + 1,
            "broker_order_id": None,
        },
        attempt={"state": OrderState.REJECTED, "reason": reason, "lease_until": None},
        detail={"sent": sent, "failed": failed, "attempt_state": OrderState.REJECTED},
        followed_by=NextAttempt(attempt_id),
    )
    return apply(connection, order, change) is not None


def may_turn_to_paper(connection: Connection, order: Order) -> bool:
    """Whether nothing of the order was ever live: then it may be simulated instead."""
    if order.attempt.attempt_no == 1:
        return True
    return not connection.execute(
        text(
            """
            SELECT EXISTS (SELECT FROM order_attempts
                WHERE order_id = :order_id AND attempt_id <> :attempt_id
                  AND NOT (state = 'REJECTED' AND filled_quantity = 0))
            """
        ),
        {"order_id": order.order_id, "attempt_id": order.attempt.attempt_id},
    ).scalar_one()


def replaces_live(link: Link, order: Order) -> bool:
    """Whether the current attempt takes the place of one that was live, and is for no more.

    That one was cancelled for a change that its venue does not make in place. A bracket's child may
    be for more: it covers what its parent has filled meanwhile.
    """
    return bool(
        _REPLACES_LIVE.run(
            link,
            {
                "order_id": order.order_id,
                "attempt_no": order.attempt.attempt_no,
                "quantity": order.attempt.quantity,
                "child": order.parent_order_id is not None,
            },
        )
    )


_REPLACES_LIVE = Prepared(
    """
    SELECT true AS replaces FROM (
        SELECT execution_mode, replacement, quantity - filled_quantity AS unfilled
        FROM order_attempts
        WHERE order_id = CAST(:order_id AS uuid) AND attempt_no < CAST(:attempt_no AS integer)
            AND NOT (state = 'REJECTED' AND filled_quantity = 0)
        ORDER BY attempt_no DESC LIMIT 1
    ) before
    WHERE execution_mode = 'LIVE' AND replacement IS NOT NULL
        AND (CAST(:child AS boolean) OR unfilled >= CAST(:quantity AS numeric))
    """
)


def _end_of(order: Order) -> OrderState:
    """What an attempt is that another one follows."""
    attempt = order.attempt
    whole = attempt.filled_quantity >= attempt.quantity
    return OrderState.FILLED if whole else OrderState.CANCELLED


def _next(
    order: Order, terms: Mapping[str, str], total: Decimal, timing: Timing, attempt_id: UUID
) -> Change:
    new = {name: Decimal(terms[name]) for name in _TERMS if name in terms} | {"quantity": total}
    whole = total == order.filled_quantity
    again = {
        "step": int(Step.PERSIST_ORDER),
        "attempt_no": order.attempt.attempt_no + 1,
        "broker_order_id": None,
    }
    columns, due = beside_its_fills(order) if whole else (again, timing.step)
    return Change(
        OrderState.FILLED if whole else OrderState.PENDING,
        None,
        label="modify_order" if terms else "next_part",
        due=due,
        order={**new, **columns},
        attempt={"state": _end_of(order)},
        detail={**new, "attempt_state": _end_of(order)},
        events=(OrderEventType.MODIFIED,) if terms else (),
        followed_by=None if whole else NextAttempt(attempt_id),
    )
