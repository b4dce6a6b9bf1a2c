"""Step 8: the fill's message goes out on Redis pub/sub; retried until it is."""

from __future__ import annotations

from uuid import UUID

from execution.domain.lifecycle import Step
from execution.domain.orders import Order
from execution.store import orders
from execution.store.transitions import load
from tasks.step import StepTask
from workers.app import app
from workers.context import context


@app.task(bind=True, base=StepTask, name=Step.PUBLISH_FILL_EVENT.task)
def publish_fill_event(self: StepTask, order_id: str) -> None:
    """Publish what is committed, this order's messages among it; then the order is done."""
    shared = context()
    handed = self.handed(Order)
    if handed is None:
        shared.publisher.flush()
    elif shared.publisher.finish(handed):
        return  # the last link, and what it changed is told already
    with shared.store.transaction() as connection:
        order = load(connection, UUID(order_id), lock=True)
        if order is not None and order.step == Step.UPDATE_POSITIONS:
            orders.published(connection, order, shared.timing.step)
    self.end_chain()
