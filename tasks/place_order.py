"""The intake: records a request, and starts the chain of eight for it."""

from __future__ import annotations

from typing import Any

from execution.domain.lifecycle import Step
from execution.domain.vocabulary import BrokerName
from execution.store import requests
from execution.store.requests import ACCEPTED
from tasks.step import StepTask, publish_quietly
from workers.app import app
from workers.chains import send_from
from workers.context import context


@app.task(
    bind=True,
    base=StepTask,
    name="tasks.place_order",
    # Until the request is committed, this message is all there is of it.
    acks_late=True,
    typing=False,
)
def place_order(self: StepTask, /, *arguments: Any, **payload: Any) -> None:
    """Record a request, whatever it holds; arguments as in the README's table.

    The same id with the same payload is the same order; the Celery task id serves where no
    client_order_id is given. Nothing that a producer sends raises here.
    """
    if arguments:
        payload = {"positional arguments": list(arguments), **payload}
    payload.setdefault("client_order_id", self.request.id)
    receipt = context().intake.receive(payload)
    if receipt.outcome == ACCEPTED and receipt.order_id is not None:
        with context().store.statement() as connection:
            request = requests.accepted(connection, receipt.order_id)
        if request is not None and request.step == 0:
            # Steps 1 and 2 run here whatever the broker; step 2 turns the rest to its queue.
            send_from(self.app, receipt.order_id, Step.CREATE_ORDER, BrokerName.PAPER)
    publish_quietly()
