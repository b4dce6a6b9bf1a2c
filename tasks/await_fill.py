"""Step 5: nothing is waited for here; the broker's session listens and wakes this step."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from execution.domain.errors import BrokerError, BrokerUnavailable
from execution.domain.lifecycle import Step
from execution.domain.orders import Order
from execution.domain.reports import VenueOrder
from execution.domain.vocabulary import OrderState
from execution.intake import new_id
from execution.store import alerts, following, legs, missing_executions, orders
from execution.store.loading import load
from tasks.exits import share_out
from tasks.failure import refused, send_reroute
from tasks.step import StepTask
from workers.app import app
from workers.chains import fit_family, send_from
from workers.context import context
from workers.registry import session_of

_AGAIN = timedelta(seconds=1)


@app.task(bind=True, base=StepTask, name=Step.AWAIT_FILL.task)
def await_fill(self: StepTask, order_id: str) -> None:
    """Go on when an execution is there; end what the venue has ended; else leave it to wait.

    While steps 6 and 7 are under way nothing is done: step 8 comes back here.
    """
    handed, shared = self.handed, context()
    if handed is not None and _goes_on(self, handed):
        return
    # Before it waits, the order is read anew: nothing may be missed.
    with shared.store.transaction() as connection:
        # Locked: where news comes in between, the step would be missing from the order's history.
        order = load(connection, UUID(order_id), lock=True)
        if order is None or not order.awaits_fill:
            order = None
        elif order.unapplied or order.unfinished:
            orders.fill_heard(connection, order, shared.timing)
        elif order.state.is_final and order.due_at is not None:
            orders.postpone(connection, order, None)
    if order is None or not (order.state.is_working or order.unapplied or order.unfinished):
        self.end_chain()
        return
    if order.unapplied or order.unfinished:
        self.go_on(order.order_id, Step.PERSIST_FILL, order.broker)
        return
    if order.attempt.reported_state is not None and order.attempt.reported_state.is_final:
        _ended_by_venue(self, order)
    elif order.lacks_executions:
        ask_for_executions(order)
    else:
        _wait(order)
    if order.parent_order_id is not None:
        fit_family(self.app, order)
    self.end_chain()


def _goes_on(task: StepTask, order: Order) -> bool:
    """Go on to step 6 with an order as it was handed over; False if it has changed since.

    False, too, while step 5 is not due, or has nothing to go on with.
    """
    shared = context()
    if not (order.unapplied and order.awaits_fill):
        return False
    with shared.store.direct() as link:
        going = orders.fill_heard(link, order, shared.timing)
    if going is None:
        return False
    task.go_on(going.order_id, Step.PERSIST_FILL, going.broker)
    return True


def _wait(order: Order) -> None:
    """Leave the order to this session, which will wake this step, unless it waits already.

    Where nothing is due some session watches it; should that one fall silent, another adopts it.
    """
    if order.due_at is None and order.attempt.watcher is not None:
        return
    try:
        session = session_of(order.broker, order.attempt.channel)
    except BrokerUnavailable:  # another worker's: recovery sends it there
        with context().store.transaction() as connection:
            orders.postpone(connection, order, _AGAIN)
        return
    session.watch(order.for_venue())
    with context().store.transaction() as connection:
        orders.watched(connection, order, session.session_id)


def _ended_by_venue(task: StepTask, order: Order) -> None:
    """The venue says that it is over: settle it once every execution it speaks of is here."""
    attempt = order.attempt
    if attempt.reported_state is None:
        return
    if order.lacks_executions:
        ask_for_executions(order)
        return
    if order.parent_order_id is not None:
        with context().store.transaction() as connection:
            legs.end(connection, order)
        return
    if following.is_to_follow(order):
        _follow(task, order)
        return
    if attempt.reported_state is OrderState.FILLED:
        _ended_short(order)
        return
    rerouted = False
    with context().store.transaction() as connection:
        if attempt.reported_state is OrderState.REJECTED:
            reason = attempt.reported_reason or "rejected"
            rerouted = refused(connection, order, reason, step=Step.AWAIT_FILL)
        else:
            orders.settle(
                connection,
                order,
                attempt.reported_state,
                attempt.reported_reason,
                step=Step.AWAIT_FILL,
            )
    if rerouted:
        send_reroute(task.app, order)
    elif order.is_exit:
        share_out(task.app, order)  # brackets may cover again what it will not fill


def _follow(task: StepTask, order: Order) -> None:
    """It was replaced, or is a part that is done: take the attempt that follows it on."""
    shared = context()
    with shared.store.transaction() as connection:
        follows = following.follow(connection, order, new_id(), shared.timing)
    if follows:
        send_from(task.app, order.order_id, Step.CONNECT_GATEWAY, order.broker)


def _ended_short(order: Order) -> None:
    """All that the venue filled is here, and it is less than the order is for."""
    what = f"{order.broker} ended it as FILLED at {order.filled_quantity} of {order.quantity}"
    with context().store.transaction() as connection:
        orders.settle(connection, order, OrderState.CANCELLED, what, step=Step.AWAIT_FILL)
        alerts.alert(
            connection,
            alerts.ENDED_SHORT,
            order.order_id,
            f"order {order.client_order_id}: {what}",
            order_id=order.order_id,
            broker=order.broker,
        )


def ask_for_executions(order: Order) -> None:
    """Some executions are not here yet (a venue may list its trades late): ask again when due."""
    attempt, settings = order.for_venue(), context().settings
    patience = settings.missing_executions_patience
    said: VenueOrder | None = None
    try:
        session = session_of(order.broker, order.attempt.channel)
        if not session.capabilities.late_executions:
            patience = timedelta(0)
        said = session.call(lambda adapter: adapter.find(attempt), settings.broker_call_timeout)
    except BrokerError:
        """It is asked again."""
    with context().store.transaction() as connection:
        if said is not None and orders.news(connection, order, said, _AGAIN) is not None:
            return  # step 5 is due for it
        missing_executions.wait_for(connection, order, patience)
