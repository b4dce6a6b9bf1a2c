"""Step 7: fills move `positions` or `paper_positions`, once for each execution."""

from __future__ import annotations

from uuid import UUID

from execution.domain.lifecycle import Step
from execution.store import positions
from tasks.exits import share_out
from tasks.step import StepTask
from workers.app import app
from workers.context import context


@app.task(bind=True, base=StepTask, name=Step.UPDATE_POSITIONS.task)
def update_positions(self: StepTask, order_id: str) -> None:
    """Bring every fill of the order that is in no position yet into its position."""
    shared, key = context(), UUID(order_id)
    with shared.store.transaction() as connection:
        order = positions.apply_for_order(connection, key, shared.timing.step)
    if order is not None:
        share_out(self.app, order)
    if order is not None and order.step == Step.UPDATE_POSITIONS:
        self.go_on(key, Step.PUBLISH_FILL_EVENT, order.broker, order)
    else:
        self.end_chain()
