"""Step 2: insert the order and its first attempt."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import Connection

from execution.domain.events import order_event
from execution.domain.lifecycle import Step
from execution.domain.vocabulary import BrokerName, OrderState
from execution.store import commands, orders
from execution.store.transitions import load
from tasks.step import StepTask, publish_quietly
from workers.app import app
from workers.context import context


@app.task(bind=True, base=StepTask, name=Step.PERSIST_ORDER.task)
def persist_order(self: StepTask, order_id: str) -> None:
    """Bring the order into being, PENDING, or REJECTED where step 1 found that it must be."""
    shared = context()
    with shared.store.transaction() as connection:
        order = _insert(connection, UUID(order_id))
    if order is not None and order["state"] == OrderState.PENDING:
        self.go_on(UUID(order_id), Step.PERSIST_ORDER, BrokerName(str(order["broker"])))
        publish_quietly()
    else:
        self.end_chain()


def _insert(connection: Connection, order_id: UUID) -> dict[str, str | None] | None:
    """The order as it came into being; None when it is not step 2's turn, or was cancelled."""
    spec = orders.spec(connection, order_id)
    if spec is None:
        return None
    order = spec["order"]
    kinds = [OrderState.PENDING]
    if order["state"] != OrderState.PENDING:
        kinds.append(OrderState(str(order["state"])))
    events = [
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
    mine = orders.insert(connection, order_id, context().timing.step, events)
    return order if mine and not _cancel_if_marked(connection, order_id) else None


def _cancel_if_marked(connection: Connection, order_id: UUID) -> bool:
    """End an order whose cancel overtook it. One that comes just now is found by recovery."""
    order = load(connection, order_id)
    if order is None or order.state is not OrderState.PENDING:
        return False
    mark = commands.cancel_mark(connection, order.client_order_id)
    if mark is None:
        return False
    reason = f"cancelled by {mark.external_id}, which came before it"
    orders.settle(connection, order, OrderState.CANCELLED, reason, step=Step.PERSIST_ORDER)
    return commands.settle(connection, mark.command_id, commands.DONE, None, [])
