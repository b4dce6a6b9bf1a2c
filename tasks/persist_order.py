"""Step 2: insert the order and its first attempt."""

from __future__ import annotations

from uuid import UUID

from execution.domain.lifecycle import Step
from execution.domain.orders import Order
from execution.domain.vocabulary import OrderState
from execution.store import commands, inserting, orders
from tasks.step import StepTask
from workers.app import app
from workers.context import context


@app.task(bind=True, base=StepTask, name=Step.PERSIST_ORDER.task)
def persist_order(self: StepTask, order_id: str) -> None:
    """Bring the order into being, PENDING, or REJECTED where step 1 found that it must be."""
    order = _insert(UUID(order_id))
    if order is None:
        self.end_chain()
    else:
        self.go_on(order.order_id, Step.CONNECT_GATEWAY, order.broker, order)


def _insert(order_id: UUID) -> Order | None:
    """Insert it; None when it is not this step's turn, or the order does not go on to step 3.

    A cancel that comes just now is found by recovery.
    """
    shared = context()
    with shared.store.direct() as link:
        spec = inserting.spec(link, order_id)
        made = None
        if spec is not None:
            made = inserting.insert(link, order_id, shared.timing.step, spec)
    if made is None:
        return None
    order, cancelled = made
    if order.state is not OrderState.PENDING or (cancelled and _cancel(order)):
        return None
    return order


def _cancel(order: Order) -> bool:
    """End an order whose cancel came before it; False when that cancel is settled already."""
    shared = context()
    with shared.store.transaction() as connection:
        mark = commands.cancel_mark(connection, order.client_order_id)
        if mark is None:
            orders.postpone(connection, order, shared.timing.step)
            return False
        reason = f"cancelled by {mark.external_id}, which came before it"
        orders.settle(connection, order, OrderState.CANCELLED, reason, step=Step.PERSIST_ORDER)
        return commands.settle(connection, mark.command_id, commands.DONE, None, [])
