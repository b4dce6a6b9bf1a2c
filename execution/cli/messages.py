"""How the command line sends messages: the workers' queues keep them while no worker runs."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self
from uuid import UUID

from celery import Celery
from kombu.exceptions import OperationalError

from execution.domain.errors import EventsUnavailable
from execution.domain.lifecycle import Step
from execution.domain.vocabulary import BrokerName
from execution.service_keys import service_signer
from execution.settings import Settings
from execution.signed_messages import signed_by
from execution.store.engine import Store


class Messages:
    """Implements the `Messages` of `execution.recovering` and of `execution.arbitrage.sending`.

    Use it in a `with`. Raises EventsUnavailable, and StoreUnavailable where the database keeps the
    key that signs the messages.
    """

    def __init__(self, settings: Settings, store: Store) -> None:
        signer = service_signer(settings, lambda: store)
        self._celery = Celery(
            "operator", broker=settings.require_redis_url(), amqp=signed_by(lambda: signer)
        )
        self._celery.conf.update(
            broker_transport_options={"socket_timeout": 5, "socket_connect_timeout": 5},
            task_ignore_result=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._celery.close()

    def steps(
        self, order_id: UUID, first: Step, broker: BrokerName, channel: int | None = None
    ) -> None:
        """Send the first step; it makes the rest of its chain itself, as after any turn."""
        self.task(first.task, order_id, first.queue(broker, channel))

    def order(self, order_id: UUID) -> None:
        """Let an accepted request go its way."""
        self.steps(order_id, Step.CREATE_ORDER, BrokerName.PAPER)

    def cancel(self, client_order_id: str, cancel_id: str) -> None:
        """Let a recorded cancel be carried out."""
        payload = {"client_order_id": client_order_id, "cancel_id": cancel_id}
        self._send("tasks.cancel_order", "orders", kwargs=payload)

    def task(self, name: str, key: UUID, queue: str) -> None:
        """Send one task, which takes an id."""
        self._send(name, queue, args=(str(key),))

    def _send(self, name: str, queue: str, **arguments: Any) -> None:
        try:
            self._celery.send_task(
                name,
                queue=queue,
                retry_policy={"max_retries": 1, "interval_start": 0},
                **arguments,
            )
        except OperationalError as error:
            raise EventsUnavailable(f"Redis did not take the message: {error}") from error
