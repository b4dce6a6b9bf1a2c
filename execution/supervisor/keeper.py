"""Keeps one process up: prepares it, starts it, sees it ready, starts it again when it exits."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from execution.domain.errors import ConfigurationError
from execution.supervisor.process import Child
from execution.supervisor.state import ProcessState, Status

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from execution.supervisor.process import ProcessSpec

logger = logging.getLogger(__name__)

FIRST_BACKOFF = 0.5
STEADY_AFTER = 60.0
"""Seconds a process must have run for the next backoff to begin at the first again."""
READY_INTERVAL = 0.05


class Keeper:
    """One thread that holds one process up until `stop`.

    `state` is a consistent snapshot at any time; `on_change` is called, from the keeper's thread
    or from `stop`'s, after each new one.
    """

    def __init__(
        self, spec: ProcessSpec, home: Path, on_change: Callable[[ProcessState], None]
    ) -> None:
        self.spec = spec
        self.state = ProcessState(spec.name, spec.stage, int(spec.stop_signal), spec.grace)
        self.child = Child(spec, home)
        self._on_change = on_change
        self._stopping = threading.Event()
        self._starting = threading.Lock()
        self._hopeless = False
        self._thread = threading.Thread(target=self._keep, name=f"keeper-{spec.name}", daemon=True)

    def start(self) -> None:
        """Begin, without waiting; does nothing after `stop`."""
        if not self._stopping.is_set():
            self._thread.start()

    def stop(self) -> None:
        """End the process and the restarts; returns when both are gone."""
        with self._starting:  # no start can slip in between the mark and the signal
            self._stopping.set()
        if self.child.running:
            self._become(Status.STOPPING)
            self.child.stop()
        if self._thread.ident is not None:
            self._thread.join()
        if self.state.status not in {Status.DONE, Status.FAILED, Status.WAITING}:
            code = self.child.exit_code
            self._become(Status.STOPPED, pid=None, create_time=None, exit_code=code)

    def _keep(self) -> None:
        delay = FIRST_BACKOFF
        while True:
            began = time.monotonic()
            error = self._run_once()
            if self._stopping.is_set():
                return
            code = self.child.exit_code
            if not self.spec.restart or self._hopeless:
                good = error is None and code == 0
                self._settle(Status.DONE if good else Status.FAILED, code, error)
                return
            logger.warning("%s ended (%s), again in %s s", self.spec.name, error or code, delay)
            if time.monotonic() - began >= STEADY_AFTER:
                delay = FIRST_BACKOFF
            self._settle(Status.RESTARTING, code, error)
            self._stopping.wait(delay)
            delay = min(2 * delay, self.spec.longest_pause)

    def _run_once(self) -> str | None:
        """Run the process from start to exit; return what kept it from starting, if anything."""
        try:
            if self.spec.before_start is not None:
                self._become(Status.PREPARING, started_at=time.time(), ready_at=None)
                self.spec.before_start()
            with self._starting:
                if self._stopping.is_set():
                    return None
                self.child.start()
            self._started()
            self._await_ready()
        except Exception as error:  # the thread must outlive whatever a spec's hooks raise
            logger.exception("%s could not be started", self.spec.name)
            self.child.kill()
            self.child.wait()
            # A wrong setting stays wrong; a server that once ran may find its place again.
            self._hopeless = isinstance(error, ConfigurationError) and not self.state.restarts
            return str(error) or type(error).__name__
        self.child.wait()
        return None

    def _started(self) -> None:
        started_at = self.state.started_at if self.spec.before_start else time.time()
        self._become(
            Status.STARTING,
            pid=self.child.pid,
            create_time=self.child.create_time,
            started_at=started_at,
            ready_at=None,
            error=None,
        )

    def _await_ready(self) -> None:
        if not self.spec.restart:
            return
        while self.child.running and not self._stopping.is_set():
            if self.spec.ready is None or self.spec.ready():
                self._become(Status.READY, ready_at=time.time())
                return
            self.child.wait(READY_INTERVAL)

    def _settle(self, status: Status, code: int | None, error: str | None) -> None:
        restarts = self.state.restarts + (status is Status.RESTARTING)
        self._become(
            status, pid=None, create_time=None, exit_code=code, error=error, restarts=restarts
        )

    def _become(self, status: Status, **changes: object) -> None:
        if self._stopping.is_set() and status in {Status.STARTING, Status.READY}:
            return
        self.state = replace(self.state, status=status, since=time.time(), **changes)  # type: ignore[arg-type]
        try:
            self._on_change(self.state)
        except Exception:  # whoever is told of a process must not be what ends its keeper
            logger.exception("%s is %s, and that was not reported", self.spec.name, status)
