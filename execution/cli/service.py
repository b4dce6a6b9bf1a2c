"""`execution up`, `down` and `status`: the running service as a whole."""

from __future__ import annotations

import os
import signal
import time
from contextlib import contextmanager
from dataclasses import asdict
from itertools import chain
from typing import TYPE_CHECKING, Annotated

import psutil
import typer
from rich.table import Table

from execution.cli.output import (
    make_console,
    make_live,
    print_json,
    print_line,
    print_lines,
    styled,
)
from execution.cli.trading import in_words, stopped
from execution.domain.errors import ConfigurationError, ExecutionError
from execution.domain.vocabulary import Environment
from execution.settings import load
from execution.supervisor import control
from execution.supervisor.place import recorded_place
from execution.supervisor.ports import remembered_port
from execution.supervisor.state import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from execution.settings import Settings
    from execution.supervisor.state import ProcessState, SupervisorState

    AfterReady = Callable[[Settings], None]

COLOURS = {
    Status.READY: "green",
    Status.DONE: "green",
    Status.RESTARTING: "yellow",
    Status.STOPPING: "yellow",
    Status.FAILED: "red",
    Status.GONE: "red",
}
INTERRUPTED = 130
"""Exit status of a program ended by Ctrl-C, by the shells' convention."""


def register(
    app: typer.Typer, after_ready: AfterReady | None = None, *, services: str | None = None
) -> None:
    """Add the commands to `app`; `after_ready` runs in `up` once everything is ready.

    `services` ("module:function") names what to run instead of the whole service.
    """

    @app.command()
    def up(
        detach: Annotated[bool, typer.Option("--detach", "-d", help="Leave it running.")] = False,
        feed: Annotated[
            bool | None,
            typer.Option(help="Run the example price feed; only, and by default, in practice."),
        ] = None,
        examples: Annotated[
            bool, typer.Option("--examples", help="Place the example orders and show them.")
        ] = False,
    ) -> None:
        """Start everything; Ctrl-C ends it again."""
        hook = after_ready if examples else None
        _exit_with(lambda: run_up(detach=detach, feed=feed, after_ready=hook, services=services))

    @app.command()
    def down() -> None:
        """Stop everything that `up` started."""
        _exit_with(run_down)

    @app.command()
    def status(
        as_json: Annotated[bool, typer.Option("--json", help="Print the state as JSON.")] = False,
    ) -> None:
        """Show what runs; exit status 1 unless everything is ready."""
        _exit_with(lambda: run_status(as_json=as_json))


def run_up(
    *,
    detach: bool,
    feed: bool | None,
    after_ready: AfterReady | None,
    services: str | None = None,
) -> int:
    """Start everything and, unless `detach`, wait for Ctrl-C and stop it; return the exit status.

    Raises ExecutionError when it cannot start.
    """
    home = _home()
    practice = load().execution_environment is Environment.PRACTICE
    if not practice and (feed or after_ready is not None):
        raise ConfigurationError("made-up prices and example orders are for practice only")
    feed = practice if feed is None else feed
    parent_pid = None if detach else os.getpid()
    try:
        with _interrupts_deferred():
            states = control.start_detached(
                home, feed=feed, parent_pid=parent_pid, services=services
            )
            state = first = next(states, None)
        with make_live() as live:
            for state in chain([first] if first else [], states):
                live.update(_table(state), refresh=True)
        if not live.console.is_terminal:
            print_line("")  # a live display that is no terminal's ends without a newline
        _tell_place(home)
        _tell_addresses(home)
        if after_ready is not None:
            after_ready(control.connected_settings(home))
        if detach or state is None:
            return 0
        print_line("Running. Ctrl-C stops everything.")
        psutil.Process(state.supervisor_pid).wait()
    except psutil.NoSuchProcess:
        pass
    except KeyboardInterrupt:
        return _stop_after_interrupt(home)
    log = home / "logs" / "supervisor.log"
    print_line(f"the supervisor has ended; its log is {log}", error=True)
    return 1


@contextmanager
def _interrupts_deferred() -> Iterator[None]:
    """Let Ctrl-C wait until the supervisor can be found, or nobody would stop it."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    pending: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _: pending.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if pending:
        raise KeyboardInterrupt


def run_down() -> int:
    """Stop everything and return the exit status; raises ExecutionError when it cannot."""
    ended = _stop(_home())
    print_line(f"stopped {', '.join(ended)}" if ended else "nothing was running")
    return 0


def run_status(*, as_json: bool) -> int:
    """Print what runs and return the exit status: 0 when everything is ready, otherwise 1."""
    state = control.read_state(_home())
    trading = stopped()
    if as_json:
        shown = None if state is None else asdict(state) | {"trading": trading}
        print_json(shown)
    elif state is None:
        print_line("not running: `execution up` starts it", error=True)
    else:
        make_console().print(_table(state))
        _tell_addresses(_home())
    if trading is not None and not as_json:
        print_lines(in_words(trading))
    ready = {Status.READY, Status.DONE}
    return int(state is None or any(process.status not in ready for process in state.processes))


def _exit_with(command: Callable[[], int]) -> None:
    try:
        code = command()
    except ExecutionError as error:
        print_line(error, error=True)
        code = 1
    raise typer.Exit(code)


def _home() -> Path:
    return load().execution_home.expanduser().resolve()


def _stop(home: Path) -> list[str]:
    with make_live() as live:
        return control.stop(home, on_change=lambda state: live.update(_table(state), refresh=True))


def _stop_after_interrupt(home: Path) -> int:
    print_line("Stopping; what is in progress is finished first.")
    try:
        _stop(home)
    except KeyboardInterrupt:
        # The supervisor has a session of its own and goes on: nothing is orphaned.
        print_line("still stopping in the background; `execution status` shows it", error=True)
        return INTERRUPTED
    return 0


def _tell_place(home: Path) -> None:
    place = recorded_place(home)
    if place is not None and place.way == "user":
        print_line(
            "PostgreSQL refuses to run as root and this host refuses user namespaces: "
            f"it runs as uid {place.uid}, its data are in {place.data}"
        )


def _tell_addresses(home: Path) -> None:
    """Say where what runs can be looked at."""
    flower, metrics = (remembered_port(home, name) for name in ("flower", "metrics"))
    if flower is not None:
        secrets = home / "secrets.json"
        print_line(f"Flower: http://127.0.0.1:{flower} as execution, password in {secrets}")
    if metrics is not None:
        print_line(f"Metrics: http://127.0.0.1:{metrics}/metrics")


def _table(state: SupervisorState) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("process", "status", "seconds"):
        table.add_column(heading, justify="right" if heading == "seconds" else "left")
    for process in state.processes:
        colour = COLOURS.get(process.status, "dim")
        restarts = f" ({process.restarts} restarts)" if process.restarts else ""
        status = styled(process.status, colour) + styled(restarts)
        table.add_row(styled(process.name), status, _seconds(process))
    return table


def _seconds(process: ProcessState) -> str:
    """Say how long it took to become what it is, or has taken so far."""
    if process.started_at is None:
        return ""
    settled = process.status in {Status.READY, Status.DONE, Status.FAILED, Status.STOPPED}
    until = (process.ready_at or process.since) if settled else time.time()
    return f"{(until or process.started_at) - process.started_at:.1f}"
