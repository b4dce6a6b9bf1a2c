"""What becomes of an order that its broker will not, or cannot, take: on_failure decides."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy import Connection

from execution.domain.lifecycle import Step
from execution.domain.orders import Order
from execution.domain.routing import fallback
from execution.domain.vocabulary import BrokerName, OnFailure, OrderState
from execution.store import alerts, following, orders
from execution.store.orders import Timing

WAIT = timedelta(seconds=5)


def give_up(
    connection: Connection,
    order: Order,
    reason: str,
    *,
    step: Step,
    sent: bool,
    attempt_id: UUID,
    timing: Timing,
    code: str | None = None,
) -> bool:
    """Decide, in the caller's transaction, what follows a definite no or a send that never left.

    `sent` is False where it provably never left. True when the order now stands for paper, as the
    attempt `attempt_id`, and its message is due after the commit. An order that was refused on
    paper, or whose producer wants no paper, ends REJECTED.
    """
    choice = fallback(order.on_failure, reduces_risk=order.reduces_risk)
    if choice is OnFailure.PAPER and not following.may_turn_to_paper(connection, order):
        # An earlier attempt was live: the rest must not be simulated beside it.
        choice = OnFailure.WAIT
    waits = choice is OnFailure.WAIT and not sent
    if order.broker is not BrokerName.PAPER and waits:
        wait(connection, order, reason)
        return False
    if order.broker is BrokerName.PAPER or choice is not OnFailure.PAPER:
        refuse(connection, order, reason, step=step, code=code)
        return False
    return orders.reroute(
        connection,
        order,
        f"{order.broker}: {reason}",
        attempt_id=attempt_id,
        step=step,
        timing=timing,
        code=code,
    )


def wait(connection: Connection, order: Order, reason: str) -> None:
    """Let an order that is at no venue wait, with an alert, and try again when due."""
    if order.state is OrderState.PENDING:
        orders.gateway_waits(connection, order, reason, WAIT)
    else:
        orders.back_to_gateway(connection, order, reason, WAIT)
    _alert(connection, order, alerts.WAITING, f"waits for {order.broker}: {reason}")


def refuse(
    connection: Connection, order: Order, reason: str, *, step: Step, code: str | None = None
) -> None:
    """End an order that no venue will take: REJECTED, or CANCELLED for the rest of a filled one."""
    state = OrderState.CANCELLED if order.filled_quantity else OrderState.REJECTED
    orders.settle(connection, order, state, reason, step=step, code=code)
    unprotected(connection, order, reason)
    if not following.may_turn_to_paper(connection, order):
        _alert(connection, order, alerts.REPLACEMENT_REFUSED, f"was changed, and refused: {reason}")


def unprotected(connection: Connection, order: Order, reason: str) -> None:
    """Raise an alert when an order that has just been refused was to reduce risk."""
    if order.reduces_risk:
        _alert(connection, order, alerts.UNPROTECTED, f"was to reduce risk: {reason}")


def _alert(connection: Connection, order: Order, kind: str, what: str) -> None:
    alerts.alert(
        connection,
        kind,
        order.order_id,
        f"order {order.client_order_id} {what}",
        order_id=order.order_id,
        broker=order.broker,
    )
