"""The supervisor as a process: started, read, interrupted, killed and stopped from outside."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import psycopg2
import pytest
import redis

from execution.supervisor import control
from execution.supervisor.claim import HomeClaim
from execution.supervisor.errors import AlreadyRunning, StartFailed, StopFailed
from execution.supervisor.home import prepare_home
from execution.supervisor.postgres import EmbeddedPostgres
from execution.supervisor.state import (
    Phase,
    ProcessState,
    Status,
    SupervisorState,
    is_gone,
    load_state,
    running,
    save_state,
    supervisor_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Run instead of the whole service; each process writes the signals it gets to a file.
SERVICES = '''
import os, signal, sys
from execution.supervisor.home import prepare_home
from execution.supervisor.postgres import EmbeddedPostgres
from execution.supervisor.process import ProcessSpec
from execution.supervisor.valkey import EmbeddedValkey

RECORDER = """
import os, signal, sys
path, dies = sys.argv[1], sys.argv[2] == 'dies'
signal.pthread_sigmask(signal.SIG_BLOCK, (1, 2, 15))  # one that comes between two waits stays
open(path + '.ready', 'w').close()
while True:
    number = signal.sigwait((1, 2, 15))
    with open(path, 'a') as file:
        print(int(number), file=file)
    if dies:
        os._exit(0)
"""

def recorder(home, name, stage, *, dies=True):
    path = home / f'{name}.signals'
    return ProcessSpec(
        name, (sys.executable, '-I', '-S', '-c', RECORDER, str(path), 'dies' if dies else 'stays'),
        dict(os.environ), home, stage, ready=(home / f'{name}.signals.ready').exists,
        before_start=lambda: (home / f'{name}.signals.ready').unlink(missing_ok=True), grace=1.0)

def plain(settings, home, *, feed):
    assert settings.execution_home == home
    return [recorder(home, 'one', 0), recorder(home, 'two', 1)] + (
        [recorder(home, 'feed', 1)] if feed else [])

def stubborn(settings, home, *, feed):
    return [recorder(home, 'one', 0), recorder(home, 'stubborn', 1, dies=False)]

def sick(settings, home, *, feed):
    code = (sys.executable, '-I', '-S', '-c', 'raise SystemExit(9)')
    return [recorder(home, 'one', 0),
            ProcessSpec('sick', code, dict(os.environ), home, 1, restart=False)]

def stores(settings, home, *, feed):
    return [EmbeddedPostgres(home).spec(), EmbeddedValkey(home).spec(), recorder(home, 'one', 1)]
'''
COMMANDS = """
import typer
from execution.cli import service
app = typer.Typer()
service.register(app, lambda settings: print("after ready", settings.execution_home),
                 services="service_fixture:NAME")
