"""Takes an order on that was turned to paper; the decision itself was committed by a step."""

from __future__ import annotations

from uuid import UUID

from execution.domain.lifecycle import Step
from execution.domain.vocabulary import BrokerName, OrderState
from execution.store import orders
from execution.store.loading import load
from tasks.step import StepTask
from workers.app import app
from workers.chains import send_from
from workers.context import context


@app.task(bind=True, base=StepTask, name="tasks.reroute_to_paper")
def reroute_to_paper(self: StepTask, order_id: str) -> None:
    """Send the rest of the chain, from step 3, on the paper queue."""
    with context().store.transaction() as connection:
        order = load(connection, UUID(order_id))
        if (
            order is None
            or order.broker is not BrokerName.PAPER
            or order.state is not OrderState.PENDING
            or order.step != Step.PERSIST_ORDER
        ):
            return
        orders.note(connection, order, "reroute_to_paper", {"reason": order.reason})
    send_from(self.app, order.order_id, Step.CONNECT_GATEWAY, BrokerName.PAPER)
