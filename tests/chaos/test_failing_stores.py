"""Stores that crash, refuse, freeze or are full: what Redis took becomes a row all the same."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg2
import pytest
import redis
from kombu import Connection

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


REFUSE = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN IF NEW.payload::text LIKE ''%poison%'' THEN RAISE ''no''; END IF; RETURN NEW; END';
CREATE TRIGGER refuse BEFORE INSERT ON order_requests FOR EACH ROW EXECUTE FUNCTION refuse()
"""


@contextmanager
def connected(stores: Stores) -> Iterator[Any]:
    """A connection of the test's own."""
    address = stores.postgres.url.replace("postgresql+psycopg2://", "postgresql://")
    with closing(psycopg2.connect(address)) as connection, connection.cursor() as cursor:
        yield cursor
        connection.commit()


def test_what_cannot_be_recorded_is_kept(stores: Stores, fleet: Fleet) -> None:
    """An error that nobody foresaw: the message stays, an alert says so, others pass by."""
    with connected(stores) as cursor:
        cursor.execute(REFUSE)
    try:
        for number in range(20):  # more than a worker prefetches
            fleet.send(symbol=f"poison{number}", client_order_id=f"poison-{number}")
        fleet.send(symbol="SPY", side="BUY", quantity="1", client_order_id="beside")
        wait_until(lambda: fleet.request("beside"), what="the order beside them")
        standing = "SELECT * FROM alerts WHERE kind = 'INTAKE_FAILING' AND resolved_at IS NULL"
        wait_until(lambda: len(fleet.query(standing)) == 20, 60, "the alerts")
        assert fleet.request("poison-0") is None
    finally:
        with connected(stores) as cursor:
            cursor.execute("DROP TRIGGER refuse ON order_requests; DROP FUNCTION refuse")
    for number in range(20):
        wait_until(partial(fleet.request, f"poison-{number}"), 60, f"poison-{number}")
    wait_until(lambda: not fleet.query(standing), what="the end of the alerts")


def test_what_no_task_can_read_is_recorded(stores: Stores, fleet: Fleet) -> None:
    """While PostgreSQL takes nothing, what cannot be read waits; then each is in its table.

    An order that somebody sent is a refused request, everything else a dead letter.
    """
    name = f"tasks.{uuid4().hex}"
    log = fleet.home / "logs"
    before = sum(file.read_text().count("not recorded yet") for file in log.glob("worker-*.log"))
    with connected(stores) as cursor:
        cursor.execute("LOCK TABLE order_requests, dead_letters IN ACCESS EXCLUSIVE MODE")
        fleet.send(name)
        with Connection(stores.valkey.url) as connection:
            for body in ('{"torn', f'"{name}"'):
                connection.Producer().publish(
                    body,
                    routing_key="orders",
                    content_type="application/json",
                    content_encoding="utf-8",
                    headers={"task": "tasks.place_order", "id": name, "lang": "py"},
                )
            connection.Producer().publish({"no": name}, routing_key="orders")

        def kept() -> bool:
            files = log.glob("worker-*.log")
            return sum(one.read_text().count("not recorded yet") for one in files) >= before + 4

        wait_until(kept, 60, "four messages that wait")
    refused = (
        "SELECT reason FROM order_requests WHERE outcome = 'REFUSED' "
        "AND payload ? 'unreadable message'"
    )
    wait_until(lambda: len(fleet.query(refused)) == 2, 60, "two refused requests")
    assert {row["reason"].split(": ")[1] for row in fleet.query(refused)} == {
        "its body is not JSON",
        "its body is not [args, kwargs, embed]",
    }
    letters = "SELECT task, reason FROM dead_letters"
    wait_until(lambda: len(fleet.query(letters)) == 2, 60, "two dead letters")
    assert {(row["task"], row["reason"]) for row in fleet.query(letters)} == {
        (name, "its task is none of this service's"),
        ("", "its task is none of this service's"),
    }


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
