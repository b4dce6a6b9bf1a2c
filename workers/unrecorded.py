"""Messages whose request is not committed yet: never acknowledged, whatever was raised.

Until a request is committed its message is all there is of it. Such a message stays with the worker
that received it, and with Redis as unacknowledged, and is tried again with growing pauses. Nothing
is sent for that: Redis may refuse writes at the very time when PostgreSQL does. A worker that stops
gives the message back, and one that dies loses it to another worker by the visibility timeout.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, cast

import structlog
from celery.worker.state import task_ready

from execution.domain.errors import StoreBusy, StoreUnavailable
from execution.store import alerts, producers
from workers.context import context
from workers.in_place import StepRequest, forget_left

LONGEST_PAUSE = 15.0
"""Seconds between two tries, at most."""
ALERT_AFTER = 3
"""Failed tries after which an alert is raised, unless PostgreSQL is what fails."""
_SHOWN = 300


class Held:
    """One message that is tried again by `act`, in the thread of the worker's loop."""

    def __init__(self, consumer: Any, message: Any, act: Callable[[], object]) -> None:
        self._consumer, self._message, self._act = consumer, message, act
        self.tries = 0
        self.alerted = False
        self._extra: Any = None

    def again(self, error: BaseException) -> None:
        """Try once more after a pause; from any thread.

        While PostgreSQL is away nothing else can be taken in either, so the message counts toward
        what the worker prefetches. One that fails for another reason must not be in others' way.
        """
        self.tries += 1
        log = structlog.get_logger().bind(tries=self.tries, error=_words(error))
        if isinstance(error, StoreUnavailable):
            log.warning("request not recorded yet")
        else:
            log.error("request not recorded", exc_info=error)
        pause = min(LONGEST_PAUSE, 2.0 ** (self.tries - 1)) * random.uniform(0.5, 1)  # noqa: S311 - jitter
        self._consumer.call_soon(self._wait, pause, not _is_away(error))

    def _wait(self, pause: float, beside: bool) -> None:  # noqa: FBT001 - a callback of the loop
        if beside and self._extra is None:
            self._extra = self._consumer.qos
            self._extra.increment_eventually()
        self._consumer.timer.call_after(pause, self._try)

    def _try(self) -> None:
        if self._extra is not None:
            self._extra.decrement_eventually()
            self._extra = None
        if getattr(self._message, "given_back", False):
            return  # it comes again, to this worker or another
        keep = getattr(self._message.channel, "keep_unacknowledged", None)
        if keep is not None:
            keep(self._message.delivery_tag)
        self._act()


def held(consumer: Any, message: Any, act: Callable[[], object]) -> Held:
    """The one `Held` of a message; it counts the tries."""
    found = cast("Held | None", getattr(message, "held", None))
    if found is None:
        found = message.held = Held(consumer, message, act)
    return found


class IntakeRequest(StepRequest):
    """A task that takes a producer's message in. It raises only while nothing is committed.

    Whatever is raised, even before or after the task's own code, its message is tried again.
    """

    def on_failure(self, exc_info: Any, *arguments: Any, **options: Any) -> None:
        del arguments, options
        self._again(exc_info.exception)

    def on_retry(self, exc_info: Any) -> None:
        """Not to be reached: these tasks send no retries. It would acknowledge."""
        self._again(exc_info.exception)

    def acknowledge(self) -> None:
        super().acknowledge()
        message = self.message
        if getattr(getattr(message, "held", None), "alerted", False):
            message.held.alerted = False
            _settle(self.id)

    def _again(self, error: BaseException) -> None:
        forget_left()
        task_ready(self)
        error = getattr(error, "exc", None) or error  # what Celery wraps
        self.send_event("task-retried", exception=_words(error), traceback=None)
        if isinstance(error, StoreBusy):
            _end_producers_transactions()
        waiting: Held = self.message.held
        waiting.again(error)
        if waiting.tries >= ALERT_AFTER and not _is_away(error):
            waiting.alerted = _raise_alert(self.name, self.id, error)


def _is_away(error: BaseException) -> bool:
    """Whether PostgreSQL as a whole is what fails, and not this one request."""
    return isinstance(error, StoreUnavailable) and not isinstance(error, StoreBusy)


def _raise_alert(task: str, task_id: str, error: BaseException) -> bool:
    words = (
        f"a message {task} with id {task_id[:64]} cannot be recorded, stays in Redis and is tried "
        f"again: {_words(error)}"
    )
    try:
        with context().store.transaction() as connection:
            alerts.alert(connection, alerts.INTAKE_FAILING, task_id[:64], words)
    except Exception as failure:  # noqa: BLE001 - the message is what counts, and is kept
        structlog.get_logger().error("alert not raised", error=repr(failure))
        return False
    return True


def _end_producers_transactions() -> None:
    try:
        with context().store.transaction() as connection:
            ended = producers.end_transactions(connection, producers.LONGEST)
    except Exception as failure:  # noqa: BLE001 - the message is what counts, and is kept
        structlog.get_logger().error("producers' transactions not ended", error=repr(failure))
        return
    if ended:
        structlog.get_logger().warning("ended producers' transactions", count=ended)


def _settle(task_id: str) -> None:
    try:
        with context().store.transaction() as connection:
            alerts.resolve(connection, alerts.INTAKE_FAILING, task_id[:64])
    except Exception as failure:  # noqa: BLE001 - it is recorded; the alert can be settled by hand
        structlog.get_logger().warning("alert not settled", error=repr(failure))


def _words(error: BaseException) -> str:
    lines = str(error).splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}"[:_SHOWN]
