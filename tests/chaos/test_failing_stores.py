"""Stores that crash, refuse, freeze or are full: what Redis took becomes a row all the same."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from execution.store.migrate import upgrade
from execution.supervisor.postgres import EmbeddedPostgres
from execution.supervisor.state import load_state
from execution.supervisor.supervisor import Supervisor
from execution.supervisor.valkey import EmbeddedValkey
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
