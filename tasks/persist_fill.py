"""Step 6: execution reports become fills; the order gets its price, quantity, state and time."""

from __future__ import annotations

from uuid import UUID

from execution.domain.lifecycle import Step
from execution.store import brackets, executions
from tasks.step import StepTask
from workers.app import app
from workers.chains import send_from
from workers.context import context


@app.task(bind=True, base=StepTask, name=Step.PERSIST_FILL.task)
def persist_fill(self: StepTask, order_id: str) -> None:
    """Apply every report of the order that is not applied yet."""
    shared, key = context(), UUID(order_id)
    with shared.store.transaction() as connection:
        order = executions.apply_to_order(connection, key, shared.timing.step)
        children = brackets.due_children(connection, key)
    for child_id in children:
        if order is not None:
            send_from(self.app, child_id, Step.CONNECT_GATEWAY, order.broker)
    if order is not None and (order.unfinished or order.step == Step.PERSIST_FILL):
        self.go_on(key, Step.UPDATE_POSITIONS, order.broker)
    else:
        self.end_chain()
