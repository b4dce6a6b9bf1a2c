"""The intake: records a request, and starts the chain of eight for it."""

from __future__ import annotations

from functools import partial
from typing import Any
from uuid import UUID

from execution.domain.lifecycle import Step
from execution.domain.vocabulary import BrokerName
from execution.store import requests
from execution.store.requests import ACCEPTED, Receipt
from tasks.intake import IntakeTask
from workers.app import app
from workers.context import context


@app.task(bind=True, base=IntakeTask, name="tasks.place_order")
def place_order(self: IntakeTask, /, *arguments: Any, **payload: Any) -> None:
    """Record a request, whatever it holds; arguments as in the README's table.

    The same id with the same payload is the same order; the Celery task id serves where no
    client_order_id is given. Nothing that a producer sends raises here.
    """
    if arguments:
        payload = {"positional arguments": list(arguments), **payload}
    payload.setdefault("client_order_id", self.request.id)
    receipt = context().intake.receive(payload)
    self.once_committed(partial(_go_on, self, receipt))


def _go_on(task: IntakeTask, receipt: Receipt) -> None:
    """Start the chain of eight, if it is this message that has to."""
    order_id = receipt.order_id
    if order_id is not None and _is_new(receipt, order_id):
        # Steps 1 and 2 run here whatever the broker; step 2 turns the rest to its queue.
        task.go_on(order_id, Step.CREATE_ORDER, BrokerName.PAPER)
    else:
        task.end_chain()


def _is_new(receipt: Receipt, order_id: UUID) -> bool:
    """Whether step 1 is due: the request was accepted, by this message or one like it before."""
    if receipt.outcome != ACCEPTED or receipt.fresh:
        return receipt.outcome == ACCEPTED
    with context().store.direct() as link:
        request = requests.accepted(link, order_id)
    return request is not None and request.step == 0
