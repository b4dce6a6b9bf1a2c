"""What becomes of an order that its broker will not, or cannot, take: on_failure decides."""

from __future__ import annotations

from celery import Celery
from sqlalchemy import Connection

from execution.domain.errors import NotAllowed
from execution.domain.lifecycle import Step
from execution.domain.orders import Order
from execution.domain.vocabulary import BrokerName
from execution.intake import new_id
from execution.store import alerts, giving_up
from workers.context import context


def give_up(
    connection: Connection,
    order: Order,
    reason: str,
    *,
    step: Step,
    sent: bool,
    code: str | None = None,
) -> bool:
    """`giving_up.give_up`, with this process's settings; `send_reroute` is due when it is True."""
    return giving_up.give_up(
        connection,
        order,
        reason,
        step=step,
        sent=sent,
        attempt_id=new_id(),
        timing=context().timing,
        code=code,
    )


def send_reroute(app: Celery, order: Order) -> None:
    """Send the task that takes a rerouted order on."""
    app.send_task(
        "tasks.reroute_to_paper", args=(str(order.order_id),), queue=BrokerName.PAPER.queue
    )


def not_allowed(order: Order, refusal: NotAllowed, *, step: Step) -> None:
    """What a limit or a state of ours does not allow ends here, or waits; it is not simulated."""
    with context().store.transaction() as connection:
        if refusal.waits:
            giving_up.wait(connection, order, str(refusal))
        else:
            giving_up.refuse(connection, order, str(refusal), step=step)
            # One that was in doubt has provably not arrived, or nobody would send it again.
            alerts.resolve(connection, alerts.UNKNOWN_OUTCOME, order.order_id)
            alerts.resolve(connection, alerts.WAITING, order.order_id)
