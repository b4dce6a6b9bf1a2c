"""The state file: what the supervisor runs, written by it and read by everyone else."""

from __future__ import annotations

import json
import logging
import threading
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import psutil

from execution.supervisor.home import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

logger = logging.getLogger(__name__)

SAVED_AGAIN_EVERY = 1.0
"""Seconds between two tries to write a state file that the disk has not taken."""


class Status(StrEnum):
    """Where one process stands. DONE is a one-shot that ended well, FAILED one that did not."""

    WAITING = "waiting"
    PREPARING = "preparing"
    STARTING = "starting"
    READY = "ready"
    RESTARTING = "restarting"
    STOPPING = "stopping"
    STOPPED = "stopped"
    DONE = "done"
    FAILED = "failed"
    GONE = "gone"


class Phase(StrEnum):
    """Where the whole stands."""

    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ProcessState:
    """One process. Times are seconds since the epoch; `pid` is None while nothing runs.

    `started_at` and `ready_at` are those of the present run, `since` when the status was taken.
    """

    name: str
    stage: int
    stop_signal: int
    grace: float
    status: Status = Status.WAITING
    pid: int | None = None
    create_time: float | None = None
    restarts: int = 0
    since: float | None = None
    started_at: float | None = None
    ready_at: float | None = None
    exit_code: int | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class SupervisorState:
    """The supervisor and its processes in starting order; `error` says why `phase` is FAILED."""

    supervisor_pid: int
    supervisor_create_time: float
    started_at: float
    phase: Phase
    processes: tuple[ProcessState, ...]
    error: str | None = None

    def to_json(self) -> str:
        """Return the state as the JSON object that the state file holds."""
        return json.dumps(asdict(self), indent=2)


def save_state(home: Path, state: SupervisorState) -> None:
    """Replace `<home>/state.json`."""
    write_atomically(home / "state.json", state.to_json(), durable=False)


class StateFile:
    """The state file of a running supervisor, behind a disk that may be full for a while.

    `save` is called with `lock` held, which `state` needs. What could not be written is logged
    once, and written as soon as the disk takes it.
    """

    def __init__(
        self, home: Path, lock: threading.Condition, state: Callable[[], SupervisorState]
    ) -> None:
        self._home, self._lock, self._state = home, lock, state
        self._closed = False
        self._retrying: threading.Thread | None = None

    def save(self) -> None:
        """Write the state as it is now, or see to it that it is written later."""
        if not self._written() and self._retrying is None:
            self._retrying = threading.Thread(target=self._retry, name="state-file", daemon=True)
            self._retrying.start()

    def close(self) -> None:
        """Try no more."""
        with self._lock:
            self._closed = True
            self._lock.notify_all()

    def _retry(self) -> None:
        with self._lock:
            while not self._closed:
                self._lock.wait(SAVED_AGAIN_EVERY)
                if self._written():
                    logger.warning("the state file is written again")
                    break
            self._retrying = None

    def _written(self) -> bool:
        try:
            save_state(self._home, self._state())
        except OSError as error:
            if self._retrying is None:
                logger.error(  # noqa: TRY400  a message for the operator
                    "the state file is not written: %s; the processes are kept up all the same, "
                    "and `execution status` shows an older state",
                    error,
                )
            return False
        return True


def load_state(home: Path) -> SupervisorState | None:
    """Read `<home>/state.json` as it stands; None when it is missing or not ours to read."""
    try:
        values: dict[str, Any] = json.loads((home / "state.json").read_text(encoding="utf-8"))
        processes = tuple(
            ProcessState(**{**process, "status": Status(process["status"])})
            for process in values.pop("processes")
        )
        return SupervisorState(
            **{**values, "phase": Phase(values["phase"]), "processes": processes}
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def running(pid: int | None, create_time: float | None) -> psutil.Process | None:
    """Return the live process with this id and time of creation, None when it is gone."""
    if pid is None or create_time is None:
        return None
    try:
        process = psutil.Process(pid)
        # The kernel counts in hundredths of a second.
        same = abs(process.create_time() - create_time) < 0.05  # noqa: PLR2004
    except psutil.NoSuchProcess:
        return None
    return process if same and not is_gone(process) else None


def is_gone(process: psutil.Process) -> bool:
    """Whether a process has ended, be it that nobody has taken its exit status yet."""
    try:
        return not process.is_running() or bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def supervisor_of(state: SupervisorState) -> psutil.Process | None:
    """Return the live supervisor a state names, None when it is gone."""
    return running(state.supervisor_pid, state.supervisor_create_time)


def alive(process: ProcessState) -> psutil.Process | None:
    """Return the live process a state names, None when it is gone."""
    return running(process.pid, process.create_time)
