"""Base of the tasks that take producers' messages in: orders, cancels and changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import structlog

from tasks.step import StepTask

T = TypeVar("T")


class IntakeTask(StepTask):
    """A task whose message is all there is of a request until that is committed.

    It raises only while nothing is committed, and then its message is not acknowledged but tried
    again, whatever was raised (`workers.unrecorded`). No retry is sent as a message of its own:
    Redis might not accept it, and Celery would drop both.
    """

    abstract = True
    Request = "workers.unrecorded:IntakeRequest"
    acks_late = True
    acks_on_failure_or_timeout = False
    reject_on_worker_lost = True
    autoretry_for = ()
    typing = False

    def once_committed(self, act: Callable[[], T]) -> T | None:
        """What a committed request sets going at once; recovery does what fails here."""
        try:
            return act()
        except Exception as error:  # noqa: BLE001 - the request is safe; its message is done with
            structlog.get_logger().warning(
                "left to recovery", task=self.name, task_id=self.request.id, error=repr(error)
            )
            self.end_chain()
            return None
