"""A pooler that keeps no session is refused in words, by every process and by `doctor`."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg2
import pytest
from sqlalchemy import make_url

from execution.client import OrderClient
from execution.domain.errors import ConfigurationError
from execution.settings import load
from execution.store import pooling
from execution.store.migrate import upgrade
from execution.supervisor.ports import LOOPBACK
from execution.supervisor.services import project_root
from tests.chaos.proxy import FaultProxy, Upstream
from tests.fleet import Servers, wait_until

CONFIGURATION = """\
[databases]
* = host={host} port={port} user={user} password={password}
[pgbouncer]
listen_addr = {host}
listen_port = {own}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
ignore_startup_parameters = {ignored}
"""


def plain(url: str) -> str:
    """An address as psycopg2 takes it."""
    return url.replace("postgresql+psycopg2://", "postgresql://")


@contextmanager
def bouncer(servers: Servers, url: str, folder: Path, mode: str, ignored: str) -> Iterator[str]:
    """A PgBouncer before a database; gives the address that leads through it."""
    program = shutil.which("pgbouncer")
    if program is None:
        pytest.fail("no pgbouncer on the path: install it")
    there = make_url(url)
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        own = probe.getsockname()[1]
    sockets = Path(servers.postgres.place.sockets)
    with ExitStack() as stack:
        # As root it runs as somebody else, who may not enter the sockets' folder.
        way = stack.enter_context(FaultProxy(Upstream(path=sockets / ".s.PGSQL.5432"), "pooling"))
        text = CONFIGURATION.format(
            host=LOOPBACK,
            port=way.port,
            user=there.username,
            password=there.password,
            own=own,
            mode=mode,
            ignored=ignored,
        )
        folder.chmod(0o755)
        (folder / "pgbouncer.ini").write_text(text, encoding="utf-8")
        argv = [program, *(("-u", "nobody") if os.geteuid() == 0 else ()), "pgbouncer.ini"]
        log = stack.enter_context((folder / "log").open("wb"))
        process = subprocess.Popen(argv, cwd=folder, stdout=log, stderr=log)
        stack.callback(process.wait, 10)
        stack.callback(process.kill)
        through = there.set(host=LOOPBACK, port=own, query={"sslmode": "disable"})
        address = through.render_as_string(hide_password=False)

        def answers() -> bool:
            try:
                psycopg2.connect(plain(address)).close()
            except psycopg2.OperationalError:
                return False
            return True

        wait_until(answers, what="PgBouncer")
        yield address


def run(address: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A process of ours with that database."""
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        env={**os.environ, "DATABASE_URL": address, "REDIS_URL": "redis://127.0.0.1:1/0"},
        cwd=project_root(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_transaction_mode(servers: Servers, database_url: str, tmp_path: Path) -> None:
    """Clients, migrations, workers, metrics and beat refuse it, and doctor says why."""
    with bouncer(servers, database_url, tmp_path, "transaction", "options") as address:
        with pytest.raises(ConfigurationError, match="pooler in transaction mode"):
            OrderClient(load(database_url=address, redis_url="redis://127.0.0.1:1/0"))
        with pytest.raises(ConfigurationError, match="pooler in transaction mode"):
            upgrade(address)
        for arguments in (
            ("execution.cli", "doctor"),
            ("execution.cli", "orders"),
            ("execution.cli", "metrics", "--port", "65431"),
            ("celery", "-A", "workers.app", "worker", "-Q", "paper", "-P", "threads"),
            ("celery", "-A", "workers.app", "beat", "--pidfile="),
        ):
            done = run(address, *arguments)
            assert done.returncode != 0, arguments
            assert "pooler in transaction mode" in done.stdout + done.stderr, arguments


def test_sessions_without_their_settings(
    servers: Servers, database_url: str, tmp_path: Path
) -> None:
    """Session mode is well, but not where the time-outs are dropped without a word."""
    with (
        bouncer(servers, database_url, tmp_path, "session", "options") as address,
        pytest.raises(ConfigurationError, match="ignores what a session is to set"),
    ):
        OrderClient(load(database_url=address, redis_url="redis://127.0.0.1:1/0"))


class Pooled:
    """A connection as a pooler in transaction mode makes them: all are served by one process."""

    info = SimpleNamespace(backend_pid=1)

    def __init__(self, server: Any) -> None:
        self._server = server
        self.cursor, self.rollback = server.cursor, server.rollback

    def close(self) -> None:
        """The server goes to the next client."""


def test_one_process_for_two_connections(database_url: str) -> None:
    """That is how any pooler in transaction mode shows itself, whatever its name."""
    settings = {"statement_timeout": "15s"}
    with closing(psycopg2.connect(plain(database_url))) as server:
        with pytest.raises(ConfigurationError, match="transaction mode"):
            pooling.verify(Pooled(server), lambda: Pooled(server), settings)
        with pytest.raises(ConfigurationError, match="statement_timeout"):
            pooling.verify(server, lambda: None, settings)
        with closing(
            psycopg2.connect(plain(database_url), options="-c statement_timeout=15s")
        ) as direct:
            pooling.verify(direct, lambda: None, settings)
