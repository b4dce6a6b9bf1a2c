"""Stores that crash, refuse, freeze or are full: what Redis took becomes a row all the same."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis

from execution.store.migrate import upgrade
from execution.supervisor.postgres import EmbeddedPostgres
from execution.supervisor.state import load_state
from execution.supervisor.supervisor import Supervisor
from execution.supervisor.valkey import EmbeddedValkey
from tests.acceptance.test_readme import BLOCKS
from tests.chaos.bare import BareProducer, assert_rows
from tests.fleet import Fleet, wait_until


class Stores:
    """A PostgreSQL and a Valkey of their own, which a test may break."""

    def __init__(self, home: Path) -> None:
        self.home = home
        home.mkdir(mode=0o700)
        self.postgres, self.valkey = EmbeddedPostgres(home), EmbeddedValkey(home)
        specs = (self.postgres.spec(), self.valkey.spec())
        self.supervisor = Supervisor([replace(spec, longest_pause=0.5) for spec in specs], home)

    def pid(self, name: str) -> int:
        """Of `postgres` or `valkey`, once it runs."""

        def found() -> int | None:
            state = load_state(self.home)
            return next(one.pid for one in state.processes if one.name == name) if state else None

        pid: int = wait_until(found, what=name)
        return pid


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stores]:
    """Servers of this module's own."""
    stores = Stores(tmp_path_factory.mktemp("stores") / "home")
    with stores.supervisor:
        upgrade(stores.postgres.url)
        yield stores
    stores.postgres.destroy()


@pytest.fixture(scope="module")
def fleet(stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Workers for paper orders on those servers."""
    home = tmp_path_factory.mktemp("fleet") / "home"
    fleet = Fleet(stores.postgres.url, stores.valkey.url, home, queues=("orders", "paper"))
    with fleet:
        fleet.set_prices({"SPY": ("600.00", "600.02")})
        yield fleet


@pytest.mark.parametrize("again", range(2))
def test_postgres_crashes(stores: Stores, fleet: Fleet, tmp_path: Path, again: int) -> None:
    """SIGQUIT of PostgreSQL under bare sends, time and again: every order becomes a row."""
    with BareProducer(f"crash{again}", stores.valkey.url, tmp_path / "log") as producer:
        for _ in range(3):
            producer.more(20)
            os.kill(stores.pid("postgres"), signal.SIGQUIT)
            wait_until(stores.postgres.ready, what="PostgreSQL")
        producer.more(20)
    assert not producer.ids("error")
    assert_rows(fleet, producer.ids("took"))


def workers(fleet: Fleet) -> dict[str, int]:
    """The process ids of the workers."""
    return {name: fleet.pid_of(name) for name in ("worker-orders", "worker-paper")}


@contextmanager
def replica(client: redis.Redis) -> Iterator[None]:
    """Valkey follows a primary that does not exist, as it may after a failover."""
    client.replicaof("127.0.0.1", "1")
    try:
        yield
    finally:
        client.replicaof("NO", "ONE")


@contextmanager
def out_of_memory(client: redis.Redis) -> Iterator[None]:
    """Valkey may use less than it does."""
    client.config_set("maxmemory", "1")
    try:
        yield
    finally:
        client.config_set("maxmemory", "0")


@pytest.mark.parametrize(
    ("failing", "reply"), [(replica, "read only replica"), (out_of_memory, "used memory")]
)
def test_redis_refuses(
    stores: Stores, fleet: Fleet, tmp_path: Path, failing: Any, reply: str
) -> None:
    """A replica, or out of memory, under bare sends: workers stay, and doctor says so."""
    before = workers(fleet)
    with (
        closing(redis.Redis.from_url(stores.valkey.url)) as client,
        BareProducer(failing.__name__, stores.valkey.url, tmp_path / "log") as producer,
    ):
        producer.more(20)
        with failing(client):
            producer.more(20, "error")
            doctor = fleet.cli("doctor")
            producer.more(50, "error")
        producer.more(20)
    assert doctor.returncode == 1
    assert reply in doctor.stdout
    assert_rows(fleet, producer.ids("took"))
    assert workers(fleet) == before


def test_redis_freezes(stores: Stores, fleet: Fleet, tmp_path: Path) -> None:
    """A Valkey that stands still: senders see an error in time, and what it took is a row."""
    before = workers(fleet)
    with BareProducer("frozen", stores.valkey.url, tmp_path / "log") as producer:
        producer.more(20)
        pid = stores.pid("valkey")
        os.kill(pid, signal.SIGSTOP)
        try:
            producer.more(3, "error")
            readme = subprocess.run(
                [sys.executable, "-c", BLOCKS[0].replace('"a-1"', '"frozen-readme"')],
                env={**os.environ, "REDIS_URL": stores.valkey.url},
                capture_output=True,
                text=True,
                timeout=90,
                check=False,
            )
        finally:
            os.kill(pid, signal.SIGCONT)
        producer.more(20)
    assert "kombu.exceptions.OperationalError: Timeout" in readme.stderr
    assert_rows(fleet, producer.ids("took"))
    assert workers(fleet) == before
