"""Step 6: execution reports become fills; the order gets its price, quantity, state and time."""

from __future__ import annotations

from uuid import UUID

from execution.domain.lifecycle import Step
from execution.store import executions
from tasks.step import StepTask
from workers.app import app
from workers.chains import fit_family
from workers.context import context


@app.task(bind=True, base=StepTask, name=Step.PERSIST_FILL.task)
def persist_fill(self: StepTask, order_id: str) -> None:
    """Apply every report of the order that is not applied yet."""
    shared, key = context(), UUID(order_id)
    with shared.store.transaction() as connection:
        order = executions.apply_to_order(connection, key, shared.timing.step)
    if order is not None:
        fit_family(self.app, order)
    if order is not None and (order.unfinished or order.step == Step.PERSIST_FILL):
        self.go_on(key, Step.UPDATE_POSITIONS, order.broker)
    else:
        self.end_chain()
