"""Step 2: insert the order and its first attempt."""

from __future__ import annotations

from uuid import UUID

from execution.domain.lifecycle import Step
from execution.store import inserting
from execution.store.in_one import Draft
from execution.store.requests import Spec
from tasks.step import StepTask
from tasks.unwritten import insert, write_draft
from workers.app import app
from workers.context import context


@app.task(bind=True, base=StepTask, name=Step.PERSIST_ORDER.task)
def persist_order(self: StepTask, order_id: str) -> None:
    """Bring the order into being, PENDING, or REJECTED where step 1 found that it must be."""
    draft, spec = self.handed(Draft), self.handed(Spec)
    if draft is not None:
        if self.goes_on_here(Step.CONNECT_GATEWAY, draft.order.broker):
            self.hand_over(Step.CONNECT_GATEWAY, draft.order, draft.after(draft.order))
            return
        order = write_draft(draft)
    else:
        if spec is None:
            with context().store.direct() as link:
                spec = inserting.spec(link, UUID(order_id))
        order = None if spec is None else insert(UUID(order_id), spec)
    if order is None:
        self.end_chain()
    else:
        self.go_on(order.order_id, Step.CONNECT_GATEWAY, order.broker, order)
