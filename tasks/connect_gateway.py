"""Step 3: the broker's connection is verified, or the order is turned to paper."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from execution.domain.errors import BrokerError
from execution.domain.lifecycle import Step
from execution.domain.orders import Order
from execution.domain.vocabulary import BreakerState, BrokerName, OrderState
from execution.store import alerts, breakers, orders
from execution.store.in_one import Draft
from tasks.failure import give_up, send_reroute
from tasks.step import StepTask
from tasks.unwritten import write_draft
from workers.app import app
from workers.context import context
from workers.registry import session_of

_AGAIN = timedelta(seconds=1)


@app.task(bind=True, base=StepTask, name=Step.CONNECT_GATEWAY.task)
def connect_gateway(self: StepTask, order_id: str) -> None:
    """Go on when the venue answers; wait within the grace; give up after it."""
    draft = self.handed(Draft)
    if draft is not None and _connect_draft(self, draft):
        return
    self.on_latest(order_id, lambda order: _connect(self, order))


def _connect_draft(task: StepTask, draft: Draft) -> bool:
    """Leave an order whose way is clear to step 4, unwritten; False, and written, if it is not."""
    order = draft.order
    if task.goes_on_here(Step.SUBMIT_ORDER, order.broker) and _examine(order)[0] is None:
        connected = replace(order, version=2, step=int(Step.CONNECT_GATEWAY))
        task.hand_over(Step.SUBMIT_ORDER, connected, draft.after(connected))
        return True
    write_draft(draft)
    return False


def _connect(task: StepTask, order: Order) -> bool:
    if order.state is not OrderState.PENDING or order.step != Step.PERSIST_ORDER:
        return False
    shared = context()
    problem, hopeless = _examine(order)
    if problem is None:
        with shared.store.direct() as link:
            connected = orders.gateway_connected(link, order, shared.timing)
        if connected is None:
            return False
        if order.reason is not None:
            with shared.store.transaction() as connection:
                alerts.resolve(connection, alerts.WAITING, order.order_id)
        task.go_on(order.order_id, Step.SUBMIT_ORDER, order.broker, connected)
        return True
    rerouted = False
    with shared.store.transaction() as connection:
        if hopeless:
            rerouted = give_up(connection, order, problem, step=Step.CONNECT_GATEWAY, sent=False)
        else:
            orders.gateway_waits(connection, order, problem, _AGAIN)
    if rerouted:
        send_reroute(task.app, order)
    task.end_chain()
    return True


def _examine(order: Order) -> tuple[str | None, bool]:
    """What stands in the way, and whether waiting for it is hopeless."""
    if order.broker is not BrokerName.PAPER:
        with context().store.transaction() as connection:
            breaker = breakers.state(connection, order.broker)
        if breaker is not BreakerState.CLOSED:
            return "circuit breaker open", True
    try:
        session = session_of(order.broker)
    except BrokerError as error:
        return str(error), False
    try:
        session.verify()
    except BrokerError as error:
        lost_for_good = session.down_for() > context().settings.lost_connection_grace
        # Paper has nothing to turn to: it waits for its book for as long as it takes.
        hopeless = order.broker is not BrokerName.PAPER and (
            lost_for_good or not session.has_adapter
        )
        return str(error), hopeless
    return None, False
