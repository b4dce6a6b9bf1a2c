"""Every service of docker-compose.yml, by its own command and health check, as a local process.

What a container gives is stood in for: the folders of secrets, of temporary files and of volumes
are a service's own here, with the secrets that the file grants it; ports are free ones; PostgreSQL
is the run's, and the program `valkey-cli`, which no wheel has, is a few lines of Python.
"""

from __future__ import annotations

import os
import random
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import urlopen
from uuid import uuid4

import psutil
import pytest
import redis
import yaml
from sqlalchemy.engine import make_url

from execution import secret_files
from execution.client import OrderClient
from execution.events.access import SERVER_LIMITS
from execution.settings import load
from execution.store.privileges import Role
from execution.supervisor import binaries
from execution.supervisor.services import project_root
from tests.fleet import Servers, wait_until
from tests.flower import flower_asked, flower_changes

ROOT = project_root()
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
WORKERS = [name for name in SERVICES if name.startswith("worker-")]
CLI = """#!{python}
import os, socket, sys
assert sys.argv[1:] == ["--user", "health", "ping"], sys.argv
with socket.create_connection(("127.0.0.1", {port}), 5) as server:
    server.sendall(f"AUTH health {{os.environ['VALKEYCLI_AUTH']}}\\r\\nPING\\r\\n".encode())
    file = server.makefile()
    print(file.readline(), file.readline().strip("+"))
"""


def interpolated(value: str) -> str:
    """A value as compose reads it: `${{NAME:-default}}` is the default here, `$$` a dollar."""
    found = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value)
    return found.replace("$$", "$")


def dockerfile(name: str) -> tuple[dict[str, str], list[str]]:
    """ENV and CMD of an image."""
    text = (ROOT / name).read_text(encoding="utf-8").replace("\\\n", " ").rpartition("\nFROM")[2]
    pairs = [
        part.split("=", 1)
        for line in re.findall(r"^ENV (.*)$", text, re.MULTILINE)
        for part in shlex.split(line)
    ]
    (command,) = re.findall(r"^CMD \[(.*)\]$", text, re.MULTILINE)
    return dict(pairs), [part.strip(' "') for part in command.split(",")]


