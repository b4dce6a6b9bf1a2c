"""The worker's consumer: it outlives a Redis that refuses, and checks each message it receives.

Celery restarts its consumer for a lost connection, and ends the worker for an error reply. Such
replies (READONLY, UNBLOCKED, OOM, MISCONF, LOADING, NOREPLICAS) are states of a server that pass:
the worker says so, waits and tries again. So do error replies that only a person can end, such as
NOAUTH after a change of the password.
"""

from __future__ import annotations

import time
from typing import Any

import structlog
from celery.worker import state
from redis.exceptions import ResponseError

from execution.domain.lifecycle import INTAKE_QUEUE
from execution.events.lists import UNNAMED_QUEUE
from workers.receiving import Receiver
from workers.task_events import Consumer as EventsConsumer

LONGEST_PAUSE = 5.0
"""Seconds between two tries to take messages from a Redis that refuses."""
_STEADY = 30.0
"""Seconds without a refusal after which the next pause is the first again."""


class Consumer(EventsConsumer):
    """What `worker_consumer` names."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._pause = 0.0
        self._refused_at = float("-inf")
        super().__init__(*arguments, **options)
        queues = self.app.amqp.queues
        if INTAKE_QUEUE in queues.consume_from:
            queues.select_add(queues[UNNAMED_QUEUE])

    def on_connection_error_before_connected(self, exc: Exception) -> None:
        super().on_connection_error_before_connected(exc)
        self._wait_out(exc)

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        super().on_connection_error_after_connected(exc)
        self._wait_out(exc)

    def _wait_out(self, error: Exception) -> None:
        """After a refusal: say so, and let growing pauses pass before Celery connects again."""
        if not isinstance(error, ResponseError):
            return
        now = time.monotonic()
        if now - self._refused_at > _STEADY:
            self._pause = 0.25
        self._pause = min(LONGEST_PAUSE, 2 * self._pause)
        structlog.get_logger().error(
            "Redis refuses; this worker tries again", reply=str(error), pause=self._pause
        )
        until = now + self._pause
        while time.monotonic() < until:
            state.maybe_shutdown()
            time.sleep(0.1)
        self._refused_at = time.monotonic()

    def create_task_handler(self, *arguments: Any, **options: Any) -> Any:
        """Receive messages through a check of each."""
        self.receiver = Receiver(self, super().create_task_handler(*arguments, **options))
        return self.receiver

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        """A body that passed the check, and that kombu cannot decode."""
        self.receiver.refuse(message, f"it cannot be decoded: {type(exc).__name__}")

    def on_unknown_message(self, body: Any, message: Any) -> None:
        """A message that passed the check, and that Celery does not know for one of its own."""
        del body
        self.receiver.refuse(message, "it is no Celery message")

    def on_unknown_task(self, body: Any, message: Any, exc: Exception) -> None:
        """A task that passed the check, and that Celery does not find."""
        del body, exc
        self.receiver.refuse(message, "there is no such task")

    def on_invalid_task(self, body: Any, message: Any, exc: Exception) -> None:
        """Headers that passed the check, and that Celery does not understand."""
        del body
        self.receiver.refuse(message, f"it is invalid: {type(exc).__name__}")
