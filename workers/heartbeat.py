"""The sign of life that health checks look for: a file that is touched while nothing is stuck.

Reading a file's age costs a container nothing; asking by Celery would start an application.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

import structlog
from celery import bootsteps
from celery.worker import state

from workers import registry

VARIABLE = "EXECUTION_HEARTBEAT_FILE"
READY_VARIABLE = "EXECUTION_READY_FILE"
INTERVAL = 2.0
"""Seconds between two touches."""
LOOP_STUCK_AFTER = 15.0
"""Seconds for which a broker's event loop may not turn. It never waits for long."""
TASK_STUCK_AFTER = 120.0
"""Seconds for which a task may run: longer than the longest step, all its time-outs together."""


def touch(variable: str) -> bool:
    """Touch the file that a variable names, if it names one; False when the disk does not take it.

    A full disk must not end who calls: a worker whose file stays old is unhealthy, and works.
    """
    name = os.environ.get(variable)
    if name:
        file = Path(name)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
        except OSError as error:
            structlog.get_logger().error("sign of life not written", error=str(error))
            return False
    return True


def touch_at_last(variable: str) -> None:
    """Touch the file, in the background for as long as the disk does not take it."""

    def keep_trying() -> None:
        while not touch(variable):
            time.sleep(INTERVAL)

    if not touch(variable):
        threading.Thread(target=keep_trying, name="ready-file", daemon=True).start()


def forget() -> None:
    """Remove what an earlier process has left: a container that starts again keeps its files."""
    for variable in (READY_VARIABLE, VARIABLE):
        name = os.environ.get(variable)
        if name:
            Path(name).unlink(missing_ok=True)


class Heartbeat(bootsteps.StartStopStep):
    """Touches the file from the loop that takes messages: while that loop is stuck, nobody does.

    Nor is it touched while a broker's loop does not turn, or every thread of the pool is held by a
    task for too long. What is stuck is logged once.
    """

    def __init__(self, parent: Any, **options: Any) -> None:
        self._stuck: str | None = None
        super().__init__(parent, **options)

    def include_if(self, parent: Any) -> bool:
        """Only where somebody looks."""
        del parent
        return bool(os.environ.get(VARIABLE))

    def register_with_event_loop(self, parent: Any, hub: Any) -> None:
        """Called whenever the loop starts; its timers end with it, for example when Redis goes."""
        self._beat(parent)
        hub.call_repeatedly(INTERVAL, self._beat, parent)

    def _beat(self, parent: Any) -> None:
        found = registry.stuck(LOOP_STUCK_AFTER) or stuck_pool(parent.concurrency)
        if found is None:
            touch(VARIABLE)
        elif found != self._stuck:
            structlog.get_logger().error("worker is stuck", what=found)
        self._stuck = found


def stuck_pool(threads: int) -> str | None:
    """Say so if every thread of the pool is held by a task for too long."""
    before = time.time() - TASK_STUCK_AFTER
    try:
        held = sum(
            1 for task in state.active_requests if task.time_start and task.time_start < before
        )
    except RuntimeError:  # one was added by another thread meanwhile: so not all are held
        return None
    if held < threads:
        return None
    return f"{held} tasks have run for more than {TASK_STUCK_AFTER:.0f} s"
