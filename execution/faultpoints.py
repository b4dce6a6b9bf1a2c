"""Named points where a test can kill, fail or hang a process; nothing of it runs in production.

A point is armed by a file in the folder that EXECUTION_FAULT_FOLDER names: `<point>` (or
`<point>@<key>` for one order) holding `kill`, `raise` or `hang`. Whoever reaches the point first
takes the file, by renaming it to `<name>.fired.<pid>`, and so fires exactly once.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from execution.domain.errors import ExecutionError

VARIABLE = "EXECUTION_FAULT_FOLDER"
_LONGEST_HANG = 600


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
    for name in (f"{point}@{key}", point):
        armed = _FOLDER / name
        taken = _FOLDER / f"{name}.fired.{os.getpid()}"
        try:
            armed.rename(taken)
        except FileNotFoundError:
            continue
        _fire(taken.read_text(encoding="utf-8").strip(), point)


def _fire(what: str, point: str) -> None:
    if what == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "hang":
        time.sleep(_LONGEST_HANG)
    raise InjectedFault(f"{what} at {point}")
