"""Step 7: fills move `positions` or `paper_positions`, once for each execution."""

from __future__ import annotations

from uuid import UUID

from execution.domain.lifecycle import Step
from execution.store import positions
from execution.store.transitions import load
from tasks.step import StepTask
from workers.app import app
from workers.context import context


@app.task(bind=True, base=StepTask, name=Step.UPDATE_POSITIONS.task)
def update_positions(self: StepTask, order_id: str) -> None:
    """Bring every fill of the order that waits into its position."""
    shared = context()
    with shared.store.transaction() as connection:
        positions.apply_for_order(connection, UUID(order_id), shared.timing.step)
        order = load(connection, UUID(order_id))
    if order is not None and order.step == Step.UPDATE_POSITIONS:
        self.go_on(order.order_id, Step.UPDATE_POSITIONS, order.broker)
    else:
        self.end_chain()
