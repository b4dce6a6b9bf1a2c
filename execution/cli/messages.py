"""How the command line sends messages: the workers' queues keep them while no worker runs."""

from __future__ import annotations

from types import TracebackType
from typing import Self
from uuid import UUID

from celery import Celery
from kombu.exceptions import OperationalError

from execution.domain.errors import EventsUnavailable
from execution.domain.lifecycle import Step
from execution.domain.vocabulary import BrokerName
from execution.settings import Settings
from execution.signed_messages import signed_by


class Messages:
    """Implements `execution.recovering.Messages`; use it in a `with`. Raises EventsUnavailable."""

    def __init__(self, settings: Settings) -> None:
        self._celery = Celery(
            "operator", broker=settings.require_redis_url(), amqp=signed_by(settings.signer())
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

    def steps(self, order_id: UUID, first: Step, broker: BrokerName) -> None:
        """Send the first step; it makes the rest of its chain itself, as after any turn."""
        self.task(first.task, order_id, first.queue(broker))

    def task(self, name: str, key: UUID, queue: str) -> None:
        """Send one task, which takes an id."""
        try:
            self._celery.send_task(
                name,
                args=(str(key),),
                queue=queue,
                retry_policy={"max_retries": 1, "interval_start": 0},
            )
        except OperationalError as error:
            raise EventsUnavailable(f"Redis did not take the message: {error}") from error
