"""What cancel and modify share: recorded, told, and sent to the worker that owns the order."""

from __future__ import annotations

from functools import partial
from typing import Any
from uuid import UUID

from celery import Celery

from execution.domain.commands import CommandKind
from execution.domain.events import Event, OrderEventType, order_event
from execution.domain.lifecycle import control_queue
from execution.domain.orders import Order
from execution.store import commands, outbox
from execution.store.clock import now
from execution.store.commands import PENDING, Command
from execution.store.loading import load_by_client_id
from tasks.intake import IntakeTask
from tasks.step import publish_quietly
from workers.chains import declared
from workers.context import context


def instruct(task: IntakeTask, kind: CommandKind, payload: dict[str, Any]) -> None:
    """Record a command; carry it out where its order is, or leave it as a mark for a cancel."""
    name = "cancel_id" if kind is CommandKind.CANCEL else "modify_id"
    payload.setdefault(name, task.request.id)
    shared = context()
    command = shared.instructions.receive(kind, payload)
    with shared.store.transaction() as connection:
        order = load_by_client_id(connection, command.client_order_id)
        if command.outcome == PENDING and kind is CommandKind.CANCEL:
            outbox.add(connection, [told(OrderEventType.CANCEL_REQUESTED, command, order)])
        if order is None and command.outcome == PENDING and kind is CommandKind.MODIFY:
            reason = f"there is no order {command.client_order_id}"
            refusal = refused(command, None, reason)
            commands.settle(connection, command.command_id, commands.REFUSED, reason, [refusal])
        if command.outcome == commands.REFUSED:
            refusal = refused(command, order, command.reason)
            outbox.add(connection, [refusal])
    if order is not None and command.outcome == PENDING:
        task.once_committed(partial(send_command, task.app, command.command_id, order))
    task.once_committed(publish_quietly)


def send_command(app: Celery, command_id: UUID, order: Order) -> None:
    """Have a command carried out by the worker that owns its order."""
    queue = declared(app, control_queue(order.broker, order.attempt.channel))
    app.send_task("tasks.execute_command", args=(str(command_id),), queue=queue)


def told(
    kind: OrderEventType, command: Command, order: Order | None, reason: str | None = None
) -> Event:
    """A message of `orders` about a command."""
    return order_event(
        kind,
        key=command.command_id,
        at=now(),
        client_order_id=command.client_order_id,
        order_id=None if order is None else order.order_id,
        symbol=None if order is None else order.symbol,
        broker=None if order is None else order.broker,
        execution_mode=None if order is None else order.execution_mode,
        state=None if order is None else order.state,
        reason=reason,
        step=f"{command.kind.lower()}_order",
        alone=True,
    )


def refused(command: Command, order: Order | None, reason: str | None) -> Event:
    """The message that a command was refused; its type says that it is not the order's refusal."""
    cancel = command.kind is CommandKind.CANCEL
    kind = OrderEventType.CANCEL_REFUSED if cancel else OrderEventType.MODIFY_REFUSED
    return told(kind, command, order, reason)
