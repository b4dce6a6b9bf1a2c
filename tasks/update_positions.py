"""Step 7: fills move `positions` or `paper_positions`, once for each execution."""

from __future__ import annotations

from uuid import UUID

from execution.domain.lifecycle import Step
from execution.domain.orders import Order
from execution.store import in_one, positions
from execution.store.in_one import Taken
from execution.store.transitions import load
from tasks.step import StepTask
from tasks.unwritten import take_again
from workers.app import app
from workers.context import context


@app.task(bind=True, base=StepTask, name=Step.UPDATE_POSITIONS.task)
def update_positions(self: StepTask, order_id: str) -> None:
    """Bring every fill of the order that waits into its position."""
    shared, key, taken = context(), UUID(order_id), self.handed(Taken)
    if taken is not None:
        finished = _finish(taken)
        if finished is None:
            take_again(self, taken)
        else:
            self.go_on(key, Step.PUBLISH_FILL_EVENT, finished.broker, finished)
        return
    with shared.store.transaction() as connection:
        order = self.handed(Order) or load(connection, key)
        moved = order and positions.move(connection, order, shared.timing.step)
    if moved:
        self.go_on(key, Step.PUBLISH_FILL_EVENT, moved.broker, moved)
        return
    with shared.store.transaction() as connection:
        positions.apply_for_order(connection, key, shared.timing.step)
        order = load(connection, key)
    if order is not None and order.step == Step.UPDATE_POSITIONS:
        self.go_on(key, Step.PUBLISH_FILL_EVENT, order.broker)
    else:
        self.end_chain()


def _finish(taken: Taken) -> Order | None:
    """All that steps 4 to 7 have left unwritten, in one transaction; None when that cannot be."""
    shared = context()
    with shared.store.brief() as link:
        finished = in_one.finish(link, taken, shared.timing)
    if finished is not None:
        return finished
    with shared.store.transaction() as connection:
        return in_one.finish_late(connection, taken, shared.timing)
