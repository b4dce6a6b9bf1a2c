"""Ends processes that a killed supervisor left running."""

from __future__ import annotations

import contextlib
import signal
import time
from itertools import groupby
from typing import TYPE_CHECKING

import psutil

from execution.supervisor.state import alive, is_gone, load_state

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from execution.supervisor.state import ProcessState

INTERVAL = 0.02
KILL_WAIT = 5.0
"""Seconds a killed process may take to vanish."""


def end_leftovers(home: Path) -> list[str]:
    """End what the state file in `home` lists and still runs; return the names, as ended.

    Only for the owner of the home: the supervisor that wrote the file must be dead. A process
    counts only when its id and its time of creation both match. Each gets its own stop signal
    and grace, the highest stage first; then it is killed with all its descendants.
    """
    state = load_state(home)
    if state is None:
        return []
    ended: list[str] = []
    by_stage = sorted(state.processes, key=lambda process: -process.stage)
    for _, stage in groupby(by_stage, key=lambda process: process.stage):
        found = [(process, handle) for process in stage if (handle := alive(process)) is not None]
        _end(found)
        ended += [process.name for process, _ in found]
    return ended


def end_processes_in(folders: Sequence[Path], names: Sequence[str], first: signal.Signals) -> None:
    """End processes called one of `names` whose working folder is one of `folders`.

    Each gets the signal `first`, and is killed if it has not ended five seconds later.

    A server whose supervisor died before it was written down, and backends that outlive a killed
    PostgreSQL, would share the data with the server about to start, and ruin them.
    """
    places = {str(folder) for folder in folders}
    found = [
        process
        for process in psutil.process_iter(["name", "cwd"])
        if process.info["name"] in names and process.info["cwd"] in places
    ]
    _signal(found, first)
    left = _wait(found, KILL_WAIT)
    _signal(left, signal.SIGKILL)
    _wait(left, KILL_WAIT)


def _end(found: list[tuple[ProcessState, psutil.Process]]) -> None:
    family: list[psutil.Process] = []
    for process, handle in found:
        # Asked before the signal: orphans cannot be found by their parent any more.
        with contextlib.suppress(psutil.NoSuchProcess):
            family += handle.children(recursive=True)
        _signal([handle], process.stop_signal)
    handles = [handle for _, handle in found]
    grace = max((process.grace for process, _ in found), default=0)
    _wait(handles, grace)
    _signal([*handles, *family], signal.SIGKILL)
    _wait([*handles, *family], KILL_WAIT)


def _wait(processes: Sequence[psutil.Process], timeout: float) -> list[psutil.Process]:
    """Wait up to `timeout` seconds for all to end; return those that did not.

    Not psutil.wait_procs: it waits for zombies too, and orphans are reaped by process 1, which in
    a container may take its time or never do it.
    """
    deadline = time.monotonic() + timeout
    left = [process for process in processes if not is_gone(process)]
    while left and time.monotonic() < deadline:
        time.sleep(INTERVAL)
        left = [process for process in left if not is_gone(process)]
    return left


def _signal(processes: Sequence[psutil.Process], number: int) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
            # send_signal compares the time of creation, so an id in new hands is left alone.
            process.send_signal(number)
