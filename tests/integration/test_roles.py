"""Each user of the database can do its work and not more, on a real PostgreSQL."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.pool import NullPool

from execution import secret_files
from execution.client import OrderClient
from execution.settings import load
from execution.store import migrate
from execution.store.privileges import (
    DELETED,
    LOCKED,
    MEASURED,
    PRODUCED,
    SECRET,
    UPDATED,
    Role,
)
from execution.store.roles import apply, current_statements
from execution.store.schema import metadata
from tests.fleet import Servers


@pytest.fixture(scope="module")
def passwords(tmp_path_factory: pytest.TempPathFactory) -> dict[Role, str]:
    """Generated, as `execution secrets` makes them."""
    folder = tmp_path_factory.mktemp("roles") / "secrets"
    secret_files.make(folder)
    return dict(secret_files.role_passwords(folder))


@pytest.fixture(scope="module")
def urls(servers: Servers, module_database_url: str, passwords: dict[Role, str]) -> dict[Role, URL]:
    """The address of a migrated database as each role has it; roles are the whole cluster's."""
    owner = create_engine(module_database_url, poolclass=NullPool)
    for _ in range(2):  # it may be run again
        with owner.begin() as connection:
            apply(connection, passwords)
    address = make_url(module_database_url)
    return {
        role: address.set(username=role.value, password=password)
        for role, password in passwords.items()
    }


def run(url: URL, statement: str) -> Any:
    """Run one statement as the user of an address, and take it back."""
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        found = connection.execute(text(statement))
        return found.scalar() if found.returns_rows else None


def refused(url: URL, statement: str) -> None:
    """It must fail for want of the privilege, and for nothing else."""
    with pytest.raises(ProgrammingError, match=r"permission denied|must be owner"):
        run(url, statement)


TABLES = sorted(metadata.tables)


USERS = [Role.WORK, Role.PRODUCE, Role.METRICS, Role.READ]


def deletes(role: Role, table: str) -> bool:
    """Whether a role may delete rows of a table."""
    if role is Role.WORK:
        return table in DELETED
    return role is Role.METRICS and "DELETE" in MEASURED.get(table, "")


@pytest.mark.parametrize("role", USERS)
def test_nobody_deletes(urls: dict[Role, URL], role: Role) -> None:
    """Rows of no table but those that pass, and no table: what happened at a broker stays."""
    for table in TABLES:
        if not deletes(role, table):
            refused(urls[role], f"DELETE FROM {table}")
        refused(urls[role], f"TRUNCATE {table}")
        refused(urls[role], f"DROP TABLE {table}")
        refused(urls[role], f"ALTER TABLE {table} DISABLE TRIGGER ALL")
        read = f"SELECT count(*) FROM {table}"
        if role is Role.WORK or table not in SECRET | LOCKED:
            run(urls[role], read)
        else:
            refused(urls[role], read)
    refused(urls[role], "CREATE TABLE made (a int)")
    refused(urls[role], "CREATE TEMP TABLE made (a int)")
    refused(urls[role], "DROP FUNCTION guard_paper_and_live() CASCADE")
    refused(urls[role], "CREATE ROLE other")
    refused(urls[role], "UPDATE alembic_version SET version_num = '0001'")
    assert run(urls[role], "SELECT count(*) FROM alembic_version") == 1


@pytest.mark.parametrize("role", USERS)
def test_each_column(urls: dict[Role, URL], role: Role) -> None:
    """A user updates and sets the columns that are listed for it, and no other."""
    columns = [
        (table, column.name) for table in TABLES for column in metadata.tables[table].columns
    ]
    for privilege in ("INSERT", "UPDATE"):
        listed = ", ".join(
            f"has_column_privilege('{table}', '{name}', '{privilege}')" for table, name in columns
        )
        given = dict(zip(columns, run(urls[role], f"SELECT ARRAY[{listed}]"), strict=True))
        assert given == {key: listed_for(role, privilege, *key) for key in columns}, privilege


def listed_for(role: Role, privilege: str, table: str, column: str) -> bool:
    """Whether the lists give a role a privilege on a column."""
    if role is Role.METRICS:
        return privilege in MEASURED.get(table, "")
    if role is Role.PRODUCE:
        return privilege == "INSERT" and column in PRODUCED.get(table, "").split()
    if role is Role.READ or table in SECRET:
        return False
    if privilege == "INSERT":
        return table not in LOCKED
    return table in LOCKED or column in UPDATED.get(table, "").split()


def test_lists_name_what_there_is() -> None:
    """Each table and column of the lists exists."""
    for listed in (UPDATED, PRODUCED):
        for table, names in listed.items():
            assert set(names.split()) <= {column.name for column in metadata.tables[table].columns}
    assert set(TABLES) >= DELETED | SECRET | LOCKED | set(MEASURED)


def test_producer(urls: dict[Role, URL], servers: Servers) -> None:
    """An OrderClient places, cancels, changes and reads; orders and positions it cannot touch."""
    address = urls[Role.PRODUCE].render_as_string(hide_password=False)
    settings = load(database_url=address, redis_url=servers.valkey.url)
    with closing(OrderClient(settings)) as client:
        assert client.place("SPY", "BUY", "1", client_order_id="produced").outcome == "ACCEPTED"
        assert client.place("SPY", "BUY", "1", client_order_id="produced").outcome == "ACCEPTED"
        assert client.place("SPY", "UP", "1", client_order_id="wrong").outcome == "REFUSED"
        assert client.place("SPY", "BUY", "2", client_order_id="produced").outcome == "REFUSED"
        for _ in range(2):
            command = client.cancel("produced", "c-1")
            client.modify("produced", expected_version=1, modify_id="m-1", quantity="2")
        assert client.command(command).outcome == "PENDING"
        assert client.get("produced") is not None
        assert client.receipt("produced") is not None
        assert list(client.fills()) == []
    for table in ("orders", "order_attempts", "fills", "positions", "alerts", "breakers"):
        refused(urls[Role.PRODUCE], f"INSERT INTO {table} DEFAULT VALUES")


def test_reader(urls: dict[Role, URL]) -> None:
    """It reads."""
    for table in TABLES:
        refused(urls[Role.READ], f"INSERT INTO {table} DEFAULT VALUES")


def test_migrations(urls: dict[Role, URL]) -> None:
    """They go down and up again as the tables' owner, who may make no users."""
    url = urls[Role.MIGRATE].render_as_string(hide_password=False)
    with create_engine(url, poolclass=NullPool).connect() as connection:
        before = migrate.revision(connection)
    assert before == migrate.head()
    migrate.upgrade(url)
    run(urls[Role.MIGRATE], "ALTER TABLE orders ADD COLUMN more text")
    run(urls[Role.MIGRATE], "DROP FUNCTION guard_paper_and_live() CASCADE")
    refused(urls[Role.MIGRATE], "CREATE ROLE other")


def test_shown_without_passwords(urls: dict[Role, URL], passwords: dict[Role, str]) -> None:
    """What `execution roles` shows is for everybody's eyes."""
    with create_engine(urls[Role.MIGRATE], poolclass=NullPool).connect() as connection:
        shown = "\n".join(current_statements(connection))
    assert not any(password in shown for password in passwords.values())