app()
"""


def wait_for(condition: Callable[[], object], timeout: float = 20.0) -> None:
    """Return as soon as `condition` holds; fail after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.01)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a home where everything is ended after the test, whatever happened in it."""
    (tmp_path / "service_fixture.py").write_text(SERVICES)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("EXECUTION_HOME", str(tmp_path / "home"))
    for name in ("DATABASE_URL", "REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    home = tmp_path / "home"
    yield home
    control.stop(home)
    EmbeddedPostgres(home).destroy()
    assert not processes_of(load_state(home))


def processes_of(state: SupervisorState | None) -> list[psutil.Process]:
    """Return the live processes that a state names."""
    found = [] if state is None else [running(p.pid, p.create_time) for p in state.processes]
    return [process for process in found if process is not None]


def start(home: Path, services: str = "plain", **options: object) -> SupervisorState:
    """Start a supervisor and return its state when all is ready."""
    states = list(
        control.start_detached(home, services=f"service_fixture:{services}", **options)  # type: ignore[arg-type]
    )
    assert states[-1].phase is Phase.READY
    return states[-1]


def signals(home: Path, name: str) -> list[int]:
    """Return the signals a recorder got."""
    path = home / f"{name}.signals"
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def test_start_read_and_stop(home: Path) -> None:
    """Everything is ready when start returns, visible meanwhile, gone when stop returns."""
    assert control.read_state(home) is None
    assert control.stop(home) == []
    started = start(home)
    state = control.read_state(home)
    assert state == started
    assert [process.name for process in state.processes] == ["one", "two", "feed"]
    assert {process.status for process in state.processes} == {Status.READY}
    found = processes_of(state)
    assert len(found) == 3
    seen: list[Phase] = []
    assert control.stop(home, on_change=lambda s: seen.append(s.phase)) == ["one", "two", "feed"]
    assert [phase for phase, _ in groupby(seen)][-1] is Phase.STOPPED
    assert not any(not is_gone(process) for process in found)
    assert supervisor_of(state) is None
    assert control.read_state(home) is None
    assert control.stop(home) == []


def test_second_supervisor_is_refused(home: Path) -> None:
    """One home, one supervisor; the first is not disturbed."""
    first = start(home)
    with pytest.raises(AlreadyRunning, match=str(first.supervisor_pid)):
        control.start_detached(home)
    with pytest.raises(AlreadyRunning, match=f"supervisor {first.supervisor_pid}"):
        HomeClaim(home)
    command = [sys.executable, "-m", "execution.supervisor", "--home", str(home)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 1
    assert "already running" in done.stderr
    assert control.read_state(home) == first


def test_leftovers_of_a_killed_supervisor_are_ended_and_data_kept(home: Path) -> None:
    """After kill -9 of the supervisor its servers run on; the next start replaces them."""
    first = start(home, "stores")
    settings = control.connected_settings(home)
    client = redis.Redis.from_url(settings.require_redis_url())
    client.hset("quotes", "kept", "yes")
    run_sql(settings.require_database_url(), "CREATE TABLE kept (n int)")
    before = processes_of(first)
    assert len(before) == 3
    os.kill(first.supervisor_pid, signal.SIGKILL)
    wait_for(lambda: control.read_state(home) is None)
    assert not any(is_gone(process) for process in before)

    second = start(home, "stores")
    assert not any(not is_gone(process) for process in before)
    assert signals(home, "one") == [signal.SIGTERM]
    assert not {p.pid for p in first.processes} & {p.pid for p in second.processes}
    assert control.connected_settings(home) == settings
    assert client.hget("quotes", "kept") == b"yes"
    client.close()
    run_sql(settings.require_database_url(), "SELECT n FROM kept")
    log = (home / "logs" / "supervisor.log").read_text()
    assert "ended postgres, left by a supervisor that was killed" in log


def run_sql(url: str, command: str) -> None:
    """Run one command and commit."""
    connection = psycopg2.connect(url.replace("+psycopg2", ""))
    try:
        connection.cursor().execute(command)
        connection.commit()
    finally:
        connection.close()


def test_stop_ends_what_a_killed_supervisor_left(home: Path) -> None:
    """`down` works without the supervisor too."""
    state = start(home)
    found = processes_of(state)
    os.kill(state.supervisor_pid, signal.SIGKILL)
    wait_for(lambda: control.read_state(home) is None)
    assert control.stop(home) == ["two", "feed", "one"]
    assert not any(not is_gone(process) for process in found)


def test_strangers_with_a_leftover_pid_are_left_alone(home: Path) -> None:
    """A process id that was given to somebody else does not make that process ours."""
    stranger = subprocess.Popen([sys.executable, "-I", "-S", "-c", "import time; time.sleep(60)"])
    created = psutil.Process(stranger.pid).create_time()
    try:
        for age, ended in ((1, []), (0, ["x"])):
            process = ProcessState(
                "x", 0, signal.SIGTERM, 1.0, pid=stranger.pid, create_time=created - age
            )
            save_state(prepare_home(home), SupervisorState(1, 0.0, 0.0, Phase.READY, (process,)))
            with HomeClaim(home) as claim:
                assert claim.ended == ended
            assert (stranger.poll() is not None) == bool(ended)
    finally:
        stranger.kill()
        stranger.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_signal_stops_all_and_reaches_each_process_once(home: Path, number: signal.Signals) -> None:
    """Ctrl-C goes to the supervisor's whole group, and each child gets one SIGTERM from it."""
    state = start(home)
    os.killpg(os.getpgid(state.supervisor_pid), number)
    wait_for(lambda: control.read_state(home) is None)
    for name in ("one", "two", "feed"):
        assert signals(home, name) == [signal.SIGTERM], name
    assert not processes_of(state)


