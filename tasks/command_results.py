"""What becomes of a cancel or modify: it ends, or is looked at again when due."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Connection

from execution.domain.changes import look_again
from execution.domain.lifecycle import Step
from execution.domain.orders import Order
from execution.domain.reports import VenueOrder
from execution.store import alerts, commands, orders
from execution.store.commands import DONE, REFUSED, Command
from tasks.instruct import refused as told_refused
from tasks.step import StepTask
from workers.chains import send_from
from workers.context import context

_AGAIN = timedelta(seconds=1)


def record_news(task: StepTask, order: Order, said: VenueOrder | None) -> None:
    """Record what the venue said on the way, and wake step 5 for it."""
    if said is None:
        return
    with context().store.transaction() as connection:
        fresh = orders.news(connection, order, said, context().timing.step)
    if fresh:
        send_from(task.app, order.order_id, Step.AWAIT_FILL, order.broker, order.attempt.channel)


def done(command: Command, order: Order) -> None:
    """End a command that was carried out."""
    with context().store.transaction() as connection:
        commands.settle(connection, command.command_id, DONE, None, [])
        if command.ours:
            alerts.resolve(connection, alerts.CHANGE_REFUSED, order.order_id)


def refuse(command: Command, order: Order, reason: str) -> None:
    """End a command that is not carried out."""
    with context().store.transaction() as connection:
        refuse_in(connection, command, order, reason)


def refuse_in(connection: Connection, command: Command, order: Order, reason: str) -> None:
    """`refuse`, within a transaction. Nobody else learns that a change of ours was refused.

    One that another worker has sent meanwhile is not refused by what held before.
    """
    events = [told_refused(command, order, reason)]
    unsent = not command.sent
    settled = commands.settle(
        connection, command.command_id, REFUSED, reason, events, unsent=unsent
    )
    if settled and command.ours and not order.state.is_final:
        alerts.alert(
            connection,
            alerts.CHANGE_REFUSED,
            order.order_id,
            f"order {order.client_order_id} is not what it should be: {reason}",
            order_id=order.order_id,
            broker=order.broker,
        )


def later(command: Command, note: str | None = None) -> None:
    """Look at a command again soon: it has not been sent, and costs its venue nothing."""
    with context().store.transaction() as connection:
        commands.postpone(connection, command.command_id, _AGAIN, note)


def ask_later(command: Command, note: str | None = None) -> None:
    """Ask the venue again what became of a command, with pauses that grow."""
    with context().store.transaction() as connection:
        pause = look_again(command.since_sent)
        commands.postpone(connection, command.command_id, pause, note)
