"""Carries a cancel or modify out, in the worker that owns the order's broker."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from execution.domain.commands import CommandKind, parse_modify, why_not
from execution.domain.errors import BrokerError, BrokerRejected
from execution.domain.lifecycle import Step
from execution.domain.orders import Order
from execution.domain.reports import VenueOrder
from execution.domain.vocabulary import OrderState
from execution.store import amendments, commands, orders
from execution.store.commands import DONE, PENDING, REFUSED, Command
from execution.store.transitions import load_by_client_id
from tasks.instruct import refused
from tasks.step import StepTask, publish_quietly
from workers.app import app
from workers.chains import send_from
from workers.context import context
from workers.registry import session_of

_AGAIN = timedelta(seconds=1)


@app.task(bind=True, base=StepTask, name="tasks.execute_command")
def execute_command(self: StepTask, command_id: str) -> None:
    """Do what a pending command asks, or say why it cannot be done; what is in doubt waits."""
    shared = context()
    with shared.store.transaction() as connection:
        command = commands.load(connection, UUID(command_id))
        if command is None or command.outcome != PENDING:
            return
        order = load_by_client_id(connection, command.client_order_id)
    if order is None:
        return
    if command.kind is CommandKind.CANCEL:
        _cancel(self, command, order)
    else:
        _modify(self, command, order)
    publish_quietly()


def _cancel(task: StepTask, command: Command, order: Order) -> None:
    reason = f"cancelled by {command.external_id}"
    if order.state is OrderState.CANCELLED:
        _end(command, order, DONE, None)
    elif order.state.is_final:
        _end(command, order, REFUSED, f"the order is {order.state}")
    elif order.state is OrderState.PENDING:
        with context().store.transaction() as connection:
            if orders.settle(
                connection, order, OrderState.CANCELLED, reason, step=Step.SUBMIT_ORDER
            ):
                commands.settle(connection, command.command_id, DONE, None, [])
            else:
                commands.postpone(connection, command.command_id, timedelta(0))
    elif order.state.is_working:
        _cancel_at_venue(task, command, order)
    else:
        # It may be at the venue or not: first that is found out, then it is cancelled.
        _later(command)


def _cancel_at_venue(task: StepTask, command: Command, order: Order) -> None:
    shared = context()
    session, attempt = session_of(order.broker), order.for_venue()
    timeout = shared.settings.broker_call_timeout
    refused: BrokerRejected | None = None
    try:
        session.call(lambda adapter: adapter.cancel(attempt), timeout)
    except BrokerRejected as refusal:
        refused = refusal
    except BrokerError:
        _later(command)
        return
    try:
        said = session.call(lambda adapter: adapter.find(attempt), timeout)
    except BrokerError:
        said = None
    _hear(task, order, said)
    if said is not None and said.state is OrderState.CANCELLED:
        _end(command, order, DONE, None)
    elif said is not None and said.state.is_final:
        _end(command, order, REFUSED, f"too late: the order is {said.state}")
    elif refused is not None and command.resends > 3:  # noqa: PLR2004 - patience with a race
        _end(command, order, REFUSED, refused.reason)
    else:
        _later(command)


def _modify(task: StepTask, command: Command, order: Order) -> None:
    request = parse_modify(command.payload)
    problem = why_not(order, request, sent=command.sent)
    if problem is None and not session_of(order.broker).capabilities.modifies:
        problem = f"{order.broker} cannot change an order: cancel it and place another"
    if problem is not None:
        _end(command, order, REFUSED, problem)
        return
    if order.state is OrderState.PENDING:
        with context().store.transaction() as connection:
            if amendments.modified(connection, order, request.modification()):
                commands.settle(connection, command.command_id, DONE, None, [])
            else:
                commands.postpone(connection, command.command_id, timedelta(0))
    elif order.state.is_working:
        _modify_at_venue(task, command, order)
    else:
        _later(command)


def _modify_at_venue(task: StepTask, command: Command, order: Order) -> None:
    """Send a change, as often as it takes: it names new values, so a second one changes nothing."""
    shared = context()
    change = parse_modify(command.payload).modification()
    with shared.store.transaction() as connection:
        if not command.sent:
            if not amendments.modify_intended(connection, order, command.external_id):
                commands.postpone(connection, command.command_id, timedelta(0))
                return
            commands.mark_sent(connection, command.command_id)
        current = load_by_client_id(connection, command.client_order_id)
    if current is None:
        return
    session, attempt = session_of(current.broker), current.for_venue()
    filled_before = current.filled_quantity - current.attempt.filled_quantity
    window = shared.timing.submit_window
    to_venue = replace(
        change,
        quantity=None if change.quantity is None else change.quantity - filled_before,
        send_by=current.read_at + window,
    )
    try:
        said = session.call(
            lambda adapter: adapter.modify(attempt, to_venue), shared.settings.broker_call_timeout
        )
    except BrokerRejected as refusal:
        _end(command, current, REFUSED, refusal.reason)
        return
    except BrokerError:
        _later(command)
        return
    with shared.store.transaction() as connection:
        latest = load_by_client_id(connection, command.client_order_id, lock=True)
        if latest is not None:
            amendments.modified(connection, latest, change)
            commands.settle(connection, command.command_id, DONE, None, [])
    _hear(task, current, said)


def _hear(task: StepTask, order: Order, said: VenueOrder | None) -> None:
    """Record what the venue said on the way, and wake step 5 for it."""
    if said is None:
        return
    with context().store.transaction() as connection:
        fresh = orders.news(connection, order, said)
    if fresh:
        send_from(task.app, order.order_id, Step.AWAIT_FILL, order.broker)


def _end(command: Command, order: Order, outcome: str, reason: str | None) -> None:
    events = []
    if outcome == REFUSED:
        events.append(refused(command, order, reason))
    with context().store.transaction() as connection:
        commands.settle(connection, command.command_id, outcome, reason, events)


def _later(command: Command) -> None:
    with context().store.transaction() as connection:
        commands.postpone(connection, command.command_id, _AGAIN)
