"""The worker's consumer: it outlives a Redis that refuses, and records what no task can be.

Celery restarts its consumer for a lost connection, and ends the worker for an error reply. Such
replies (READONLY, UNBLOCKED, OOM, MISCONF, LOADING, NOREPLICAS) are states of a server that pass:
the worker says so, waits and tries again. So do error replies that only a person can end, such as
NOAUTH after a change of the password.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import structlog
from celery.worker import state
from redis.exceptions import ResponseError

from execution.domain.lifecycle import INTAKE_QUEUE
from workers import trust
from workers.context import context
from workers.strategy import shown
from workers.task_events import Consumer as EventsConsumer
from workers.unrecorded import held

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

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        """A body that cannot be read, or has a content type that is not accepted."""
        self._refuse(message, f"it cannot be decoded: {exc}", super().on_decode_error, exc)

    def on_unknown_message(self, body: Any, message: Any) -> None:
        """A message that is none of Celery's."""
        act = super().on_unknown_message
        self._refuse(message, "it is no Celery message", lambda message: act(body, message))

    def on_unknown_task(self, body: Any, message: Any, exc: Exception) -> None:
        """A task that this release does not have."""
        act, name = super().on_unknown_task, trust.text_of(message, "task")
        self._refuse(message, f"there is no task {name}", lambda message: act(body, message, exc))

    def on_invalid_task(self, body: Any, message: Any, exc: Exception) -> None:
        """A message of Celery's with headers that do not fit its protocol."""
        act = super().on_invalid_task
        self._refuse(message, f"it is invalid: {exc}", lambda message: act(body, message, exc))

    def _refuse(
        self, message: Any, reason: str, drop: Callable[..., None], *arguments: Any
    ) -> None:
        """Record as a refused request what was sent to the intake, then let Celery drop it."""
        waiting = held(self, message, partial(self._refuse, message, reason, drop, *arguments))
        try:
            if (message.delivery_info or {}).get("routing_key") == INTAKE_QUEUE:
                context().intake.refuse({"unreadable message": shown(message)}, reason)
        except Exception as error:  # noqa: BLE001 - whatever it was, nothing was recorded
            waiting.again(error)
            return
        drop(message, *arguments)
