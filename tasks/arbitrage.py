"""The NAV arbitrage's two tasks, by the clock: look at the pair, and move groups on."""

from __future__ import annotations

from functools import cache
from uuid import UUID

import structlog
from celery import Celery

from execution.arbitrage.assembly import Arbitrage, assemble
from execution.domain.lifecycle import Step
from execution.domain.vocabulary import BrokerName
from execution.store import stamp
from tasks.step import StepTask, publish_quietly
from workers.app import app
from workers.chains import send_from
from workers.context import context


class _Messages:
    """Sends by the worker's own application."""

    def __init__(self, celery: Celery) -> None:
        self._celery = celery

    def order(self, order_id: UUID) -> None:
        # Steps 1 and 2 run on the intake's queue, whatever the broker.
        send_from(self._celery, order_id, Step.CREATE_ORDER, BrokerName.PAPER)

    def cancel(self, client_order_id: str, cancel_id: str) -> None:
        payload = {"client_order_id": client_order_id, "cancel_id": cancel_id}
        self._celery.send_task("tasks.cancel_order", kwargs=payload, queue="orders")


@cache
def _arbitrage() -> Arbitrage:
    shared = context()
    with shared.store.transaction() as connection:
        stamp.verify(connection, shared.settings.execution_environment)
    return assemble(shared.settings, shared.store, shared.redis, _Messages(app))


class _NoRetry(StepTask):
    """A round that failed is not sent again: the clock sends the next."""

    abstract = True
    autoretry_for = ()


@app.task(base=_NoRetry, name="tasks.watch_nav")
def watch_nav() -> None:
    """Look at the pair once, and act on what is seen."""
    look = _arbitrage().watch.once()
    if look.assessment is not None:
        structlog.get_logger().info("nav", said=look.said)
    publish_quietly()


@app.task(base=_NoRetry, name="tasks.move_groups")
def move_groups() -> None:
    """Move on every group that stands still."""
    if _arbitrage().mover.once():
        publish_quietly()
