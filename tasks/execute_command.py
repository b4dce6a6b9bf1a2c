"""Carries a cancel or modify out, in the worker that owns the order's broker."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from execution.domain.commands import CommandKind
from execution.domain.errors import BrokerUnavailable
from execution.domain.lifecycle import Step
from execution.domain.orders import Order
from execution.domain.vocabulary import OrderState
from execution.store import commands, families, orders
from execution.store.commands import DONE, PENDING, Command
from execution.store.loading import load_by_client_id
from tasks.command_results import ask_later, done, later, record_news, refuse
from tasks.execute_modify import modify
from tasks.step import StepTask, publish_quietly
from tasks.venue_requests import MOST_REFUSALS, find, send_cancel
from workers.app import app
from workers.chains import fit_family
from workers.context import context
from workers.registry import session_of


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
    elif problem := command.problem():
        refuse(command, order, problem)
    else:
        modify(self, command, order)
    publish_quietly()


def _cancel(task: StepTask, command: Command, order: Order) -> None:
    reason = f"cancelled by {command.external_id}"
    if order.state is OrderState.CANCELLED:
        done(command, order)
    elif order.state.is_final:
        refuse(command, order, f"the order is {order.state}")
    elif order.parent_order_id is not None:
        # What of it stands where, its family knows; that it is not wanted, this command says.
        with context().store.transaction() as connection:
            families.touch(connection, order.parent_order_id)
        fit_family(task.app, order)
        later(command)
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
        later(command, f"the order is {order.state}")


def _cancel_at_venue(task: StepTask, command: Command, order: Order) -> None:
    try:
        session = session_of(order.broker, order.attempt.channel)
        refusal = send_cancel(session, command, order)
    except BrokerUnavailable as error:
        later(command, str(error))
        return
    command = replace(command, sent=True)
    said = find(session, order)
    record_news(task, order, said)
    if order.attempt.replacement is not None:
        # Whoever takes up its end finds this cancel, and ends the order instead of following it.
        ask_later(command)
    elif said is not None and said.state is OrderState.CANCELLED:
        done(command, order)
    elif said is not None and said.state in {OrderState.FILLED, OrderState.EXPIRED}:
        refuse(command, order, f"too late: the order is {said.state}")
    elif refusal is not None and said is not None and command.sends + 1 >= MOST_REFUSALS:
        refuse(command, order, refusal)
    else:
        # Still working, or refused by the venue: then it is cancelled where it goes next.
        ask_later(command, refusal or f"asked of {order.broker}, and not cancelled yet")
