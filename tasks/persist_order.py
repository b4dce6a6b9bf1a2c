"""Step 2: insert the order and its first attempt."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from execution.domain.events import order_event
from execution.domain.lifecycle import Step
from execution.domain.vocabulary import BrokerName, OrderState
from execution.store import orders
from tasks.step import StepTask, publish_quietly
from workers.app import app
from workers.context import context


@app.task(bind=True, base=StepTask, name=Step.PERSIST_ORDER.task)
def persist_order(self: StepTask, order_id: str) -> None:
    """Bring the order into being, PENDING, or REJECTED where step 1 found that it must be."""
    shared = context()
    with shared.store.transaction() as connection:
        spec = orders.spec(connection, UUID(order_id))
        if spec is None:
            self.end_chain()
            return
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
                order_id=UUID(order_id),
                symbol=order["symbol"],
                broker=order["broker"],
                execution_mode=order["execution_mode"],
                state=kind,
                reason=order["reason"],
                step=Step.PERSIST_ORDER.label,
            )
            for kind in kinds
        ]
        mine = orders.insert(connection, UUID(order_id), shared.timing.step, events)
    if mine and order["state"] == OrderState.PENDING:
        self.go_on(UUID(order_id), Step.PERSIST_ORDER, BrokerName(str(order["broker"])))
        publish_quietly()
    else:
        self.end_chain()
