"""The sweep: sends again what has stood still, whatever became of its message."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime

import structlog
from celery import Celery

from execution.domain.errors import RequestRefused
from execution.domain.instruments import Instrument
from execution.domain.lifecycle import Step
from execution.domain.vocabulary import BrokerName, OrderState
from execution.store import commands, executions, positions, recovery
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
    commands: int = 0
    orphans: int = 0
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
        due += recovery.forgotten_executions(connection, deadline)
        instructed = commands.due(connection, deadline, recovery.MAXIMUM_WAIT, recovery.BATCH)
        orphans = recovery.orphan_reports(connection)
    for order_id, step in requests:
        send_from(celery, order_id, step, BrokerName.PAPER)
        done.requests += 1
    for order in due:
        # What is due of an order that is over is an execution that came late.
        over = order.step >= Step.PUBLISH_FILL_EVENT
        following = Step.AWAIT_FILL if over else Step(order.step + 1)
        send_from(celery, order.order_id, following, order.broker)
        done.orders += 1
    for command_id, broker in instructed:
        celery.send_task("tasks.execute_command", args=(str(command_id),), queue=broker.queue)
        done.commands += 1
    for report_id in orphans:
        _apply_orphan(report_id)
        done.orphans += 1
    done.rerouted = _reroute_unserved(celery)
    publish_quietly()
    return done


def _apply_orphan(report_id: int) -> None:
    """An execution of no order of ours needs no broker's worker: it is booked here."""
    with context().store.transaction() as connection:
        executions.apply_orphan(connection, report_id, _instrument)
    with context().store.transaction() as connection:
        positions.apply_orphan(connection, report_id)


def _instrument(symbol: str) -> Instrument | None:
    try:
        return context().mapper.map(symbol, on=datetime.now(UTC).date())
    except RequestRefused:
        return None


def _reroute_unserved(celery: Celery) -> int:
    """Turn away from a broker that has no worker what has waited for one long enough."""
    shared, count = context(), 0
    settings = shared.settings
    with shared.store.transaction() as connection:
        stranded = recovery.unserved(connection, settings.unserved_queue_grace)
    for order_id in stranded:
        with shared.store.transaction() as connection:
            order = load(connection, order_id, lock=True)
            if (
                order is None
                or order.state is not OrderState.PENDING
                or order.broker is BrokerName.PAPER
                or order.attempt.intent_at is not None
            ):
                continue
            grace = settings.unserved_queue_grace.total_seconds()
            reason = f"nobody has served its queue for {grace:.0f} s"
            rerouted = give_up(connection, order, reason, step=Step.CONNECT_GATEWAY, sent=False)
        if rerouted:
            send_reroute(celery, order)
            count += 1
    return count
