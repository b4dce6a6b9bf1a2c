"""Processes one by one: how they start, are watched, come back and end."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import sys
import time
from itertools import pairwise
from typing import TYPE_CHECKING

import psutil
import pytest
from pydantic import SecretStr

from execution.domain.errors import ConfigurationError
from execution.events.access import User
from execution.settings import Settings
from execution.store.privileges import Role
from execution.supervisor import keeper, services
from execution.supervisor.errors import StartFailed
from execution.supervisor.home import prepare_home, private_folder, write_atomically
from execution.supervisor.ports import free_port
from execution.supervisor.process import LOG_ROTATED_OVER, Child, ProcessSpec
from execution.supervisor.secrets import Secrets
from execution.supervisor.state import Phase, Status, load_state
from execution.supervisor.supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SLEEP = "import time; time.sleep(60)"
# A signal that comes after Python's last look and before the system call begins does not end the
# sleep, and its handler would run only after it. So whoever has a handler in Python sleeps briefly.
SHORT_SLEEPS = "while True: time.sleep(0.01)"
IGNORE_SIGTERM = (
    f"import signal; signal.signal(15, signal.SIG_IGN); print('set', flush=True); {SLEEP}"
)


def wait_for(condition: Callable[[], object], timeout: float = 10.0) -> None:
    """Return as soon as `condition` holds; fail after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.01)


def python(code: str) -> tuple[str, ...]:
    """Return the command line that runs `code` in a Python that starts fast."""
    return (sys.executable, "-I", "-S", "-c", code)


def gone(pid: int) -> bool:
    """Whether no live process has this id."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return an empty home."""
    return prepare_home(tmp_path / "home")


@pytest.fixture
def make(home: Path) -> Iterator[Callable[..., Child]]:
    """Return a maker of children that are killed after the test."""
    children: list[Child] = []

    def make(code: str, **options: object) -> Child:
        spec = ProcessSpec("child", python(code), dict(os.environ), home, **options)  # type: ignore[arg-type]
        children.append(Child(spec, home))
        children[-1].start()
        return children[-1]

    yield make
    for child in children:
        child.kill()
        assert child.wait(5)


def spec(home: Path, name: str, code: str, **options: object) -> ProcessSpec:
    """Return a spec that runs `code`."""
    return ProcessSpec(name, python(code), dict(os.environ), home, **options)  # type: ignore[arg-type]


def printed(child: Child) -> list[str]:
    """Return the lines in the log."""
    return child.log.read_text().split()


def test_child_runs_in_a_session_of_its_own(make: Callable[..., Child]) -> None:
    """Ctrl-C in our terminal cannot reach it."""
    child = make(SLEEP)
    assert child.pid is not None
    assert os.getsid(child.pid) == child.pid != os.getsid(0)


def test_child_gets_its_stop_signal_once(make: Callable[..., Child]) -> None:
    """The stop signal is the spec's, sent to the process, once."""
    child = make(
        "import signal, sys, time\n"
        "def got(number, frame):\n"
        "    print('got', number, flush=True); time.sleep(0.2); sys.exit(7)\n"
        "signal.signal(2, got)\n"
        f"print('set', flush=True)\n{SHORT_SLEEPS}",
        stop_signal=signal.SIGINT,
    )
    wait_for(lambda: printed(child) == ["set"])
    child.stop()
    assert printed(child) == ["set", "got", "2"]
    assert child.exit_code == 7


def test_child_that_ignores_sigterm_is_killed(make: Callable[..., Child]) -> None:
    """After the grace comes SIGKILL, not before."""
    child = make(IGNORE_SIGTERM, grace=0.3)
    wait_for(lambda: printed(child) == ["set"])
    began = time.monotonic()
    child.stop()
    assert time.monotonic() - began >= 0.3
    assert child.exit_code == -signal.SIGKILL


def test_children_of_a_dead_leader_do_not_survive(make: Callable[..., Child]) -> None:
    """A leader that dies takes its group along, as when a prefork parent is killed."""
    child = make(
        "import subprocess, sys, time\n"
        f"p = subprocess.Popen([sys.executable, '-I', '-S', '-c', {IGNORE_SIGTERM!r}])\n"
        f"print(p.pid, flush=True)\n{SLEEP}"
    )
    wait_for(lambda: len(printed(child)) == 2)
    grandchild = int(next(word for word in printed(child) if word.isdigit()))
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    assert child.wait(5)
    wait_for(lambda: gone(grandchild))


