"""Named points where a test can kill, stop, fail or hang a process; all of it is off in production.

A point is armed by a file in the folder that EXECUTION_FAULT_FOLDER names: `<point>` (or
`<point>@<key>` for one order) holding `kill`, `stop`, `raise` or `hang`. Whoever reaches the point
first takes the file, by renaming it to `<name>.fired.<pid>`, and so fires exactly once. A hang
lasts until that file is gone; then the process goes on as if nothing had happened, late.

Where the folder has a folder `reached`, each point that is passed leaves a file of its name there.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from execution.domain.errors import ExecutionError

VARIABLE = "EXECUTION_FAULT_FOLDER"
_LONGEST_HANG = 600
_place = threading.local()


class InjectedFault(ExecutionError):
    """Raised at an armed point."""


def _folder() -> Path | None:
    """The folder of armed points; None outside tests, and always in production."""
    name = os.environ.get(VARIABLE)
    if not name or os.environ.get("EXECUTION_ENVIRONMENT") == "production":
        return None
    return Path(name)


_FOLDER = _folder()


def reach(point: str, key: object = "") -> None:
    """Pass a point; what is armed for it happens here."""
    if _FOLDER is None:
        return
    reached = _FOLDER / "reached"
    if reached.is_dir():
        (reached / point).touch()
    for name in (f"{point}@{key}", point):
        armed = _FOLDER / name
        taken = _FOLDER / f"{name}.fired.{os.getpid()}"
        try:
            armed.rename(taken)
        except FileNotFoundError:
            continue
        _fire(taken, point)


@contextmanager
def within(name: str, key: object = "") -> Iterator[None]:
    """Give the commits of this thread a name meanwhile: `<name>:commit_1:before` and so on."""
    if _FOLDER is None:
        yield
        return
    outer = getattr(_place, "inside", None)
    _place.inside = [name, key, 0]
    try:
        yield
    finally:
        _place.inside = outer


def committing() -> None:
    """A transaction is about to be committed."""
    if _FOLDER is not None and getattr(_place, "inside", None):
        _place.inside[2] += 1
        _reach_commit("before")


def committed() -> None:
    """It has been."""
    if _FOLDER is not None and getattr(_place, "inside", None):
        _reach_commit("after")


def _reach_commit(side: str) -> None:
    name, key, number = _place.inside
    reach(f"{name}:commit_{number}:{side}", key)


def _fire(taken: Path, point: str) -> None:
    try:
        what = taken.read_text(encoding="utf-8").strip()
    except FileNotFoundError:  # let go before it has begun
        return
    # Sent to this thread: one for the whole process may let this thread run on for a moment.
    if what == "kill":
        signal.pthread_kill(threading.get_ident(), signal.SIGKILL)
    elif what == "stop":
        signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
    elif what == "hang":
        until = time.monotonic() + _LONGEST_HANG
        while taken.exists() and time.monotonic() < until:
            time.sleep(0.02)
    else:
        raise InjectedFault(f"{what} at {point}")
