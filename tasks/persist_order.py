"""Step 2: insert the order and its first attempt."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from execution.domain.events import Event, order_event
from execution.domain.lifecycle import Step
from execution.domain.orders import Order
from execution.domain.vocabulary import OrderState
from execution.store import commands, orders
from execution.store.requests import Spec
from tasks.step import StepTask
from workers.app import app
from workers.context import context


@app.task(bind=True, base=StepTask, name=Step.PERSIST_ORDER.task)
def persist_order(self: StepTask, order_id: str) -> None:
    """Bring the order into being, PENDING, or REJECTED where step 1 found that it must be."""
    shared, key = context(), UUID(order_id)
    with shared.store.direct() as link:
        spec = self.handed(Spec) or orders.spec(link, key)
        made = spec and orders.insert(link, key, shared.timing.step, _events(key, spec))
    if not made:
        self.end_chain()
        return
    order, cancelled = made
    if order.state is not OrderState.PENDING or (cancelled and _cancel(order)):
        self.end_chain()
    else:
        self.go_on(order.order_id, Step.CONNECT_GATEWAY, order.broker, order)


def _events(order_id: UUID, spec: Spec) -> list[Event]:
    order = spec.order
    kinds = [OrderState.PENDING]
    if order["state"] != OrderState.PENDING:
        kinds.append(OrderState(order["state"]))
    return [
        order_event(
            kind,
            key=1,
            at=datetime.now(UTC),
            client_order_id=order["client_order_id"],
            order_id=order_id,
            symbol=order["symbol"],
            broker=order["broker"],
            execution_mode=order["execution_mode"],
            state=kind,
            reason=order["reason"],
            step=Step.PERSIST_ORDER.label,
        )
        for kind in kinds
    ]


def _cancel(order: Order) -> bool:
    """End an order whose cancel overtook it. One that comes just now is found by recovery."""
    shared = context()
    with shared.store.transaction() as connection:
        mark = commands.cancel_mark(connection, order.client_order_id)
        if mark is None:
            orders.postpone(connection, order, shared.timing.step)
            return False
        reason = f"cancelled by {mark.external_id}, which came before it"
        orders.settle(connection, order, OrderState.CANCELLED, reason, step=Step.PERSIST_ORDER)
        return commands.settle(connection, mark.command_id, commands.DONE, None, [])
