"""Starts, reads and stops the supervisor from another process: what the command line calls."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from pydantic import SecretStr

from execution.events.access import User
from execution.settings import load
from execution.store.privileges import Role
from execution.supervisor import postgres, valkey
from execution.supervisor.claim import HomeClaim
from execution.supervisor.errors import AlreadyRunning, StartFailed, StopFailed
from execution.supervisor.home import prepare_home, private_folder
from execution.supervisor.secrets import Secrets
from execution.supervisor.state import Phase, Status, alive, load_state, supervisor_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from execution.settings import Settings
    from execution.supervisor.state import ProcessState, SupervisorState

logger = logging.getLogger(__name__)

INTERVAL = 0.05
"""Seconds between two looks at the state file."""
LONGEST_START = 600.0
LONGEST_STOP = 120.0


def start_detached(
    home: Path,
    *,
    feed: bool = True,
    parent_pid: int | None = None,
    services: str | None = None,
    timeout: float = LONGEST_START,
) -> Iterator[SupervisorState]:
    """Start the supervisor in a session of its own and yield its state at every change.

    The process is started by the call; the iterator ends when everything is ready. With
    `parent_pid` it stops when that process is gone. `services` ("module:function") names another
    function than `execution.supervisor.services:service_specs`.
    Ctrl-C while the iterator waits ends the supervisor too.
    Raises AlreadyRunning; the iterator raises StartFailed when a process cannot be brought up
    (all are ended then) or when `timeout` seconds have passed (the supervisor goes on).
    """
    home = prepare_home(home)
    state = read_state(home)
    if state is not None:
        raise AlreadyRunning(
            f"already running in {home} (supervisor {state.supervisor_pid}): "
            "`execution down` ends it"
        )
    command = [sys.executable, "-m", "execution.supervisor", "--home", str(home)]
    command += ["--parent-pid", str(parent_pid)] if parent_pid is not None else []
    command += ["--services", services] if services is not None else []
    command += [] if feed else ["--no-feed"]
    log = private_folder(home / "logs") / "supervisor.log"
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    finally:
        os.close(output)
    # It may outlive us; while it does not, somebody must take its exit status.
    threading.Thread(target=process.wait, name="supervisor-exit", daemon=True).start()
    return _unless_interrupted(_follow_start(home, process, log, timeout), process)


def _unless_interrupted(
    states: Iterator[SupervisorState], process: subprocess.Popen[bytes]
) -> Iterator[SupervisorState]:
    try:
        yield from states
    except KeyboardInterrupt:
        # So early that it has written no state yet, nobody else could find it.
        process.terminate()
        raise


def _follow_start(
    home: Path, process: subprocess.Popen[bytes], log: Path, timeout: float
) -> Iterator[SupervisorState]:
    deadline = time.monotonic() + timeout
    shown = None
    while time.monotonic() < deadline:
        # In this order: what it wrote before it exited must not be missed.
        exit_code = process.returncode
        state = load_state(home)
        if state is not None and state.supervisor_pid == process.pid and state != shown:
            shown = state
            yield state
            if state.phase is Phase.READY:
                return
        if exit_code is not None:
            reason = shown.error if shown is not None else None
            raise StartFailed(reason or _last_line(log) or f"exit status {exit_code}; see {log}")
        time.sleep(INTERVAL)
    raise StartFailed(f"not everything is ready after {timeout:g} s; see `execution status`")


def stop(
    home: Path,
    timeout: float = LONGEST_STOP,
    *,
    on_change: Callable[[SupervisorState], None] | None = None,
) -> list[str]:
    """Stop the supervisor of `home` and return the names of the processes that were ended.

    Returns when all are gone; what a dead supervisor left running is ended too. `on_change` is
    called with each new state. Raises StopFailed after `timeout` seconds; the supervisor goes on
    stopping then.
    """
    home = home.expanduser().resolve()
    state = load_state(home)
    if state is None and not (home / "supervisor.lock").exists():
        return []
    handle = supervisor_of(state) if state is not None else None
    if state is None or handle is None:
        with HomeClaim(home) as claim:
            return claim.ended
    before = [process for process in state.processes if alive(process) is not None]
    handle.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + timeout
    shown = None
    while supervisor_of(state) is not None:
        if time.monotonic() > deadline:
            raise StopFailed(f"supervisor {state.supervisor_pid} still runs after {timeout:g} s")
        shown = _show(load_state(home), shown, on_change)
        time.sleep(INTERVAL)
    _show(load_state(home), shown, on_change)
    left = [process.name for process in before if alive(process) is not None]
    if left:  # it died before it was done
        with HomeClaim(home):
            logger.warning("ended after the supervisor: %s", ", ".join(left))
    return [process.name for process in before]


def read_state(home: Path) -> SupervisorState | None:
    """Return the state of the supervisor of `home`, None when none runs.

    Each process is looked at: one that is not there as written has the status GONE.
    """
    state = load_state(home.expanduser().resolve())
    if state is None or supervisor_of(state) is None:
        return None
    return replace(state, processes=tuple(_verified(process) for process in state.processes))


def connected_settings(home: Path | None = None) -> Settings:
    """Return the environment's settings, completed with the embedded servers of the home.

    `home` defaults to EXECUTION_HOME. The users are those of workers, the key that of producers.
    An address stays None where the environment names none and the embedded server was never
    started. Raises ConfigurationError as `load` does.
    """
    return _completed(home, Role.WORK, User.WORK)


def producer_settings() -> Settings:
    """Return the same with the users of producers."""
    return _completed(None, Role.PRODUCE, User.PRODUCE)


def owner_settings() -> Settings:
    """Return the same with the owner of the embedded database, to change its tables and users."""
    return _completed(None, postgres.NAME, User.WORK)


def _completed(home: Path | None, role: str, user: User) -> Settings:
    settings = load()
    home = (home or settings.execution_home).expanduser().resolve()
    found: dict[str, object] = {"execution_home": home}
    recorded: dict[str, Callable[[], str | None]] = {
        "database_url": lambda: postgres.recorded_url(home, role),
        "redis_url": lambda: valkey.recorded_url(home, user),
        "producer_signing_key": lambda: Secrets(home).existing("producer_signing_key"),
    }
    for name, value in recorded.items():
        ours = name == "redis_url" or settings.database_url is None
        if ours and getattr(settings, name) is None and (text := value()) is not None:
            found[name] = SecretStr(text)
    return settings.model_copy(update=found)


def _verified(process: ProcessState) -> ProcessState:
    if process.pid is None or alive(process) is not None:
        return process
    return replace(process, status=Status.GONE)


def _show(
    state: SupervisorState | None,
    shown: SupervisorState | None,
    on_change: Callable[[SupervisorState], None] | None,
) -> SupervisorState | None:
    if state is not None and state != shown and on_change is not None:
        on_change(state)
    return state


def _last_line(log: Path) -> str | None:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1].rpartition(" ERROR ")[2] if lines else None
