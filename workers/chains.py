"""An order's chain: one Celery task a step, each on its queue, from any step on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from celery import Celery
from kombu import Queue

from execution.domain.brackets import is_bracket
from execution.domain.lifecycle import Step
from execution.domain.orders import Order
from execution.domain.vocabulary import BrokerName


def declared(app: Celery, queue: str) -> str:
    """The queue's name, known to this process from now on: control queues come and go."""
    if queue not in app.amqp.queues:
        app.amqp.queues.add(Queue(queue))
    return queue


def links_from(
    order_id: UUID, first: Step, broker: BrokerName, channel: int | None = None
) -> list[dict[str, Any]]:
    """The links of the chain from `first` on as a Celery message carries them: the next one last.

    Signatures as `celery.chain` makes them, without the detour through its canvas, which costs
    more than a step. They carry the order's id and nothing else; monitors show, in the place of
    keyword arguments, whether it is on paper or live from step 3 on.
    """
    return [
        {
            "task": step.task,
            "args": [str(order_id)],
            "kwargs": {},
            "options": {"queue": step.queue(broker, channel), **_shown(step, broker)},
            "subtask_type": None,
            "immutable": True,
        }
        for step in reversed(Step)
        if step >= first
    ]


def _shown(step: Step, broker: BrokerName) -> dict[str, str]:
    if step <= Step.PERSIST_ORDER:
        return {}
    return {"kwargsrepr": "PAPER" if broker is BrokerName.PAPER else f"LIVE {broker}"}


def send_from(
    app: Celery,
    order_id: UUID,
    first: Step,
    broker: BrokerName,
    channel: int | None = None,
    *,
    countdown: float = 0.0,
) -> None:
    """Send that chain; it begins after `countdown` seconds."""
    *rest, link = links_from(order_id, first, broker, channel)
    declared(app, link["options"]["queue"])
    app.signature(link).apply_async(chain=rest, countdown=countdown)


def fit_family(app: Celery, order: Order) -> None:
    """Have a bracket's children fitted, if the order is one of its family; else nothing.

    It is due already (`brackets.due_at`): this only spares the wait for recovery.
    """
    parent_id = order.parent_order_id or (order.order_id if is_bracket(order) else None)
    if parent_id is not None:
        fit_brackets(app, order.broker, [parent_id])


def fit_brackets(app: Celery, broker: BrokerName, parents: Iterable[UUID]) -> None:
    """Have brackets fitted that are due already, by their parents' ids."""
    queue = declared(app, broker.queue)
    for parent_id in parents:
        app.send_task("tasks.fit_bracket", args=(str(parent_id),), queue=queue)
