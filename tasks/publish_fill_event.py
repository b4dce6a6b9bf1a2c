"""Step 8: the fill's message goes out on Redis pub/sub; retried until it is."""

from __future__ import annotations

from uuid import UUID

from execution.domain.lifecycle import Step
from execution.store import orders
from execution.store.loading import load
from tasks.step import StepTask
from workers.app import app
from workers.context import context


@app.task(bind=True, base=StepTask, name=Step.PUBLISH_FILL_EVENT.task)
def publish_fill_event(self: StepTask, order_id: str) -> None:
    """Publish what is committed, this order's messages among it; step 5 again if there is news."""
    shared, order = context(), self.handed
    if order is None:
        shared.publisher.flush()
    if order is None or not shared.publisher.finish(order):
        with shared.store.transaction() as connection:
            order = load(connection, UUID(order_id), lock=True)
            if order is not None and order.step == Step.UPDATE_POSITIONS:
                orders.published(connection, order, shared.timing.step)
            else:
                order = None
    if order is not None and order.has_news:
        self.go_on(order.order_id, Step.AWAIT_FILL, order.broker)
    else:
        self.end_chain()