def test_end_of_the_parent_stops_everything(home: Path) -> None:
    """A terminal that is closed, or a test run that is killed, leaves nothing behind."""
    parent = subprocess.Popen([sys.executable, "-I", "-S", "-c", "import time; time.sleep(60)"])
    try:
        state = start(home, parent_pid=parent.pid)
    finally:
        parent.kill()
        parent.wait()
    wait_for(lambda: control.read_state(home) is None)
    assert not processes_of(state)


def test_failed_start_says_why_and_leaves_nothing(home: Path) -> None:
    """The reason comes from the supervisor; what it had started is ended."""
    states: list[SupervisorState] = []
    with pytest.raises(StartFailed, match=r"sick: exit status 9; its log is .*sick\.log"):
        states.extend(control.start_detached(home, services="service_fixture:sick"))
    wait_for(lambda: control.read_state(home) is None)
    assert not any(processes_of(state) for state in states)


def test_wrong_setting_says_why(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal before anything runs arrives too, without its time and level."""
    monkeypatch.setenv("EXECUTION_ENVIRONMENT", "moon")
    with pytest.raises(StartFailed, match=r"^EXECUTION_ENVIRONMENT: "):
        list(control.start_detached(home, services="service_fixture:plain"))


def test_stop_gives_up_in_time_and_the_supervisor_goes_on(home: Path) -> None:
    """A child that ignores SIGTERM is killed after its grace even when nobody waits."""
    state = start(home, "stubborn")
    with pytest.raises(StopFailed, match="still runs"):
        control.stop(home, timeout=0.1)
    wait_for(lambda: control.read_state(home) is None)
    final = load_state(home)
    assert final is not None
    assert [process.exit_code for process in final.processes] == [0, -signal.SIGKILL]
    assert not processes_of(state)


def test_state_tells_when_a_process_is_gone(home: Path) -> None:
    """What is read is looked at: a file cannot claim that a dead process is ready."""
    state = start(home)
    supervisor = psutil.Process(state.supervisor_pid)
    supervisor.suspend()
    try:
        victim = processes_of(state)[0]
        victim.kill()
        wait_for(lambda: processes_of(state)[0] != victim)
        seen = control.read_state(home)
        assert seen is not None
        assert seen.processes[0].status is Status.GONE
    finally:
        supervisor.resume()


def test_a_signal_that_meets_a_thread_is_not_lost(home: Path) -> None:
    """Right after SIGCONT the kernel often hands a signal to another thread than the main one."""
    for _ in range(8):
        state = start(home)
        for number in (signal.SIGSTOP, signal.SIGCONT, signal.SIGTERM):
            os.kill(state.supervisor_pid, number)
        wait_for(lambda: control.read_state(home) is None)
        assert not processes_of(state)


def command(home: Path, *arguments: str, services: str = "plain") -> subprocess.Popen[str]:
    """Start the command line."""
    return subprocess.Popen(
        [sys.executable, "-c", COMMANDS.replace("NAME", services), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=home.parent,
        # A shell's background job starts with Ctrl-C ignored; a terminal's command does not.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Wait for a command and return its exit status and what it printed."""
    try:
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    return process.returncode, out, err


def test_commands_up_status_down(home: Path) -> None:
    """The three commands, detached."""
    assert finish(command(home, "status"))[::2] == (1, "not running: `execution up` starts it\n")
    code, out, err = finish(command(home, "up", "--detach", "--no-feed", "--examples"))
    assert (code, err) == (0, "")
    assert f"after ready {home}" in out
    assert "two" in out
    code, out, _ = finish(command(home, "status", "--json"))
    assert code == 0
    assert [process["name"] for process in json.loads(out)["processes"]] == ["one", "two"]
    code, out, err = finish(command(home, "down"))
    assert (code, err) == (0, "")
    assert out.endswith("stopped one, two\n")


def interrupt_when_ready(home: Path, process: subprocess.Popen[str]) -> SupervisorState:
    """Wait until all is ready and the command waits, then send it Ctrl-C."""
    assert process.stdout is not None
    line = ""
    while "Ctrl-C stops everything" not in line:
        line = process.stdout.readline()
        assert line, "the command ended"
    state = control.read_state(home)
    assert state is not None
    process.send_signal(signal.SIGINT)
    return state


def test_interrupted_up_stops_everything(home: Path) -> None:
    """Ctrl-C in the foreground: all children ended, each told once, exit status 0."""
    process = command(home, "up")
    state = interrupt_when_ready(home, process)
    assert finish(process)[::2] == (0, "")
    assert not processes_of(state)
    assert signals(home, "one") == [signal.SIGTERM]


def test_interrupt_before_anything_is_written(home: Path) -> None:
    """Ctrl-C so early that there is no state yet: nothing is left, detached or not."""
    process = command(home, "up", "--detach")
    wait_for(psutil.Process(process.pid).children)
    process.send_signal(signal.SIGINT)
    code, _, err = finish(process)
    assert (code, err) == (0, "")
    assert control.read_state(home) is None
    lines = [other.info["cmdline"] or [] for other in psutil.process_iter(["cmdline"])]
    assert not [line for line in lines if str(home) in line]


def test_second_interrupt_leaves_no_orphans(home: Path) -> None:
    """Impatience ends the waiting, not the stopping."""
    process = command(home, "up", services="stubborn")
    state = interrupt_when_ready(home, process)
    wait_for(lambda: signals(home, "stubborn"))
    process.send_signal(signal.SIGINT)
    code, _, err = finish(process)
    assert code == 130
    assert "still stopping" in err
    wait_for(lambda: control.read_state(home) is None)
    assert not processes_of(state)
    assert signals(home, "stubborn") == [signal.SIGTERM]


def test_killed_up_stops_everything(home: Path) -> None:
    """After kill -9 of the foreground command: the supervisor notices and stops."""
    process = command(home, "up")
    assert process.stdout is not None
    while "Ctrl-C stops everything" not in process.stdout.readline():
        pass
    state = control.read_state(home)
    process.kill()
    finish(process)
    wait_for(lambda: control.read_state(home) is None)
    assert state is not None
    assert not processes_of(state)


def limit_files(pid: int, size: int) -> None:
    """Let a process write no file beyond a size, as on a full disk; -1 lifts the limit."""
    psutil.Process(pid).rlimit(psutil.RLIMIT_FSIZE, (size, -1))


def test_full_disk_ends_no_keeper(home: Path) -> None:
    """While no state file can be written processes are kept up; it is written once it can be."""
    state = start(home)
    limit_files(state.supervisor_pid, 0)
    old = next(process.pid for process in state.processes if process.name == "two")
    assert old is not None
    os.kill(old, signal.SIGKILL)

    def another() -> bool:
        family = psutil.Process(state.supervisor_pid).children(recursive=True)
        return len(family) == len(state.processes) and old not in {one.pid for one in family}

    wait_for(another)
    log = home / "logs" / "supervisor.log"
    limit_files(state.supervisor_pid, -1)

    def written() -> bool:
        now = load_state(home)
        two = next(p for p in now.processes if p.name == "two") if now is not None else None
        return two is not None and two.status is Status.READY and two.pid != old

    wait_for(written)
    wait_for(lambda: "the state file is written again" in log.read_text())
    now = load_state(home)
    assert now is not None
    again = next(process.pid for process in now.processes if process.name == "two")
    assert again is not None
    os.kill(again, signal.SIGKILL)
    wait_for(lambda: written() and load_state(home) != now)
