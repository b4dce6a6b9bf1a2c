"""One child process: started in its own session, its output logged, ended without leftovers."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psutil

from execution.supervisor.home import private_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

LOG_ROTATED_OVER = 10 * 1024 * 1024
"""Bytes of a log above which it is moved to `<name>.log.1` at the next start."""


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """What to run and how to treat it; times are seconds.

    `env` is the whole environment, never printed, since it holds passwords. Processes of one
    `stage` start together, after all of the lower stages are ready. `before_start` runs before
    each start. `ready` is asked until it is true; None means ready as soon as it runs.
    `ready_timeout` counts for the first start; a restarted process is left to come back, since
    the recovery of a database takes its time. `restart` False means a one-shot that must exit
    with 0 before the next stage begins.
    `stop_signal` goes to the process alone; after `grace` its whole group is killed. Pauses
    between restarts double up to `longest_pause`.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(repr=False)
    cwd: Path
    stage: int = 0
    ready: Callable[[], bool] | None = None
    before_start: Callable[[], None] | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    grace: float = 10.0
    restart: bool = True
    ready_timeout: float = 60.0
    longest_pause: float = 30.0


class Child:
    """Runs one ProcessSpec, once at a time; output goes to `<home>/logs/<name>.log`.

    `pid` and `create_time` (seconds since the epoch) name the running process for other
    processes; `exit_code` is that of the last run, negative for a signal, None before.
    """

    def __init__(self, spec: ProcessSpec, home: Path) -> None:
        self.spec = spec
        self.log = home / "logs" / f"{spec.name}.log"
        self.pid: int | None = None
        self.create_time: float | None = None
        self.exit_code: int | None = None
        self._exited = threading.Event()
        self._exited.set()
        # Held while a signal is sent and while the id is given back, so that no signal can reach
        # a stranger who got the id.
        self._identity = threading.Lock()

    @property
    def running(self) -> bool:
        """Whether the process has not exited yet."""
        return not self._exited.is_set()

    def start(self) -> None:
        """Start the process; OSError when the program cannot be run."""
        self._rotate_log()
        output = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            # Its own session: Ctrl-C in the terminal must reach Celery once, from us, not twice.
            process = subprocess.Popen(
                self.spec.argv,
                env=dict(self.spec.env),
                cwd=self.spec.cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        finally:
            os.close(output)
        # Until it is reaped, below, even a process that has died keeps its id and its entry.
        self.pid, self.create_time = process.pid, psutil.Process(process.pid).create_time()
        self._exited.clear()
        name = f"reaper-{self.spec.name}"
        threading.Thread(target=self._reap, args=(process,), name=name, daemon=True).start()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait up to `timeout` seconds for the exit; True when the process is gone."""
        return self._exited.wait(timeout)

    def stop(self) -> None:
        """Send the stop signal, wait out the grace, kill what is left; returns when all is gone."""
        with self._identity, contextlib.suppress(ProcessLookupError):
            if self.pid is not None:
                os.kill(self.pid, self.spec.stop_signal)
        if self.wait(self.spec.grace):
            return
        self.kill()
        self.wait()

    def kill(self) -> None:
        """Kill the process and all its descendants, those in sessions of their own too."""
        with self._identity, contextlib.suppress(psutil.NoSuchProcess):
            if self.pid is None:
                return
            family = psutil.Process(self.pid).children(recursive=True)
            _kill_group(self.pid)
            for member in family:
                with contextlib.suppress(psutil.NoSuchProcess):
                    member.kill()

    def _reap(self, process: subprocess.Popen[bytes]) -> None:
        """Wait for the leader, kill what it left in its group, and only then let its id go."""
        if not hasattr(os, "waitid"):  # macOS before Python 3.13
            process.wait()
        else:
            # WNOWAIT leaves a zombie, which keeps the group's id from being given to another.
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        with self._identity:
            _kill_group(process.pid)
            self.exit_code = process.wait()
            self.pid = self.create_time = None
        self._exited.set()

    def _rotate_log(self) -> None:
        private_folder(self.log.parent)
        with contextlib.suppress(FileNotFoundError):
            if self.log.stat().st_size > LOG_ROTATED_OVER:
                self.log.replace(self.log.with_suffix(".log.1"))


def _kill_group(group: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
