"""Makes the database's users, and gives each the privileges of `execution.store.privileges`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg2.extensions import encrypt_password
from sqlalchemy import Connection, text

from execution.store.privileges import CONNECTIONS, Role, allowed

_SCHEMA = "public"
_EVERYBODY = tuple(Role)
_USERS = (Role.WORK, Role.PRODUCE, Role.METRICS, Role.READ)


@dataclass(frozen=True, slots=True)
class Present:
    """What a database has; functions have their arguments' types in parentheses."""

    database: str
    tables: Mapping[str, bool]
    """Of the schema, with whether they are views."""
    functions: Sequence[str]
    advisory_locks: Sequence[str]
    """PostgreSQL's own functions, which everybody may call unless it is forbidden."""
    max_connections: int


def statements(present: Present) -> Iterator[str]:
    """The SQL that makes the roles and gives each what it needs, in order; it may be run again.

    Passwords are not in it.
    """
    database, tables, functions = present.database, present.tables, present.functions
    for role in _EVERYBODY:
        yield (
            "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = "
            f"'{role}') THEN CREATE ROLE {role}; END IF; END $$"
        )
        share = CONNECTIONS.get(role)
        most = -1 if share is None else max(2, int(present.max_connections * share))
        yield f"ALTER ROLE {role} LOGIN NOCREATEDB NOCREATEROLE CONNECTION LIMIT {most}"
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
    # Only a superuser can: PostgreSQL says so with a warning to anybody else, and goes on.
    for function in sorted(present.advisory_locks):
        yield f"REVOKE EXECUTE ON FUNCTION pg_catalog.{function} FROM PUBLIC"
        yield f"GRANT EXECUTE ON FUNCTION pg_catalog.{function} TO {Role.MIGRATE}, {Role.WORK}"
    # Triggers call theirs whoever changes the table: only workers call one by name.
    for function in sorted(functions):
        yield f"ALTER FUNCTION {function} OWNER TO {Role.MIGRATE}"
        yield f"REVOKE EXECUTE ON FUNCTION {function} FROM PUBLIC"
        yield f"GRANT EXECUTE ON FUNCTION {function} TO {Role.WORK}"
    # So that a function of the owner's can end a producer's connection (execution.store.producers).
    yield f"GRANT {Role.PRODUCE} TO {Role.MIGRATE}"


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
    locks = connection.execute(
        text(
            r"""
            SELECT p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')'
            FROM pg_proc p WHERE p.pronamespace = 'pg_catalog'::regnamespace
              AND p.proname LIKE 'pg\_%advisory%'
            """
        )
    )
    most = connection.execute(text("SELECT current_setting('max_connections')::integer"))
    present = Present(
        database=database,
        tables={str(name): bool(is_view) for name, is_view in tables},
        functions=list(functions.scalars()),
        advisory_locks=list(locks.scalars()),
        max_connections=most.scalar_one(),
    )
    return list(statements(present))


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
