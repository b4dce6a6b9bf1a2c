"""Step 6: execution reports become fills; the order gets its price, quantity, state and time."""

from __future__ import annotations

from uuid import UUID

from execution.domain.lifecycle import Step
from execution.domain.orders import Order
from execution.store import brackets, executions, first_fills
from execution.store.first_fills import Heard
from execution.store.transitions import load
from tasks.step import StepTask
from tasks.unwritten import left_to, take_again
from workers.app import app
from workers.chains import send_from
from workers.context import context


@app.task(bind=True, base=StepTask, name=Step.PERSIST_FILL.task)
def persist_fill(self: StepTask, order_id: str) -> None:
    """Apply every report of the order that waits."""
    key, unwritten = UUID(order_id), left_to(self)
    if unwritten is not None:
        if self.goes_on_here(Step.UPDATE_POSITIONS, unwritten.order.broker):
            self.hand_over(Step.UPDATE_POSITIONS, unwritten.order, unwritten.after())
        else:
            take_again(self, unwritten)
        return
    filled = _plainly(key, self.handed(Heard))
    if filled is not None:
        self.go_on(key, Step.UPDATE_POSITIONS, filled.broker, filled)
        return
    shared = context()
    with shared.store.transaction() as connection:
        order = executions.apply_to_order(connection, key, shared.timing.step)
        children = brackets.due_children(connection, key)
    for child_id in children:
        if order is not None:
            send_from(self.app, child_id, Step.CONNECT_GATEWAY, order.broker)
    if order is not None and (order.unapplied or order.unfinished):
        self.go_on(key, Step.UPDATE_POSITIONS, order.broker)
    else:
        self.end_chain()


def _plainly(order_id: UUID, heard: Heard | None) -> Order | None:
    """The order with its first fills, when there is nothing more to it than these."""
    shared = context()
    with shared.store.direct() as link:
        if heard is not None:
            return first_fills.apply_plain(link, heard.order, heard.executions, shared.timing.step)
        order = load(link, order_id)
        if order is None:
            return None
        found = first_fills.unapplied(link, order)
        return first_fills.apply_plain(link, order, found, shared.timing.step)
