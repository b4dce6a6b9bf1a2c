"""An order that waits for its venue's word in vain is settled by a person's, on evidence.

It is in UNKNOWN, or its venue misses it, or has not reported all that it has filled of it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, text

from execution.domain.decimals import plain
from execution.domain.errors import ExecutionError
from execution.domain.lifecycle import Step
from execution.domain.order_changes import Change
from execution.domain.orders import Order
from execution.domain.reconciliation import MISSING_ORDER
from execution.domain.resolving import Resolution, Told, why_not
from execution.domain.vocabulary import OrderState
from execution.store import alerts, loading, reports, work
from execution.store.giving_up import unprotected

LABEL = "resolve"


class NotResolved(ExecutionError):
    """The order is as it was; the message says why."""


class BeingAsked(NotResolved):
    """A worker is asking the venue for the order just now, and its word comes first."""


def resolve(connection: Connection, seen: Order, said: Resolution, due: timedelta) -> Order:
    """Settle an order as somebody says, in the caller's transaction; returns it as it is then.

    The evidence is kept in its history.

    `seen` is the order as they saw it; it must still stand in the same doubt, though the venue may
    have been asked in vain meanwhile. Without executions the order is over. With them it stands as
    if the venue had said so: step 5 is due, and steps 6 to 8 make of them what they make of any.
    Raises NotResolved, BeingAsked; then the caller's transaction must not be committed.
    """
    problem = why_not(seen, said)
    if problem is not None:
        raise NotResolved(f"order {seen.client_order_id}: {problem}")
    # The order before its reports, as everybody locks them: two that have one execution to record
    # must not deadlock.
    loading.lock_order(connection, seen.order_id)
    reports.record(connection, seen, said.executions)
    order = loading.load(connection, seen.order_id, lock=True)
    if order is None:
        raise NotResolved(f"there is no order {seen.client_order_id}")
    _check(connection, seen, order, said)
    after = work.apply(connection, order, _change(order, said, due))
    if after is None:
        raise NotResolved(f"order {order.client_order_id} was changed meanwhile")
    alerts.resolve(connection, alerts.UNKNOWN_OUTCOME, order.order_id)
    alerts.resolve(connection, alerts.EXECUTIONS_MISSING, order.order_id)
    alerts.resolve(connection, MISSING_ORDER, f"{order.broker}:{order.attempt.venue_order_id}")
    for execution in said.executions:
        # It may have been heard of as one of no order of ours.
        stranger = alerts.stranger(
            order.broker, order.attempt.account, execution.instrument_key, execution.execution_id
        )
        alerts.resolve(connection, alerts.UNKNOWN_ORDER, stranger)
    if after.state is OrderState.REJECTED:
        unprotected(connection, order, said.reason(order))
    return after


def _check(connection: Connection, seen: Order, order: Order, said: Resolution) -> None:
    """Raise NotResolved unless the order stands as it was seen and what is said can be so."""
    name = f"order {order.client_order_id}"
    if order.state is not seen.state:
        raise NotResolved(f"{name} has become {order.state} meanwhile; nothing was changed")
    if order.state is not OrderState.UNKNOWN and not _is_missing(connection, order):
        raise NotResolved(
            f"{name} is {order.state}, and {order.broker} has not been found to miss it, or "
            "executions of it: there is nothing to settle (execution reconcile asks)"
        )
    if _doubt(order) != _doubt(seen):
        raise NotResolved(f"{name} was sent again or changed meanwhile; nothing was changed")
    until = order.attempt.lease_until
    asking = order.state is OrderState.UNKNOWN  # of one that works it is what its send has left
    if asking and until is not None and until > order.read_at:
        left = (until - order.read_at).total_seconds()
        raise BeingAsked(
            f"{order.broker} is being asked for {name} just now; try again in {left:.0f} s"
        )
    _check_known(connection, order, said)


def _is_missing(connection: Connection, order: Order) -> bool:
    """Whether its venue was asked, and shows it no more, or not all that it has filled of it."""
    standing = text(
        """SELECT EXISTS (SELECT FROM alerts WHERE kind = ANY(:kinds) AND order_id = :order_id
        AND resolved_at IS NULL)"""
    )
    values = {"kinds": [MISSING_ORDER, alerts.EXECUTIONS_MISSING], "order_id": order.order_id}
    return bool(connection.execute(standing, values).scalar_one())


def _doubt(order: Order) -> tuple[object, ...]:
    """What must be the same for what was said of an order to be about it still."""
    attempt = order.attempt
    return attempt.attempt_id, attempt.intent_at, order.quantity, order.filled_quantity


def _check_known(connection: Connection, order: Order, said: Resolution) -> None:
    """What is known of an execution already (of no order of ours, so far) must not differ."""
    rows = connection.execute(
        text(
            """
            SELECT execution_id, quantity, price FROM execution_reports
            WHERE order_id = :order_id AND kind = 'TRADE' AND applied_at IS NULL
            """
        ),
        {"order_id": order.order_id},
    )
    known = {row.execution_id: (row.quantity, row.price) for row in rows}
    told = {one.execution_id: (one.quantity, one.price) for one in said.executions}
    if told.keys() - known.keys():
        raise NotResolved(
            f"{order.broker} has reported an execution of this id already, and not of order "
            f"{order.client_order_id}"
        )
    for execution_id, (quantity, price) in known.items():
        if told.get(execution_id) != (quantity, price):
            raise NotResolved(
                f"{order.broker} reports execution {execution_id} of order "
                f"{order.client_order_id} as {plain(quantity)} at {plain(price)}"
            )


def _change(order: Order, said: Resolution, due: timedelta) -> Change:
    reason, state = said.reason(order), said.told.state
    detail: dict[str, Any] = {"as": said.told, "by": said.by, "evidence": said.evidence}
    if not said.executions:
        return Change(
            state,
            Step.SUBMIT_ORDER,
            reason=reason,
            attempt={"state": state, "reason": reason, "lease_until": None},
            detail=detail,
            label=LABEL,
            reported=True,
        )
    detail["executions"] = [
        {
            "execution_id": one.execution_id,
            "quantity": one.quantity,
            "price": one.price,
            "executed_at": one.executed_at,
        }
        for one in said.executions
    ]
    ended: dict[str, Any] = {
        "reason": reason,
        "lease_until": None,
        "reported_state": state,
        "reported_quantity": order.attempt.filled_quantity + said.quantity,
        "reported_reason": reason,
    }
    works = said.told is Told.WORKING
    return Change(
        order.state if order.state.is_working else OrderState.SUBMITTED,
        Step.SUBMIT_ORDER,
        # One that is on its way from step 5 to step 8 goes on there.
        completes=order.step < Step.SUBMIT_ORDER,
        due=due,
        reason=order.reason if works else reason,
        # Its state comes with step 6: a session would adopt one that works, and watch it for ever.
        attempt={} if works else ended,
        detail=detail,
        label=LABEL,
        reported=True,
    )
