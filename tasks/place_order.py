"""The intake: records a request, and starts the chain of eight for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from execution.domain.lifecycle import Step
from execution.domain.vocabulary import BrokerName
from execution.intake import Understood
from execution.store import requests
from execution.store.requests import ACCEPTED, AcceptedRequest
from tasks.step import StepTask
from workers.app import app
from workers.context import context


@dataclass(frozen=True, slots=True)
class Begun:
    """What step 1 would read and understand once more."""

    request: AcceptedRequest
    understood: Understood | None


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
    shared = context()
    taken = shared.intake.take(payload)
    receipt, request = taken.receipt, None
    if receipt.outcome == ACCEPTED and receipt.order_id is not None:
        if receipt.fresh:
            request = requests.just_accepted(receipt, receipt.order_id, taken.payload)
        else:
            with shared.store.direct() as link:
                request = requests.accepted(link, receipt.order_id)
    if request is not None and request.step == 0:
        # Steps 1 and 2 run here whatever the broker; step 2 turns the rest to its queue.
        begun = Begun(request, taken.understood)
        self.go_on(request.order_id, Step.CREATE_ORDER, BrokerName.PAPER, begun)
    else:
        self.end_chain()
