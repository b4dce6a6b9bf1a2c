"""Starts processes stage by stage, keeps them up and ends them in reverse order."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from typing import TYPE_CHECKING

import psutil

from execution.supervisor.claim import HomeClaim
from execution.supervisor.errors import StartFailed
from execution.supervisor.keeper import Keeper
from execution.supervisor.state import Phase, StateFile, Status, SupervisorState

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from execution.supervisor.process import ProcessSpec
    from execution.supervisor.state import ProcessState

    Progress = Callable[[str, Status, float], None]

SETTLED = frozenset({Status.READY, Status.DONE})


class Supervisor:
    """Runs `specs` in `home`; a context manager that starts on entry and stops on exit.

    `on_progress(name, status, seconds)` is called at every change of a process, from several
    threads, with the seconds since its present run began. `claim` is a claim on the home already
    taken; without one, `start` takes it. Every change is in `<home>/state.json` at once, or, on a
    full disk, once there is space again: the processes are kept up meanwhile.
    """

    def __init__(
        self,
        specs: Sequence[ProcessSpec],
        home: Path,
        *,
        on_progress: Progress | None = None,
        claim: HomeClaim | None = None,
    ) -> None:
        self.home = home
        self._claim = claim
        self._on_progress = on_progress
        self._changed = threading.Condition()
        self._file = StateFile(home, self._changed, lambda: self.state)
        self._phase = Phase.STARTING
        self._error: str | None = None
        self._stopping = False
        self._stop_once = threading.Lock()
        self._started_at = time.time()
        self._me = psutil.Process()
        ordered = sorted(specs, key=lambda spec: spec.stage)
        self._keepers = [Keeper(spec, home, self._report) for spec in ordered]

    @property
    def state(self) -> SupervisorState:
        """What the state file holds, or is about to."""
        return SupervisorState(
            supervisor_pid=self._me.pid,
            supervisor_create_time=self._me.create_time(),
            started_at=self._started_at,
            phase=self._phase,
            processes=tuple(keeper.state for keeper in self._keepers),
            error=self._error,
        )

    def start(self) -> None:
        """Start all stages and return when everything is ready.

        Raises AlreadyRunning when a live supervisor owns the home, and StartFailed, after ending
        what was started, when a process is not ready in its time, when a one-shot exits with
        anything but 0, or when `stop` was called meanwhile.
        """
        if self._claim is None:
            self._claim = HomeClaim(self.home)
        try:
            for _, stage in groupby(self._keepers, key=lambda keeper: keeper.spec.stage):
                self._start_stage(list(stage))
            self._enter(Phase.READY)
        except BaseException as error:
            self._error = str(error) or type(error).__name__
            self.stop()
            raise

    def stop(self) -> None:
        """End every process, the last stage first; returns when all are gone. Repeatable."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        with self._stop_once:
            if self._phase in {Phase.STOPPED, Phase.FAILED}:
                return
            self._enter(Phase.STOPPING)
            backwards = reversed(self._keepers)
            for _, stage in groupby(backwards, key=lambda keeper: keeper.spec.stage):
                keepers = list(stage)
                with ThreadPoolExecutor(len(keepers)) as pool:
                    list(pool.map(Keeper.stop, keepers))
            self._enter(Phase.FAILED if self._error else Phase.STOPPED)
            self._file.close()
            if self._claim is not None:
                self._claim.release()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _start_stage(self, keepers: list[Keeper]) -> None:
        began = time.monotonic()
        with self._changed:
            if self._stopping:
                raise StartFailed("stopped while starting")
        for keeper in keepers:
            keeper.start()
        with self._changed:
            while True:
                if self._stopping:
                    raise StartFailed("stopped while starting")
                waiting = [keeper for keeper in keepers if keeper.state.status not in SETTLED]
                if not waiting:
                    return
                left = [began + keeper.spec.ready_timeout - time.monotonic() for keeper in waiting]
                for keeper, seconds in zip(waiting, left, strict=True):
                    if keeper.state.status is Status.FAILED or seconds <= 0:
                        raise StartFailed(_why(keeper))
                self._changed.wait(min(left))

    def _enter(self, phase: Phase) -> None:
        with self._changed:
            self._phase = phase
            self._file.save()

    def _report(self, process: ProcessState) -> None:
        with self._changed:
            self._file.save()
            self._changed.notify_all()
        if self._on_progress is not None:
            began = process.started_at or process.since or 0.0
            self._on_progress(process.name, process.status, (process.since or began) - began)


def _why(keeper: Keeper) -> str:
    """Say what became of a process that is not ready, and where to read on."""
    state = keeper.state
    if state.error is not None:
        what = state.error
    elif state.exit_code is not None:
        what = f"exit status {state.exit_code}"
    else:
        what = f"not ready after {keeper.spec.ready_timeout:g} s"
    return f"{state.name}: {what}; its log is {keeper.child.log}"