def test_killing_reaches_descendants_in_other_sessions(make: Callable[..., Child]) -> None:
    """A descendant that left the group, as PostgreSQL's backends do, is killed too."""
    child = make(
        "import subprocess, sys, time\n"
        f"argv = [sys.executable, '-I', '-S', '-c', {SLEEP!r}]\n"
        "p = subprocess.Popen(argv, start_new_session=True)\n"
        f"print(p.pid, flush=True)\n{SLEEP}"
    )
    wait_for(lambda: printed(child))
    grandchild = int(printed(child)[0])
    child.kill()
    wait_for(lambda: gone(grandchild))


def test_log_is_private_and_rotated(make: Callable[..., Child], home: Path) -> None:
    """Output is appended; a big log is moved away at the next start."""
    log = private_folder(home / "logs") / "child.log"
    log.write_bytes(b"x" * (LOG_ROTATED_OVER + 1))
    child = make("print('fresh')")
    assert child.wait(5)
    assert log.read_text() == "fresh\n"
    assert log.with_suffix(".log.1").stat().st_size == LOG_ROTATED_OVER + 1
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    child.start()
    assert child.wait(5)
    assert log.read_text() == "fresh\nfresh\n"


def test_spec_never_prints_its_environment(home: Path) -> None:
    """Passwords in the environment stay out of logs and tracebacks."""
    assert "hunter2" not in repr(ProcessSpec("x", ("x",), {"PASSWORD": "hunter2"}, home))


def test_stages_start_in_order_and_stop_in_reverse(home: Path) -> None:
    """A stage begins when the one below is ready or done; it ends before it."""
    mark = home / "ready"
    seen: list[tuple[str, Status]] = []
    # The one-shot of the middle stage fails unless the first stage was ready before it.
    specs = [
        spec(home, "last", SLEEP, stage=2),
        spec(home, "once", f"open({str(mark)!r})", stage=1, restart=False),
        spec(
            home, "first", f"import time; time.sleep(.2); open({str(mark)!r}, 'w'); {SLEEP}",
            ready=mark.exists,
        ),
    ]  # fmt: skip
    with Supervisor(specs, home, on_progress=lambda *args: seen.append(args[:2])) as supervisor:
        statuses = {process.name: process.status for process in supervisor.state.processes}
        assert statuses == {"first": "ready", "once": "done", "last": "ready"}
        assert load_state(home) == supervisor.state
        pids = [process.pid for process in supervisor.state.processes if process.pid]
        assert len(pids) == 2
    assert [name for name, status in seen if status in (Status.READY, Status.DONE)] == [
        "first", "once", "last",
    ]  # fmt: skip
    assert [name for name, status in seen if status is Status.STOPPED] == ["last", "first"]
    assert all(gone(pid) for pid in pids)
    state = load_state(home)
    assert state is not None
    assert state.phase is Phase.STOPPED
    assert all(process.pid is None for process in state.processes)


def test_processes_of_one_stage_start_together(home: Path) -> None:
    """Two that wait for each other become ready, so neither was kept waiting."""
    a, b = home / "a", home / "b"
    specs = [
        spec(home, "a", f"open({str(a)!r}, 'w'); {SLEEP}", ready=b.exists),
        spec(home, "b", f"open({str(b)!r}, 'w'); {SLEEP}", ready=a.exists),
    ]
    with Supervisor(specs, home):
        pass


