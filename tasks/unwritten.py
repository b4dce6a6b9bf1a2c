"""What steps in one process left unwritten is written here after all, step by step.

That happens when the next step is not to run here, or when the short way finds that there is more
to the order than it can take.
"""

from __future__ import annotations

from uuid import UUID

from execution.domain.lifecycle import Step
from execution.domain.orders import Order
from execution.domain.vocabulary import OrderState
from execution.store import commands, inserting, orders, requests
from execution.store.finishing import Rested, Taken, Unwritten
from execution.store.first_fills import Heard
from execution.store.in_one import Draft
from execution.store.requests import Spec
from tasks.step import StepTask
from workers.chains import send_from
from workers.context import context


def write_draft(draft: Draft) -> Order | None:
    """Steps 1 and 2 of an order; None when it is not their turn, or it is not to go on."""
    shared = context()
    with shared.store.direct() as link:
        kept = requests.prepare(link, draft.request, draft.spec, shared.timing.step)
    return insert(draft.order.order_id, draft.spec) if kept else None


def insert(order_id: UUID, spec: Spec) -> Order | None:
    """Step 2; None when it is not its turn, or the order is rejected, or its cancel was here first.

    A cancel that comes just now is found by recovery.
    """
    shared = context()
    with shared.store.direct() as link:
        made = inserting.insert(link, order_id, shared.timing.step, spec)
    if made is None:
        return None
    order, cancelled = made
    if order.state is not OrderState.PENDING or (cancelled and _cancel(order)):
        return None
    return order


def _cancel(order: Order) -> bool:
    shared = context()
    with shared.store.transaction() as connection:
        mark = commands.cancel_mark(connection, order.client_order_id)
        if mark is None:
            orders.postpone(connection, order, shared.timing.step)
            return False
        reason = f"cancelled by {mark.external_id}, which came before it"
        orders.settle(connection, order, OrderState.CANCELLED, reason, step=Step.PERSIST_ORDER)
        return commands.settle(connection, mark.command_id, commands.DONE, None, [])


def write_taken(taken: Taken) -> Heard | None:
    """Step 4's acknowledgement; None when somebody else has taken the order."""
    shared = context()
    with shared.store.direct() as link:
        order = orders.acknowledged(link, taken.order, taken.said, taken.watcher, shared.timing)
    return None if order is None else Heard(order, taken.said.executions)


def left_to(task: StepTask) -> Unwritten | None:
    """What steps before this one have left unwritten in this process."""
    return task.handed(Taken) or task.handed(Rested)


def take_again(task: StepTask, unwritten: Unwritten) -> None:
    """Let step 5 come again as a message, which reads the order; write step 4 first if need be."""
    order = unwritten.order
    if isinstance(unwritten, Rested) or write_taken(unwritten) is not None:
        send_from(task.app, order.order_id, Step.AWAIT_FILL, order.broker, order.attempt.channel)
    task.end_chain()