@dataclass
class Service:
    """One service as a process, in a folder of its own."""

    name: str
    home: Path
    replaced: Mapping[str, str]
    path: str
    process: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def spec(self) -> dict[str, Any]:
        return SERVICES[self.name]

    def local(self, text: str) -> str:
        """A text with what a container has in the places of what is here."""
        there = "|".join(re.escape(text) for text in sorted(self.replaced, key=len, reverse=True))
        return re.sub(there, lambda found: self.replaced[found[0]], text)

    @property
    def environment(self) -> dict[str, str]:
        built = self.spec.get("build", ".")
        image = dockerfile(built["dockerfile"] if isinstance(built, dict) else "Dockerfile")[0]
        if "build" not in self.spec:
            image = {}
        given = {**image, **(self.spec.get("environment") or {})}
        found = {name: self.local(interpolated(str(value))) for name, value in given.items()}
        kept = {name: os.environ[name] for name in ("EXECUTION_TEST_RUN", "TMPDIR")}
        return {**kept, **found, "PATH": self.path, "LC_ALL": "C.UTF-8", "TZ": "UTC"}

    def start(self, *more: str) -> None:
        """Run its command."""
        command = self.spec.get("command") or dockerfile(self.spec["build"]["dockerfile"])[1]
        argv = [self.local(interpolated(part)) for part in command]
        argv[0] = {"python": sys.executable}.get(argv[0], argv[0])
        with (self.home / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*argv, *more],
                env=self.environment,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def healthy(self) -> bool:
        """Whether its health check says so."""
        kind, *rest = self.spec["healthcheck"]["test"]
        parts = [self.local(interpolated(part)) for part in rest]
        argv = ["/bin/sh", "-c", *parts] if kind == "CMD-SHELL" else parts
        done = subprocess.run(
            argv, env=self.environment, capture_output=True, check=False, timeout=30, cwd=self.home
        )
        return done.returncode == 0

    def log(self) -> str:
        """What it has said."""
        return (self.home / "log").read_text(encoding="utf-8", errors="replace")

    def stop(self) -> int:
        """End it as compose does, and its children with it; its exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            return self.process.wait(10)


def free_port() -> int:
    """A port that is free now, of those that the system gives to nobody by itself."""
    while True:
        port = random.randrange(20_000, 32_000)  # noqa: S311 - no secret
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


class Stack:
    """The services, made as compose would make them."""

    def __init__(self, folder: Path, servers: Servers, database_url: str) -> None:
        self.folder, self.database_url = folder, database_url
        self.secrets = folder / "secrets"
        secret_files.make(self.secrets)
        self.redis_port = free_port()
        self._here(servers)
        self.services = {name: self._service(name) for name in SERVICES}

    def _here(self, servers: Servers) -> None:
        """Addresses of the servers that are here, in the places of the containers'."""
        for file in self.secrets.glob("redis_url_*"):
            text = file.read_text(encoding="utf-8")
            file.write_text(
                text.replace("redis:6379", f"127.0.0.1:{self.redis_port}"), encoding="utf-8"
            )
        address = make_url(self.database_url)
        for role in Role:
            url = address.set(
                username=role.value,
                password=secret_files.read(self.secrets, secret_files.password_name(role)),
            )
            file = self.secrets / f"database_url_{role.name.lower()}"
            file.write_text(url.render_as_string(hide_password=False), encoding="utf-8")
        owner = address.render_as_string(hide_password=False)
        (self.secrets / "database_url_owner").write_text(owner, encoding="utf-8")

    def _service(self, name: str) -> Service:
        home = self.folder / name
        for part in ("secrets", "tmp", "data", "bin"):
            (home / part).mkdir(parents=True)
        for secret in SERVICES[name].get("secrets", []):
            source = ROOT / COMPOSE["secrets"][secret]["file"]
            assert source.parent == ROOT / "secrets"
            (home / "secrets" / secret).write_bytes((self.secrets / source.name).read_bytes())
        port = str(free_port())
        cli = home / "bin" / "valkey-cli"
        cli.write_text(CLI.format(python=sys.executable, port=self.redis_port), encoding="utf-8")
        cli.chmod(0o755)
        (home / "bin" / "valkey-server").symlink_to(binaries.valkey_server())
        replaced = {
            "/run/secrets": str(home / "secrets"),
            "/tmp/": f"{home / 'tmp'}/",  # noqa: S108 - the container's
            "/data/": f"{home / 'data'}/",
            "--address=0.0.0.0": "--address=127.0.0.1",
            "0.0.0.0": "127.0.0.1",  # noqa: S104 - the container's
            "5555": port,
            "8000": port,
            "9808": port,
            "http://superintel-mt4-bridge": "http://127.0.0.1",
        }
        if name == "timescaledb":
            sockets = make_url(self.database_url).query["host"]
            replaced = {"127.0.0.1": str(sockets)}
        path = os.pathsep.join(
            [
                str(home / "bin"),
                str(Path(sys.executable).parent),
                str(binaries.postgres_folder()),
                os.defpath,
            ]
        )
        return Service(name, home, replaced, path)

    def __getitem__(self, name: str) -> Service:
        return self.services[name]


