"""The servers of a run: one PostgreSQL and one Valkey for all that is measured."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
import redis
from psycopg2.extensions import connection as Connection  # noqa: N812 - it is a class

from execution.store.migrate import upgrade
from execution.supervisor.postgres import EmbeddedPostgres
from execution.supervisor.supervisor import Supervisor
from execution.supervisor.valkey import EmbeddedValkey

_TEMPLATE = "template"


def connect(url: str) -> Connection:
    """A connection of our own, where each statement commits by itself."""
    made = psycopg2.connect(url.replace("postgresql+psycopg2://", "postgresql://"))
    made.autocommit = True
    return made


def rows(url: str, statement: str) -> list[tuple[Any, ...]]:
    """What one statement gives."""
    with closing(connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


def command(url: str, statement: str) -> None:
    """Run one statement that gives nothing."""
    with closing(connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(statement)


@dataclass(frozen=True, slots=True)
class Servers:
    """Both servers, running in a folder of the run's."""

    home: Path
    postgres: EmbeddedPostgres
    valkey: EmbeddedValkey

    def database(self, name: str) -> str:
        """Make a database with the whole schema and nothing in it; return its URL."""
        return self.postgres.create_database(name, template=_TEMPLATE)

    def drop(self, name: str) -> None:
        """Drop a database."""
        self.postgres.drop_database(name)

    def come_to_rest(self) -> None:
        """Empty Valkey and write out what PostgreSQL has in memory, before each measurement."""
        with closing(redis.Redis.from_url(self.valkey.url)) as client:
            client.flushall()
        command(self.postgres.url, "CHECKPOINT")

    def versions(self) -> dict[str, str]:
        """What the servers say they are."""
        with closing(redis.Redis.from_url(self.valkey.url)) as client:
            info = client.info("server")
        return {
            "postgres": str(rows(self.postgres.url, "SHOW server_version")[0][0]),
            "valkey": str(info.get("valkey_version") or info["redis_version"]),
        }


@contextmanager
def servers(home: Path) -> Iterator[Servers]:
    """Run both in a new folder, as `execution up` runs them; their data are gone afterwards."""
    home.mkdir(mode=0o700)
    postgres, valkey = EmbeddedPostgres(home), EmbeddedValkey(home)
    try:
        with Supervisor([postgres.spec(), valkey.spec()], home):
            upgrade(postgres.create_database(_TEMPLATE))
            yield Servers(home, postgres, valkey)
    finally:
        postgres.destroy()
