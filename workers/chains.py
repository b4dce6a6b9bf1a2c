"""An order's chain: one Celery task a step, each on its queue, from any step on."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from celery import Celery, chain

from execution.domain.lifecycle import Step
from execution.domain.vocabulary import BrokerName


def chain_from(app: Celery, order_id: UUID, first: Step, broker: BrokerName) -> Any:
    """The chain of the steps from `first` on. Messages carry the order's id and nothing else."""
    return chain(
        *(
            app.signature(
                step.task, args=(str(order_id),), immutable=True, queue=step.queue(broker)
            )
            for step in Step
            if step >= first
        )
    )


def send_from(app: Celery, order_id: UUID, first: Step, broker: BrokerName) -> None:
    """Send that chain."""
    chain_from(app, order_id, first, broker).apply_async()