@pytest.fixture(scope="module")
def stack(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Redis, then the migration, then everything else at once, as `depends_on` has it."""
    name = f"compose_{uuid4().hex[:8]}"
    url = servers.postgres.create_database(name)
    stack = Stack(tmp_path_factory.mktemp("compose"), servers, url)
    with ExitStack() as ending:
        ending.callback(servers.postgres.drop_database, name)

        def start(service: Service, *more: str) -> None:
            service.start(*more)
            ending.callback(
                lambda: service.process and service.process.poll() is None and service.stop()
            )

        start(
            stack["redis"],
            "--port",
            str(stack.redis_port),
            "--dir",
            str(stack["redis"].home / "data"),
        )
        try:
            wait_until(stack["redis"].healthy, what="redis")
        except AssertionError:
            pytest.fail(stack["redis"].log())
        start(stack["migrate"])
        migrate = stack["migrate"].process
        assert migrate is not None
        assert migrate.wait(120) == 0, stack["migrate"].log()
        for other in SERVICES:
            if other not in {"timescaledb", "redis", "migrate"}:
                start(stack[other])
        yield stack


@pytest.mark.parametrize("name", [name for name in SERVICES if name != "migrate"])
def test_healthy(stack: Stack, name: str) -> None:
    """Its own health check says so, once it runs by its own command with its own secrets."""
    service = stack[name]

    def fine() -> bool:
        gone = service.process is not None and service.process.poll() is not None
        assert not gone, service.log()[-2000:]
        return service.healthy()

    wait_until(fine, 90, f"{name} to be healthy")


def test_an_order_goes_through(stack: Stack) -> None:
    """A producer's order is filled on paper by the workers that the file describes."""
    settings = load(
        database_url=secret_files.read(stack.secrets, "database_url_produce"),
        redis_url=secret_files.read(stack.secrets, "redis_url_produce"),
        producer_signing_key=secret_files.read(stack.secrets, "producer_signing_key"),
    )
    quote = time.strftime(
        '{"bid": "600.00", "ask": "600.02", "source": "test", "at": "%FT%T.0Z"}', time.gmtime()
    )
    worker = secret_files.read(stack.secrets, "redis_url_work")
    with closing(OrderClient(settings)) as client, closing(redis.Redis.from_url(worker)) as cache:
        cache.hset("quotes", "SPY", quote)
        client.place("SPY", "BUY", "1", client_order_id="composed")
        order = client.wait("composed", 60)
    assert (order["state"], order["execution_mode"]) == ("FILLED", "PAPER")


def test_metrics_may_read_and_measure(stack: Stack) -> None:
    """With the rights that it has there every part is read, and history is measured."""
    port = stack["metrics"].replaced["9808"]

    def measured() -> dict[str, str]:
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as page:
            said = dict(
                line.rsplit(" ", 1)
                for line in page.read().decode().splitlines()
                if not line.startswith("#")
            )
        counted = any(name.startswith("execution_step_latency_seconds_count") for name in said)
        return said if counted else {}

    said = wait_until(measured, 90, what="a measured order")
    up = {name: value for name, value in said.items() if name.startswith("execution_scrape_up")}
    assert set(up.values()) == {"1.0"}
    errors = [value for name, value in said.items() if "_errors_total" in name]
    assert set(errors) <= {"0.0"}


def test_a_worker_that_hangs_is_unhealthy(stack: Stack) -> None:
    """Its file grows old while it is stopped; once it goes on, it is touched again."""
    service = stack["worker-binance"]
    wait_until(service.healthy, 90, what="the worker")
    assert service.process is not None
    beat = service.home / "tmp" / "heartbeat"
    process = psutil.Process(service.process.pid)
    process.suspend()
    try:
        old = time.time() - 60  # what time would do
        os.utime(beat, (old, old))
        assert not service.healthy()
    finally:
        process.resume()
    wait_until(service.healthy, what="the worker to be healthy again")


def test_flower_keeps_what_it_saw(stack: Stack) -> None:
    """Closed without its password; its state outlives it, in its volume."""
    service = stack["flower"]
    wait_until(service.healthy, 90, what="flower")
    assert service.stop() in {0, -signal.SIGTERM}
    assert list((service.home / "data").glob("flower*"))
    service.start()
    wait_until(service.healthy, 90, what="flower again")


def test_flower_changes_nothing(stack: Stack) -> None:
    """Neither an order nor a worker: what its API offers for that is refused."""
    service = stack["flower"]
    wait_until(service.healthy, 90, what="flower")
    user, _, password = secret_files.read(stack.secrets, "flower_basic_auth").partition(":")
    for path in flower_changes("orders@x"):
        status, said = flower_asked(int(service.replaced["5555"]), path, user, password)
        assert (status, said) == (403, "Read only mode is enabled"), path


def _bytes(size: str) -> int:
    """A size as compose or Valkey writes it: `512m`, `1gb`."""
    number, unit = re.fullmatch(r"(\d+)([kmg])b?", size).groups()  # type: ignore[union-attr]
    return int(number) << (10 * " kmg".index(unit))


@pytest.mark.parametrize("name", SERVICES)
def test_memory_is_limited(name: str) -> None:
    """One that takes more and more is ended alone, and takes no other with it."""
    assert _bytes(SERVICES[name]["mem_limit"]) <= 4 * 1024**3


def test_redis_refuses_before_the_kernel_ends_it(stack: Stack) -> None:
    """It has the limits of access.py, full it throws no message away, and it has room to copy."""
    command = SERVICES["redis"]["command"]
    given = dict(zip(command[1::2], command[2::2], strict=True))
    assert {name: given[f"--{name}"] for name in SERVER_LIMITS} == SERVER_LIMITS
    assert 2 * _bytes(SERVER_LIMITS["maxmemory"]) <= _bytes(SERVICES["redis"]["mem_limit"])
    worker = secret_files.read(stack.secrets, "redis_url_work")
    with closing(redis.Redis.from_url(worker)) as client:
        said: Any = client.info("memory")
    assert (said["maxmemory"], said["maxmemory_policy"]) == (1024**3, "noeviction")


@pytest.mark.parametrize("name", [*WORKERS, "beat", "superintel-mt4-bridge"])
def test_stops_cleanly(stack: Stack, name: str) -> None:
    """SIGTERM ends it within its grace, and it says nothing of a failure. The last test here."""
    service = stack[name]
    if service.process is None or service.process.poll() is not None:
        pytest.fail(f"{name} does not run")
    assert service.stop() in {0, -signal.SIGTERM}, service.log()[-2000:]
    assert "Traceback" not in service.log()