def test_what_exits_is_started_again_with_backoff(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each pause is twice the last, up to the longest; the count is in the state."""
    monkeypatch.setattr(keeper, "FIRST_BACKOFF", 0.05)
    log = home / "starts"
    log.touch()
    code = f"import time; print(time.time(), file=open({str(log)!r}, 'a')); raise SystemExit(3)"
    with Supervisor([spec(home, "flaky", code, longest_pause=0.2)], home) as supervisor:
        # Doubled each time without a bound, the pauses would add up to 102 s.
        wait_for(lambda: len(log.read_text().split()) >= 12, timeout=60)
        process = supervisor.state.processes[0]
        assert process.restarts >= 11
        assert process.exit_code == 3
    starts = [float(line) for line in log.read_text().split()]
    pauses = [after - before for before, after in pairwise(starts)]
    assert all(pause >= least for pause, least in zip(pauses, (0.05, 0.1, 0.2, 0.2), strict=False))


def test_backoff_begins_anew_after_a_steady_run(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that ran long enough is started again after the first, short pause."""
    monkeypatch.setattr(keeper, "FIRST_BACKOFF", 0.05)
    monkeypatch.setattr(keeper, "STEADY_AFTER", 0.01)
    log = home / "starts"
    log.touch()
    code = f"print('x', file=open({str(log)!r}, 'a')); raise SystemExit(3)"
    with Supervisor([spec(home, "flaky", code)], home):
        # Eleven doubled pauses would take 102 s.
        wait_for(lambda: len(log.read_text().split()) >= 12, timeout=60)


def test_killed_process_comes_back(home: Path) -> None:
    """After kill -9 there is another process in its place, and the state says so."""
    with Supervisor([spec(home, "worker", SLEEP)], home) as supervisor:
        before = supervisor.state.processes[0].pid
        assert before is not None
        os.kill(before, signal.SIGKILL)
        wait_for(lambda: supervisor.state.processes[0].restarts == 1)
        wait_for(lambda: supervisor.state.processes[0].status is Status.READY)
        after = supervisor.state.processes[0]
        assert after.pid not in (None, before)
        assert after.exit_code == -signal.SIGKILL


@pytest.mark.parametrize(
    ("code", "options", "reason"),
    [
        ("raise SystemExit(4)", {"restart": False}, "exit status 4"),
        (SLEEP, {"ready": lambda: False, "ready_timeout": 0.3}, "not ready after 0.3 s"),
    ],
    ids=["one-shot", "not ready"],
)
def test_failed_start_names_the_log_and_leaves_nothing(
    home: Path, code: str, options: dict[str, object], reason: str
) -> None:
    """What was started before is ended, and the home is free again."""
    others = set(psutil.Process().children())  # the run's own servers
    before = spec(home, "before", SLEEP)
    supervisor = Supervisor([before, spec(home, "bad", code, stage=1, **options)], home)
    with pytest.raises(StartFailed, match=rf"bad: {reason}; its log is .*/logs/bad\.log"):
        supervisor.start()
    state = load_state(home)
    assert state is not None
    assert state.phase is Phase.FAILED
    assert state.error is not None
    assert reason in state.error
    assert set(psutil.Process().children()) <= others
    with Supervisor([before], home):
        pass


def test_wrong_setting_fails_the_start_at_once(home: Path) -> None:
    """There is no use in trying again with the same setting."""
    tries = []

    def refuse() -> None:
        tries.append(1)
        raise ConfigurationError("DATA is wrong")

    with (
        pytest.raises(StartFailed, match="DATA is wrong"),
        Supervisor([spec(home, "server", SLEEP, before_start=refuse)], home),
    ):
        pass
    assert tries == [1]


def test_home_is_made_private_and_never_changed(tmp_path: Path) -> None:
    """A new home has mode 0700; the mode of one that exists stays as it is."""
    assert stat.S_IMODE(prepare_home(tmp_path / "new").stat().st_mode) == 0o700
    existing = tmp_path / "existing"
    existing.mkdir(mode=0o755)
    assert stat.S_IMODE(prepare_home(existing).stat().st_mode) == 0o755
    existing.chmod(0o777)
    with pytest.raises(ConfigurationError, match="written by others"):
        prepare_home(existing)
    assert stat.S_IMODE(existing.stat().st_mode) == 0o777


def test_private_folder_refuses_what_is_not_ours_alone(tmp_path: Path) -> None:
    """A link, an open folder or another's folder in a shared place is not entered."""
    folder, link = tmp_path / "folder", tmp_path / "link"
    folder.mkdir(mode=0o755)
    with pytest.raises(ConfigurationError, match="open to others"):
        private_folder(folder)
    link.symlink_to(folder)
    with pytest.raises(ConfigurationError, match="not a folder"):
        private_folder(link)
    with pytest.raises(ConfigurationError, match="belongs to uid"):
        private_folder(folder, owner=os.geteuid() + 1)


def test_passwords_are_private_and_stay(home: Path) -> None:
    """Made once, one for each name, in a file only we can read."""
    token = Secrets(home).token("postgres")
    assert len(token) >= 32
    assert Secrets(home).token("postgres") == token != Secrets(home).token("valkey")
    assert Secrets(home).existing("flower") is None
    assert stat.S_IMODE((home / "secrets.json").stat().st_mode) == 0o600
    write_atomically(home / "secrets.json", "{")
    with pytest.raises(ConfigurationError, match="restore it"):
        Secrets(home).token("postgres")


def test_port_is_remembered_until_it_is_taken(home: Path) -> None:
    """The same port at every start, another one when somebody listens there."""
    port = free_port(home, "valkey")
    assert free_port(home, "valkey") == port
    with socket.create_server(("127.0.0.1", port)):
        other = free_port(home, "valkey")
        assert other != port
    assert free_port(home, "valkey") == other


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project root that stands in for the checkout's."""
    monkeypatch.setattr(services, "project_root", lambda: tmp_path)
    return tmp_path


@pytest.mark.usefixtures("checkout")
def test_services_embed_only_servers_without_an_address(home: Path) -> None:
    """DATABASE_URL and REDIS_URL switch to servers of the operator's own."""
    names = [spec.name for spec in services.service_specs(Settings(), home)]
    assert names == [
        "postgres", "valkey", "migrate", "roles",
        "worker-orders", "worker-ibkr", "worker-mt4", "worker-binance", "worker-paper",
        "beat", "flower", "metrics", "feed",
    ]  # fmt: skip
    own = Settings(database_url=SecretStr("postgresql://x/y"), redis_url=SecretStr("redis://x"))
    specs = services.service_specs(own, home, feed=False)
    assert (specs[0].name, specs[-1].name) == ("migrate", "metrics")
    assert specs[0].env["DATABASE_URL"] == "postgresql+psycopg2://x/y"
    assert "REDIS_URL" not in specs[0].env
    assert specs[1].env["REDIS_URL"] == "redis://x"


@pytest.mark.usefixtures("checkout")
def test_services_hold_no_password_on_a_command_line(home: Path) -> None:
    """Passwords go through files and the environment, which only the user can read."""
    specs = services.service_specs(Settings(), home)
    passwords = json.loads((home / "secrets.json").read_text())
    assert set(passwords) == (
        {"postgres", "flower", "producer_signing_key"}
        | {Role.WORK, Role.METRICS}
        | {f"valkey_{user}" for user in (User.WORK, User.MONITOR, User.METRICS, User.FEED)}
    )
    for spec in specs:
        assert not any(word in part for word in passwords.values() for part in spec.argv)
    flower = next(spec for spec in specs if spec.name == "flower")
    assert flower.env["FLOWER_BASIC_AUTH"] == f"execution:{passwords['flower']}"


@pytest.mark.usefixtures("checkout")
def test_one_shots_hold_the_owners_address_and_no_key(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Migration and roles change the database and do nothing else; settings come along."""
    settings = Settings()
    for name in ("TASK_SIGNING_KEY", "BINANCE_API_SECRET", "MT4_BRIDGE_TOKEN", "AWS_SECRET"):
        monkeypatch.setenv(name, "k" * 43)
        monkeypatch.setenv(f"{name}_FILE", "/run/keys/x")
    monkeypatch.setenv("PAPER_SLIPPAGE", "0.002")
    specs = {spec.name: spec for spec in services.service_specs(settings, home)}
    for name in ("migrate", "roles"):
        env = specs[name].env
        assert "k" * 43 not in env.values()
        assert "/run/keys/x" not in env.values()
        assert "//execution:" in env["DATABASE_URL"]
        assert env["PAPER_SLIPPAGE"] == "0.002"
    assert "/run/keys/x" in specs["worker-binance"].env.values()
    assert "PAPER_SLIPPAGE" not in specs["flower"].env


@pytest.mark.usefixtures("checkout")
def test_worker_is_ready_when_its_mark_is_there(home: Path) -> None:
    """The mark of the run before does not count."""
    specs = services.service_specs(Settings(), home)
    worker = next(spec for spec in specs if spec.name == "worker-binance")
    mark = home / "run" / "ready-binance"
    assert worker.env["EXECUTION_READY_FILE"] == str(mark)
    assert worker.env["EXECUTION_HOME"] == str(home)
    assert worker.ready is not None
    assert worker.before_start is not None
    mark.touch()
    assert worker.ready()
    worker.before_start()
    assert not worker.ready()
