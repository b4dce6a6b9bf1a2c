"""Changes the prices of a bracket's child at a venue that takes no change within a group.

What works there goes, and attempts under the new prices take its place; its family sees to that.
"""

from __future__ import annotations

from execution.domain.commands import why_not
from execution.domain.errors import BrokerUnavailable
from execution.domain.orders import Order
from execution.domain.ports import Modification
from execution.domain.vocabulary import OrderState
from execution.store import brackets, commands, legs
from execution.store.commands import Command
from execution.store.loading import load
from tasks.command_results import done, later, refuse
from tasks.step import StepTask
from workers.chains import fit_family
from workers.context import context
from workers.registry import session_of


def concerns(order: Order) -> bool:
    """Whether a change of an order is for this module."""
    if order.parent_order_id is None or (order.state is OrderState.PENDING and not order.standing):
        return False
    try:
        return not session_of(order.broker).capabilities.changes_in_group
    except BrokerUnavailable:
        return False


def set_out(task: StepTask, command: Command, order: Order, change: Modification) -> None:
    """Give the child its new prices; what stands under the old ones is to be replaced."""
    problem = why_not(order, command.request, sent=command.sent)
    if problem is not None:
        refuse(command, order, problem)
        return
    with context().store.transaction() as connection:
        brackets.lock_family(connection, order.order_id)
        current = load(connection, order.order_id)
        if current is None or current.version != order.version:
            commands.postpone(connection, command.command_id, context().timing.step)
            return
        legs.new_prices(connection, current, change)
        commands.mark_sent(connection, command.command_id, change)
    fit_family(task.app, order)
    later(command)


def look(task: StepTask, command: Command, order: Order) -> None:
    """End the command once nothing works under the old prices and the child works under the new."""
    if order.state.is_final:
        refuse(command, order, f"the order is {order.state}")
        return
    with context().store.transaction() as connection:
        outdated = legs.any_outdated(connection, order.order_id)
    if order.state.is_working and not outdated:
        done(command, order)
        return
    fit_family(task.app, order)
    later(command, "its orders under the old prices are being replaced")
