"""Step 7: fills move `positions` or `paper_positions`, once for each execution."""

from __future__ import annotations

from uuid import UUID

from execution.domain.errors import StoreUnavailable
from execution.domain.lifecycle import Step
from execution.domain.orders import Order
from execution.store import finishing, positions
from execution.store.finishing import Taken, Unwritten
from execution.store.transitions import load
from tasks.step import StepTask
from tasks.unwritten import left_to, take_again
from workers.app import app
from workers.context import context


@app.task(bind=True, base=StepTask, name=Step.UPDATE_POSITIONS.task)
def update_positions(self: StepTask, order_id: str) -> None:
    """Bring every fill of the order that waits into its position."""
    shared, key, unwritten = context(), UUID(order_id), left_to(self)
    if unwritten is not None:
        finished = _finish(unwritten)
        if finished is None:
            take_again(self, unwritten)
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


def _finish(unwritten: Unwritten) -> Order | None:
    """All that the steps up to 7 have not written, in one transaction; None when that cannot be."""
    shared = context()
    try:
        with shared.store.brief() as link:
            finished = finishing.finish(link, unwritten, shared.timing)
        if finished is not None:
            return finished
        with shared.store.transaction() as connection:
            return finishing.finish_late(connection, unwritten, shared.timing)
    except StoreUnavailable:
        if isinstance(unwritten, Taken):
            raise
        return None  # a retry would not find step 7's turn: what is recorded goes on from step 5
