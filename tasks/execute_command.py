"""Carries a cancel or modify out, in the worker that owns the order's broker."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Connection

from execution.domain.commands import CommandKind, parse_modify, why_not
from execution.domain.errors import BrokerError, BrokerRejected
from execution.domain.instruments import Instrument
from execution.domain.lifecycle import Step
from execution.domain.orders import Order
from execution.domain.reports import VenueOrder
from execution.domain.vocabulary import OrderState
from execution.store import amendments, commands, following, orders
from execution.store.commands import DONE, PENDING, REFUSED, Command
from execution.store.transitions import load_by_client_id
from tasks.instruct import refused as told_refused
from tasks.step import StepTask, publish_quietly
from workers.app import app
from workers.chains import send_from
from workers.context import context
from workers.registry import session_of

_AGAIN = timedelta(seconds=1)
# How often a refused cancel of an order that still works is tried again: they may have crossed.
_PATIENCE = 3


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
    attempt, timeout = order.for_venue(), context().settings.broker_call_timeout
    refused: BrokerRejected | None = None
    try:
        session = session_of(order.broker, order.attempt.channel)
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
    if order.attempt.replacement is not None:
        # Whoever takes up its end finds this cancel, and ends the order instead of following it.
        _later(command)
    elif said is not None and said.state is OrderState.CANCELLED:
        _end(command, order, DONE, None)
    elif said is not None and said.state in {OrderState.FILLED, OrderState.EXPIRED}:
        _end(command, order, REFUSED, f"too late: the order is {said.state}")
    elif refused is not None and said is not None and command.resends > _PATIENCE:
        _end(command, order, REFUSED, refused.reason)
    else:
        # Still working, or refused by the venue: then it is cancelled where it goes next.
        _later(command)


def _modify(task: StepTask, command: Command, order: Order) -> None:
    request = parse_modify(command.payload)
    problem = why_not(order, request, sent=command.sent)
    if problem is None and command.sent:
        problem = context().gate.change_halted(order)
        if problem is not None and request.modification().names() != {"quantity"}:
            # The venue cannot say whether it has a price; it is told again after the halt.
            _later(command)
            return
    if command.sent and order.attempt.replacement is not None:
        _cancel_to_replace(task, command, order)
    elif command.sent:
        _modify_at_venue(task, command, order, problem)
    elif problem is not None:
        _end(command, order, REFUSED, problem)
    elif order.state is OrderState.PENDING:
        change = request.modification()
        mid = _mid(order)
        with context().store.transaction() as connection:
            refusal = context().gate.change(connection, order, change, mid)
            if refusal is not None:
                _refuse(connection, command, order, refusal)
            elif amendments.modified(connection, order, change):
                commands.settle(connection, command.command_id, DONE, None, [])
            else:
                commands.postpone(connection, command.command_id, timedelta(0))
    elif order.state.is_working:
        _set_out(task, command, order)
    else:
        _later(command)


def _set_out(task: StepTask, command: Command, order: Order) -> None:
    """Commit the intent to change, one at a time, then send it: in place, or cancel and replace."""
    try:
        modifies = session_of(order.broker, order.attempt.channel).capabilities.modifies
    except BrokerError:
        _later(command)
        return
    change = parse_modify(command.payload).modification()
    in_place, mid = change.names() <= modifies, _mid(order)
    with context().store.transaction() as connection:
        if commands.another_under_way(connection, command):
            commands.postpone(connection, command.command_id, _AGAIN)
            return
        refusal = context().gate.change(connection, order, change, mid)
        if refusal is not None:
            _refuse(connection, command, order, refusal)
            return
        intended = (
            amendments.modify_intended(connection, order, command.external_id)
            if in_place
            else following.intended(
                connection, order, change, command.command_id, command.external_id
            )
        )
        if not intended:
            commands.postpone(connection, command.command_id, timedelta(0))
            return
        commands.mark_sent(connection, command.command_id)
        current = load_by_client_id(connection, command.client_order_id)
    if current is not None and in_place:
        _modify_at_venue(task, command, current, None)
    elif current is not None:
        _cancel_to_replace(task, command, current)


def _cancel_to_replace(task: StepTask, command: Command, order: Order) -> None:
    """Cancel the attempt at the venue; step 5 lets the next one follow once it is over.

    An attempt that the venue does not cancel goes on as it was, and the change is refused.
    """
    if order.state.is_final:
        _end(command, order, REFUSED, f"too late: the order is {order.state}")
        return
    attempt, timeout = order.for_venue(), context().settings.broker_call_timeout
    refused: BrokerRejected | None = None
    try:
        session = session_of(order.broker, order.attempt.channel)
        try:
            session.call(lambda adapter: adapter.cancel(attempt), timeout)
        except BrokerRejected as refusal:
            refused = refusal
        said = session.call(lambda adapter: adapter.find(attempt), timeout)
    except BrokerError:
        _later(command)
        return
    _hear(task, order, said)
    over = said is not None and said.state.is_final
    if over or refused is None or command.resends <= _PATIENCE:
        _later(command)
        return
    with context().store.transaction() as connection:
        latest = load_by_client_id(connection, command.client_order_id, lock=True)
        if latest is not None and following.withdrawn(connection, latest, refused.reason):
            events = [told_refused(command, order, refused.reason)]
            commands.settle(connection, command.command_id, REFUSED, refused.reason, events)


def _modify_at_venue(task: StepTask, command: Command, order: Order, problem: str | None) -> None:
    """Send a change, as often as it takes: it names new values, so a second one changes nothing.

    `problem` is why it could not be made any more; after a lost reply it may have been made all
    the same, so the venue is asked before it is refused.
    """
    shared = context()
    change = parse_modify(command.payload).modification()
    attempt, timeout = order.for_venue(), shared.settings.broker_call_timeout
    filled_before = order.filled_quantity - order.attempt.filled_quantity
    quantity = None if change.quantity is None else change.quantity - filled_before
    to_venue = replace(
        change, quantity=quantity, send_by=order.read_at + shared.timing.submit_window
    )
    said: VenueOrder | None = None
    try:
        session = session_of(order.broker, order.attempt.channel)
        if problem is None:
            try:
                said = session.call(lambda adapter: adapter.modify(attempt, to_venue), timeout)
            except BrokerRejected as refusal:
                problem = refusal.reason
        if problem is not None:
            said = session.call(lambda adapter: adapter.find(attempt), timeout)
    except BrokerError:
        _later(command)
        return
    made = problem is None or (
        said is not None and quantity is not None and said.quantity == quantity
    )
    if not made:
        _hear(task, order, said)
        _end(command, order, REFUSED, problem)
        return
    with shared.store.transaction() as connection:
        latest = load_by_client_id(connection, command.client_order_id, lock=True)
        settled = commands.settle(connection, command.command_id, DONE, None, [])
        if latest is not None and settled:
            amendments.modified(connection, latest, change)
    _hear(task, order, said)


def _hear(task: StepTask, order: Order, said: VenueOrder | None) -> None:
    """Record what the venue said on the way, and wake step 5 for it."""
    if said is None:
        return
    with context().store.transaction() as connection:
        fresh = orders.news(connection, order, said, context().timing.step)
    if fresh:
        send_from(task.app, order.order_id, Step.AWAIT_FILL, order.broker, order.attempt.channel)


def _mid(order: Order) -> Decimal | None:
    """What the market trades at, where a limit asks for it; asked before any lock is taken."""
    gate = context().gate

    def price_of(instrument: Instrument) -> Decimal | None:
        try:
            return session_of(order.broker).price_of(instrument)
        except BrokerError:
            return None

    return gate.mid(order, gate.concern(order), price_of)


def _refuse(connection: Connection, command: Command, order: Order, reason: str) -> None:
    events = [told_refused(command, order, reason)]
    commands.settle(connection, command.command_id, REFUSED, reason, events)


def _end(command: Command, order: Order, outcome: str, reason: str | None) -> None:
    events = []
    if outcome == REFUSED:
        events.append(told_refused(command, order, reason))
    with context().store.transaction() as connection:
        commands.settle(connection, command.command_id, outcome, reason, events)


def _later(command: Command) -> None:
    with context().store.transaction() as connection:
        commands.postpone(connection, command.command_id, _AGAIN)
