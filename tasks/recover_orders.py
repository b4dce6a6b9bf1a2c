"""The sweep, every few seconds: sends again what has stood still."""

from __future__ import annotations

from dataclasses import asdict
from uuid import UUID

import structlog
from celery import Celery

from execution.domain.lifecycle import Step
from execution.domain.vocabulary import BrokerName
from execution.recovering import Sweep
from execution.store import sealing
from tasks.step import StepTask, publish_quietly
from workers import keys
from workers.app import app
from workers.chains import declared, send_from
from workers.context import context


class _Messages:
    """Sends by the worker's own application."""

    def __init__(self, celery: Celery) -> None:
        self._celery = celery

    def steps(
        self, order_id: UUID, first: Step, broker: BrokerName, channel: int | None = None
    ) -> None:
        send_from(self._celery, order_id, first, broker, channel)

    def task(self, name: str, key: UUID, queue: str) -> None:
        self._celery.send_task(name, args=(str(key),), queue=declared(self._celery, queue))


@app.task(bind=True, base=StepTask, name="tasks.recover_orders")
def recover_orders(self: StepTask) -> None:
    """One batch of each kind; then what waits is published, and what is a minute old is sealed."""
    shared = context()
    sweep = Sweep(
        store=shared.store,
        mapper=shared.mapper,
        timing=shared.timing,
        unserved_grace=shared.settings.unserved_queue_grace,
        unprotected_after=shared.settings.unprotected_after,
        unprotected_flatten=shared.settings.unprotected_flatten,
        messages=_Messages(self.app),
        force_paper=shared.settings.force_paper_trading,
    )
    done = sweep.once()
    publish_quietly()
    if any(asdict(done).values()):
        structlog.get_logger().info("recovered", **asdict(done))
    head = sealing.seal(shared.store, keys.history_key())
    if head is not None:
        # Kept outside the database: `execution verify-history --heads` reads these lines.
        structlog.get_logger().info(
            sealing.SEALED,
            head_no=head.head_no,
            upto=head.upto.isoformat(),
            digest=head.digest.hex(),
            key_id=head.key_id,
        )
