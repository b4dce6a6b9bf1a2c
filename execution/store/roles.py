"""The database's users and what each may do; nothing that is not listed here is allowed.

What happened at a broker stays: of orders, executions, positions and events nobody deletes a row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any

from psycopg2.extensions import encrypt_password
from sqlalchemy import Connection, text


class Role(StrEnum):
    """Who connects, and as what it is known to PostgreSQL."""

    MIGRATE = "execution_migrate"
    """Owns the tables: `execution migrate` and nothing else."""
    WORK = "execution_work"
    """Workers, and people who run `recover` or `resolve`: rows are added and changed."""
    PRODUCE = "execution_produce"
    """Producers with an `OrderClient`: requests come in, results are read."""
    READ = "execution_read"
    """Consumers that replay events, reports, metrics."""


APPEND_ONLY = frozenset({"order_events", "quotes", "nav_observations", "paper_executions"})
"""History: what is in it is never changed, by workers neither."""
PASSING = frozenset(
    {
        "account_snapshots",
        "dead_letters",
        "ibkr_client_ids",
        "process_clocks",
        "quotes",
        "risk_limits",
        "step_latencies",
    }
)
"""What workers, and people who set limits, also take away: it is no record of any order."""
SECRET = frozenset({"signing_keys"})
"""What nobody reads but the workers, who sign with it."""
NOBODYS = frozenset({"alembic_version"})
"""The migrations' own: others may read it."""
PRODUCED = frozenset({"order_requests", "order_commands", "events", "environment_stamp"})
"""What a producer adds to: its requests and commands with their events, and the stamp."""
_SCHEMA = "public"
_EVERYBODY = tuple(Role)
_USERS = (Role.WORK, Role.PRODUCE, Role.READ)


def allowed(table: str) -> Mapping[Role, str]:
    """Privileges on a table, as GRANT takes them; a table that is new here is worked on."""
    work = "SELECT, INSERT, UPDATE"
    if table in APPEND_ONLY:
        work = "SELECT, INSERT"
    if table in PASSING:
        work += ", DELETE"
    if table in SECRET:
        return {Role.WORK: "SELECT"}
    if table in NOBODYS:
        work = "SELECT"
    produce = "SELECT, INSERT" if table in PRODUCED else "SELECT"
    return {Role.WORK: work, Role.PRODUCE: produce, Role.READ: "SELECT"}


def statements(database: str, tables: Mapping[str, bool], functions: list[str]) -> Iterator[str]:
    """The SQL that makes the roles and gives each what it needs, in order; it may be run again.

    `tables` are those of the schema, with whether they are views; `functions` have their arguments'
    types in parentheses. Passwords are not in it.
    """
    for role in _EVERYBODY:
        yield (
            "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = "
            f"'{role}') THEN CREATE ROLE {role}; END IF; END $$"
        )
        yield f"ALTER ROLE {role} LOGIN NOCREATEDB NOCREATEROLE CONNECTION LIMIT -1"
    everybody, users = ", ".join(_EVERYBODY), ", ".join(_USERS)
    yield f"REVOKE ALL ON DATABASE {_quoted(database)} FROM PUBLIC, {everybody}"
    yield f"GRANT CONNECT ON DATABASE {_quoted(database)} TO {everybody}"
    yield f"REVOKE ALL ON SCHEMA {_SCHEMA} FROM PUBLIC, {everybody}"
    yield f"GRANT USAGE ON SCHEMA {_SCHEMA} TO {everybody}"
    yield f"GRANT CREATE ON SCHEMA {_SCHEMA} TO {Role.MIGRATE}"
    yield f"REVOKE ALL ON ALL TABLES IN SCHEMA {_SCHEMA} FROM PUBLIC, {users}"
    for table, is_view in sorted(tables.items()):
        if not is_view:
            yield f"ALTER TABLE {_quoted(table)} OWNER TO {Role.MIGRATE}"
        for role, privileges in allowed(table).items():
            granted = "SELECT" if is_view else privileges
            yield f"GRANT {granted} ON {_quoted(table)} TO {role}"
    for function in sorted(functions):
        yield f"ALTER FUNCTION {function} OWNER TO {Role.MIGRATE}"


def current_statements(connection: Connection) -> list[str]:
    """`statements` for the database behind a connection, as its tables are now."""
    database = connection.execute(text("SELECT current_database()")).scalar_one()
    tables = connection.execute(
        text(
            """
            SELECT c.relname, c.relkind IN ('v', 'm') FROM pg_class c
            WHERE c.relnamespace = to_regnamespace(:schema) AND c.relkind IN ('r', 'p', 'v', 'm')
              AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
            """
        ),
        {"schema": _SCHEMA},
    )
    functions = connection.execute(
        text(
            """
            SELECT p.oid::regprocedure::text FROM pg_proc p
            WHERE p.pronamespace = to_regnamespace(:schema)
              AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
            """
        ),
        {"schema": _SCHEMA},
    )
    named = {str(name): bool(is_view) for name, is_view in tables}
    return list(statements(database, named, [str(row[0]) for row in functions]))


def apply(connection: Connection, passwords: Mapping[Role, str]) -> None:
    """Make the roles, or bring them up to date; in the caller's transaction.

    A role without a password here keeps the one it has; a new one cannot log in without. The server
    never sees a password: it is handed the SCRAM verifier. Needs a superuser, or the owner of the
    database with CREATEROLE.
    """
    # One at a time: two at once would grant on the same rows.
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('roles', 0))"))
    for statement in current_statements(connection):
        connection.exec_driver_sql(statement)
    raw: Any = connection.connection.dbapi_connection
    for role, password in passwords.items():
        verifier = encrypt_password(password, role.value, scope=raw, algorithm="scram-sha-256")
        connection.exec_driver_sql(f"ALTER ROLE {role} PASSWORD '{verifier}'")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
