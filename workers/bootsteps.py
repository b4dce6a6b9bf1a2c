"""What a worker starts besides Celery: the session of each broker whose queue it serves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import structlog
from celery import Celery, bootsteps

from execution.domain.errors import ExecutionError
from execution.domain.lifecycle import Step
from execution.domain.vocabulary import BrokerName
from execution.store import stamp
from workers import brokers, registry
from workers.chains import send_from
from workers.context import context
from workers.session import BrokerSession


class BrokerSessions(bootsteps.StartStopStep):
    """Checks the database's stamp, then opens a session for each broker queue given by `-Q`.

    They are closed by the signal `worker_shutdown`, not by this step: steps stop in the reverse
    order of their start, and the pool's last tasks still need their connection.
    """

    def start(self, parent: Any) -> None:
        """Refuse the wrong database; otherwise connect in the background."""
        shared = context()
        try:
            with shared.store.transaction() as connection:
                stamp.verify(connection, shared.settings.execution_environment)
            served = set(parent.app.amqp.queues.consume_from)
            for broker in BrokerName:
                if broker.queue in served:
                    adapter = brokers.build(broker, shared)
                    wake = _waker(parent.app, broker)
                    session = BrokerSession(broker, adapter, shared, wake)
                    registry.add(session)
                    session.start()
        except ExecutionError as error:
            structlog.get_logger().critical("worker does not start", reason=str(error))
            raise SystemExit(1) from None


def _waker(app: Celery, broker: BrokerName) -> Callable[[UUID], None]:
    def wake(order_id: UUID) -> None:
        send_from(app, order_id, Step.AWAIT_FILL, broker)

    return wake
