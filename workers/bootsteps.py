"""What a worker starts besides Celery: the session of each broker whose queue it serves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import structlog
from celery import bootsteps
from celery.concurrency.prefork import TaskPool as Processes

from execution.clock_watch import ClockWatch
from execution.domain.errors import ConfigurationError, ExecutionError
from execution.domain.lifecycle import Step
from execution.domain.orders import Order
from execution.domain.vocabulary import BrokerName
from execution.intake import new_id
from execution.store import stamp
from workers import brokers, in_place, registry
from workers.chains import declared, links_from, send_from
from workers.client_ids import Adopting, Alone, Shared
from workers.context import Context, context
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
            ClockWatch(shared.store, "worker", shared.clock).start()
            served = set(parent.app.amqp.queues.consume_from)
            _refuse_processes(parent, served)
            for broker in BrokerName:
                if broker.queue in served:
                    session = _session(parent, broker, shared)
                    registry.add(session)
                    session.start()
        except ExecutionError as error:
            structlog.get_logger().critical("worker does not start", reason=str(error))
            raise SystemExit(1) from None


def _refuse_processes(worker: Any, served: set[str]) -> None:
    """Raise ConfigurationError where tasks would run in other processes than the connection."""
    brokers_served = sorted(served & {broker.queue for broker in BrokerName})
    if brokers_served and issubclass(worker.pool_cls, Processes):
        raise ConfigurationError(
            f"a worker of {', '.join(brokers_served)} must run its tasks in threads, beside the "
            "broker's connection: start it with `-P threads`"
        )


def _session(worker: Any, broker: BrokerName, shared: Context) -> BrokerSession:
    if broker is BrokerName.IBKR and len(shared.settings.ibkr_client_ids) > 1:
        return _one_of_several(worker, shared)
    adapter = brokers.build(broker, shared, Alone(shared) if broker is BrokerName.IBKR else None)
    return BrokerSession(broker, adapter, shared, _waker(worker, broker, lambda: None))


def _one_of_several(worker: Any, shared: Context) -> BrokerSession:
    """The session for new orders of a worker that shares client ids with others."""
    broker, serving = BrokerName.IBKR, Queues(worker)

    def session(
        session_id: UUID, adopted: int | None = None, beside: BrokerSession | None = None
    ) -> BrokerSession:
        client_ids = Shared(shared, session_id, serving, adopted)
        return BrokerSession(
            broker,
            brokers.build(broker, shared, client_ids),
            shared,
            _waker(worker, broker, lambda: client_ids.channel),
            session_id=session_id,
            beside=beside,
            meanwhile=adopting.keep_on if beside is None else None,
        )

    def adopt(client_id: int, session_id: UUID) -> BrokerSession:
        return session(session_id, client_id, first)

    adopting = Adopting(shared, serving, adopt)
    first = session(new_id())
    return first


class Queues:
    """Implements `workers.client_ids.Serving` on a worker's consumer, which may come and go."""

    def __init__(self, worker: Any) -> None:
        self._worker = worker

    def serve(self, queue: str) -> None:
        app = self._worker.app
        # Whichever consumer starts from now on takes from it as well.
        app.amqp.queues.select_add(app.amqp.queues[declared(app, queue)])
        self._change("add_task_queue", queue)

    def leave(self, queue: str) -> None:
        self._worker.app.amqp.queues.deselect(queue)
        self._change("cancel_task_queue", queue)

    def _change(self, what: str, queue: str) -> None:
        consumer = getattr(self._worker, "consumer", None)
        if consumer is None:
            return

        def change() -> None:
            if consumer.task_consumer is not None:
                getattr(consumer, what)(queue)

        consumer.call_soon(change)


def _waker(
    worker: Any, broker: BrokerName, channel: Callable[[], int | None]
) -> Callable[[Order], None]:
    def wake(order: Order) -> None:
        order_id, served = order.order_id, channel()
        links = links_from(order_id, Step.AWAIT_FILL, broker, served)
        if not in_place.start(worker, links, order):
            send_from(worker.app, order_id, Step.AWAIT_FILL, broker, served)

    return wake
