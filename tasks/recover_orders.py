"""The sweep: sends again what has stood still, whatever became of its message."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from uuid import UUID

import structlog
from celery import Celery

from execution.domain.lifecycle import Step
from execution.domain.vocabulary import BrokerName
from execution.store import commands, recovery
from execution.store.transitions import load
from tasks.failure import give_up, send_reroute
from tasks.step import StepTask, publish_quietly
from workers.app import app
from workers.chains import send_from
from workers.context import context


@dataclass(slots=True)
class Repairs:
    """How many of each a sweep sent on."""

    requests: int = 0
    orders: int = 0
    reports: int = 0
    fills: int = 0
    commands: int = 0
    rerouted: int = 0


@app.task(bind=True, base=StepTask, name="tasks.recover_orders")
def recover_orders(self: StepTask) -> None:
    """One sweep, in bounded batches; what it does again is safe to do again."""
    done = sweep(self.app)
    if any(asdict(done).values()):
        structlog.get_logger().info("recovered", **asdict(done))


def sweep(celery: Celery) -> Repairs:
    """Find by index what is overdue, and send its next step."""
    shared, done = context(), Repairs()
    deadline = shared.timing.step
    with shared.store.transaction() as connection:
        requests = recovery.due_requests(connection, deadline)
        due = recovery.due_orders(connection, deadline)
        reports = recovery.unapplied_reports(connection, deadline)
        fills = recovery.unpositioned_fills(connection, deadline)
        instructed = commands.due(connection, deadline, recovery.MAXIMUM_WAIT, recovery.BATCH)
    for order_id, step in requests:
        send_from(celery, order_id, step, BrokerName.PAPER)
        done.requests += 1
    for order in due:
        if order.step < Step.PUBLISH_FILL_EVENT:
            send_from(celery, order.order_id, Step(order.step + 1), order.broker)
            done.orders += 1
    for report_id, owner, broker in reports:
        orphan = "tasks.persist_orphan_fill"
        _send_on(celery, Step.AWAIT_FILL, orphan, report_id, owner, broker=broker)
        done.reports += 1
    for report_id, owner, broker in fills:
        orphan = "tasks.update_orphan_position"
        _send_on(celery, Step.UPDATE_POSITIONS, orphan, report_id, owner, broker=broker)
        done.fills += 1
    for command_id, broker in instructed:
        celery.send_task("tasks.execute_command", args=(str(command_id),), queue=broker.queue)
        done.commands += 1
    done.rerouted = _reroute_unserved(celery)
    publish_quietly()
    return done


def _send_on(
    celery: Celery,
    step: Step,
    orphan_task: str,
    report_id: int,
    order_id: UUID | None,
    *,
    broker: BrokerName,
) -> None:
    """Send a step for an order, or its counterpart for an execution of no order of ours."""
    if order_id is None:
        celery.send_task(orphan_task, args=(report_id,), queue=broker.queue)
    else:
        send_from(celery, order_id, step, broker)


def _reroute_unserved(celery: Celery) -> int:
    """Turn away from a broker that has no worker what has waited for one long enough."""
    shared, count = context(), 0
    settings = shared.settings
    with shared.store.transaction() as connection:
        stranded = recovery.unserved(
            connection, settings.unserved_queue_grace, settings.session_timeout
        )
    for order_id in stranded:
        with shared.store.transaction() as connection:
            order = load(connection, order_id, lock=True)
            if order is None or order.attempt.intent_at is not None:
                continue
            grace = settings.unserved_queue_grace.total_seconds()
            reason = f"nobody has served its queue for {grace:.0f} s"
            rerouted = give_up(connection, order, reason, step=Step.CONNECT_GATEWAY)
        if rerouted:
            send_reroute(celery, order)
            count += 1
    return count
