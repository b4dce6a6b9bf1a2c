"""The claim on a home folder: one supervisor at a time, the dead one's processes ended first."""

from __future__ import annotations

import fcntl
import os
import time
from typing import TYPE_CHECKING

from execution.supervisor.errors import AlreadyRunning
from execution.supervisor.home import prepare_home
from execution.supervisor.leftovers import end_leftovers
from execution.supervisor.state import load_state, supervisor_of

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType
    from typing import Self

LAST_BREATH = 2.0
"""Seconds for which the threads of a killed supervisor may still hold the lock."""
INTERVAL = 0.02


class HomeClaim:
    """Holds `<home>/supervisor.lock` until `release`; the kernel lets go when the process dies.

    Taking it raises AlreadyRunning when a live supervisor holds it, and ConfigurationError when
    the folder is unfit. `ended` names the leftovers of a dead supervisor that were ended.
    """

    def __init__(self, home: Path) -> None:
        self.home = prepare_home(home)
        lock = self.home / "supervisor.lock"
        self._lock: int | None = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + LAST_BREATH
        while not self._taken():
            if self._holder_lives() or time.monotonic() > deadline:
                self.release()
                raise AlreadyRunning(
                    f"already running in {self.home}{self._holder()}: `execution down` ends it"
                )
            time.sleep(INTERVAL)
        self.ended = end_leftovers(self.home)

    def release(self) -> None:
        """Let the home go; does nothing the second time."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _taken(self) -> bool:
        if self._lock is None:
            return False
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _holder_lives(self) -> bool:
        state = load_state(self.home)
        return state is not None and supervisor_of(state) is not None

    def _holder(self) -> str:
        state = load_state(self.home)
        return f" (supervisor {state.supervisor_pid})" if state is not None else ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()
