"""Step 3: the broker's connection is verified, or the order is turned to paper."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from execution.domain.errors import BrokerError
from execution.domain.lifecycle import Step
from execution.domain.orders import Order
from execution.domain.vocabulary import BreakerState, BrokerName, OrderState
from execution.store import alerts, breakers, orders
from execution.store.transitions import load
from tasks.failure import give_up, send_reroute
from tasks.step import StepTask
from workers.app import app
from workers.context import context
from workers.registry import session_of

_AGAIN = timedelta(seconds=1)


@app.task(bind=True, base=StepTask, name=Step.CONNECT_GATEWAY.task)
def connect_gateway(self: StepTask, order_id: str) -> None:
    """Go on when the venue answers; wait within the grace; give up after it."""
    shared = context()
    with shared.store.transaction() as connection:
        order = load(connection, UUID(order_id))
        breaker = BreakerState.CLOSED
        if order is not None:
            breaker = breakers.state(connection, order.broker)
    if order is None or order.state is not OrderState.PENDING or order.step != Step.PERSIST_ORDER:
        self.end_chain()
        return
    problem, hopeless = _examine(order, breaker)
    rerouted = False
    with shared.store.transaction() as connection:
        if problem is None:
            connected = orders.gateway_connected(connection, order, shared.timing)
            alerts.resolve(connection, alerts.WAITING, order.order_id)
        elif hopeless:
            connected = False
            rerouted = give_up(connection, order, problem, step=Step.CONNECT_GATEWAY, sent=False)
        else:
            connected = False
            orders.gateway_waits(connection, order, problem, _AGAIN)
    if connected:
        self.go_on(order.order_id, Step.CONNECT_GATEWAY, order.broker)
        return
    if rerouted:
        send_reroute(self.app, order)
    self.end_chain()


def _examine(order: Order, breaker: BreakerState) -> tuple[str | None, bool]:
    """What stands in the way, and whether waiting for it is hopeless."""
    if breaker is not BreakerState.CLOSED and order.broker is not BrokerName.PAPER:
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
