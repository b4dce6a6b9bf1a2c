"""What fills make of their order: quantity, price, state, and where its lifecycle goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Row, text

from execution.domain.decimals import exact
from execution.domain.events import OrderEventType
from execution.domain.lifecycle import Step
from execution.domain.order_changes import Change
from execution.domain.orders import Order
from execution.domain.reports import ReportKind
from execution.domain.settlement import Progress, progress, state_after, total
from execution.domain.vocabulary import ExecutionMode, OrderState
from execution.store import alerts, brackets, work


def advance(
    connection: Connection, order: Order, reports: Sequence[Row[Any]], due: timedelta
) -> None:
    """Bring an order in line with its fills, `reports` being the ones just applied.

    Executions of the current attempt drive the lifecycle; those of an earlier attempt happened all
    the same and count, but the way of the current one goes on as it was.
    """
    rows = connection.execute(
        text(
            """
            SELECT fill_id, quantity, price, attempt_id, revised, positioned_at,
                cumulative_quantity
            FROM fills WHERE order_id = :order_id ORDER BY fill_id
            """
        ),
        {"order_id": order.order_id},
    ).all()
    filled = total((row.quantity, row.price) for row in rows)
    own = total(
        (row.quantity, row.price) for row in rows if row.attempt_id == order.attempt.attempt_id
    )
    current = order.step >= Step.SUBMIT_ORDER or order.state is not OrderState.PENDING
    legs = brackets.standing(connection, order)
    if current and any(row.attempt_id == order.attempt.attempt_id for row in reports):
        change = _own_progress(order, filled, own, due)
    elif legs:
        change = _progress_of_leg(order, filled)
    else:
        change = _foreign_progress(order, filled)
    mine = legs | ({order.attempt.attempt_id} if current else set())
    own_only = not any(
        row.kind == ReportKind.TRADE and row.attempt_id not in mine for row in reports
    )
    events = _unexpected(connection, order, filled, change.state, own=own_only)
    if own.filled_quantity == order.attempt.reported_quantity:
        alerts.resolve(connection, alerts.EXECUTIONS_MISSING, order.order_id)
    if order.state in {OrderState.SUBMITTING, OrderState.UNKNOWN}:
        alerts.resolve(connection, alerts.UNKNOWN_OUTCOME, order.order_id)
    detail = {"executions": [row.execution_id for row in reports], **change.detail}
    change = replace(change, events=(*change.events, *events), detail=detail, reported=True)
    work.apply(connection, order, change)
    _sum_attempts(connection, order)
    brackets.follow(connection, order, filled.filled_quantity)
    _tell_running_totals(connection, order, rows, change.state)


def _own_progress(order: Order, filled: Progress, own: Progress, due: timedelta) -> Change:
    """What fills of the current attempt make of an order: `filled` in all, `own` of the attempt."""
    state = state_after(
        order.state,
        order.quantity,
        filled.filled_quantity,
        own=own.filled_quantity,
        reported_state=order.attempt.reported_state,
        reported_quantity=order.attempt.reported_quantity,
        replaced=order.attempt.replacement is not None or order.standing > 0,
    )
    attempt_state = order.attempt.state
    if not order.state.is_final or order.state is OrderState.FILLED:
        # An earlier attempt's late fill may complete the order; this attempt is what it was.
        mine = state is not OrderState.FILLED or own.filled_quantity > 0
        attempt_state = state if mine else order.attempt.state
    ended_now = state.is_final and state is not OrderState.FILLED and not order.state.is_final
    return Change(
        state,
        Step.PERSIST_FILL,
        completes=True,
        due=due,
        reason=order.attempt.reported_reason
        if ended_now
        else (order.reason if order.state.is_final else None),
        order={
            "filled_quantity": filled.filled_quantity,
            "average_price": filled.average_price,
        },
        attempt={"state": attempt_state},
        detail={"note": order.attempt.reported_reason},
    )


def _progress_of_leg(order: Order, filled: Progress) -> Change:
    """What fills of an earlier attempt of a bracket's child make of it, which works all the same.

    The way of the current attempt goes on as it was.
    """
    state = order.state
    if state.is_working:
        whole = filled.filled_quantity >= order.quantity
        state = OrderState.FILLED if whole else OrderState.PARTIALLY_FILLED
    return Change(
        state,
        None,
        label=Step.PERSIST_FILL.label,
        due=order.remaining,
        reason=None if state.is_final else order.reason,
        order={
            "filled_quantity": filled.filled_quantity,
            "average_price": filled.average_price,
        },
    )


def _foreign_progress(order: Order, filled: Progress) -> Change:
    """A late execution of an earlier attempt: it counts, and changes nothing else.

    But where the current attempt is a simulation that has not begun, it never shall: part of the
    order really happened, and faking the rest would mix paper with live.
    """
    totals = {
        "filled_quantity": filled.filled_quantity,
        "average_price": filled.average_price,
    }
    unsent = order.state is OrderState.PENDING and order.attempt.intent_at is None
    if unsent and order.execution_mode is ExecutionMode.PAPER and filled.filled_quantity > 0:
        whole = filled.filled_quantity >= order.quantity
        return Change(
            OrderState.FILLED if whole else OrderState.CANCELLED,
            None,
            label=Step.PERSIST_FILL.label,
            reason=None if whole else "filled in part by a broker that had refused it",
            order=totals,
            attempt={"state": OrderState.CANCELLED, "reason": "the order was filled elsewhere"},
        )
    return Change(
        order.state,
        None,
        label=Step.PERSIST_FILL.label,
        due=order.remaining,
        reason=order.reason,
        order=totals,
    )


def _sum_attempts(connection: Connection, order: Order) -> None:
    if order.parent_order_id is not None:
        brackets.reduce_others(connection, order)
    connection.execute(
        text(
            """
            UPDATE order_attempts a SET filled_quantity = f.filled, updated_at = clock_timestamp()
            FROM (SELECT attempt_id, sum(quantity) AS filled FROM fills
                WHERE order_id = :order_id GROUP BY attempt_id) f
            WHERE a.attempt_id = f.attempt_id AND a.filled_quantity <> f.filled
            """
        ),
        {"order_id": order.order_id},
    )


def _tell_running_totals(
    connection: Connection, order: Order, rows: Sequence[Row[Any]], state: OrderState
) -> None:
    """What each fill's message will say of the order, in the order the fills were heard of.

    A fill that was revised since speaks of the order as it is now.
    """
    running = list(progress((row.quantity, row.price) for row in rows))
    for row, so_far in zip(rows, running, strict=True):
        if row.cumulative_quantity is None:
            _stamp(connection, row.fill_id, order, so_far, state)
        elif row.revised is not None and row.positioned_at is None:
            _stamp(connection, row.fill_id, order, running[-1], state)


@exact
def _told_of_fill(order: Order, so_far: Progress, state: OrderState) -> dict[str, Any]:
    """What a fill's message says of its order: the fill's columns for it."""
    if so_far.filled_quantity >= order.quantity:
        told = OrderState.FILLED
    elif not so_far.filled_quantity or (state.is_final and state is not OrderState.FILLED):
        told = state  # all of it was taken back, or it has ended short
    else:
        told = OrderState.PARTIALLY_FILLED
    return {
        "cumulative_quantity": so_far.filled_quantity,
        "leaves_quantity": max(order.quantity - so_far.filled_quantity, Decimal(0)),
        "average_price": so_far.average_price,
        "order_state": told,
    }


def _stamp(
    connection: Connection, fill_id: int, order: Order, so_far: Progress, state: OrderState
) -> None:
    connection.execute(
        text(
            """
            UPDATE fills SET cumulative_quantity = :cumulative_quantity,
                leaves_quantity = :leaves_quantity, average_price = :average_price,
                order_state = :order_state WHERE fill_id = :fill_id
            """
        ),
        {"fill_id": fill_id, **_told_of_fill(order, so_far, state)},
    )


def _unexpected(
    connection: Connection, order: Order, filled: Progress, state: OrderState, *, own: bool
) -> tuple[str, ...]:
    """Alert on what a venue should not have done; it counts all the same."""

    def alert(kind: str, what: str) -> None:
        alerts.alert(
            connection,
            kind,
            order.order_id,
            f"order {order.client_order_id} {what}",
            order_id=order.order_id,
            broker=order.broker,
        )

    if filled.filled_quantity > order.quantity and order.filled_quantity <= order.quantity:
        alert(alerts.OVERFILLED, f"has {filled.filled_quantity} filled of {order.quantity}")
        return (OrderEventType.OVERFILLED,)
    if order.state is OrderState.FILLED and state is not OrderState.FILLED:
        alert(alerts.BUSTED, "was FILLED, and an execution of it was taken back")
    elif order.state.is_final and order.state is not OrderState.FILLED:
        alert(alerts.LATE_FILL, f"was {order.state} when an execution came")
    elif not own:
        alert(alerts.LATE_FILL, "was filled by an earlier attempt, which had been given up")
    return ()
