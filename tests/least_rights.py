"""The servers' users with the least rights, for tests of what each of them may do."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis
from sqlalchemy import create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

from execution.events.access import User, acl_file
from execution.store.roles import Role, apply
from execution.supervisor.secrets import Secrets
from tests.fleet import Servers, flush


@contextmanager
def least_rights(servers: Servers, database_url: str) -> Iterator[dict[Role | User, str]]:
    """Make all users of both servers; yields the address that each of them has."""
    passwords = {role: secrets.token_urlsafe(24) for role in Role}
    redis_passwords = {user: secrets.token_urlsafe(24) for user in User}
    owner: Any = redis.Redis.from_url(servers.valkey.url)
    engine = create_engine(database_url, poolclass=NullPool)
    flush(servers.valkey.url)
    with engine.begin() as connection:
        apply(connection, passwords)
    for line in acl_file(redis_passwords).splitlines()[1:]:
        owner.execute_command("ACL", "SETUSER", *line.split(" ")[1:])
    database = make_url(database_url)
    yield {
        role: database.set(username=role.value, password=password).render_as_string(
            hide_password=False
        )
        for role, password in passwords.items()
    } | {
        user: servers.valkey.url.replace("//:", f"//{user}:").replace(
            Secrets(servers.valkey._home).token("valkey"), password
        )
        for user, password in redis_passwords.items()
    }
    with engine.begin() as connection:
        connection.exec_driver_sql(f"REASSIGN OWNED BY {Role.MIGRATE} TO execution")
        connection.exec_driver_sql(f"DROP OWNED BY {', '.join(Role)}")
        connection.exec_driver_sql(f"DROP ROLE {', '.join(Role)}")
    owner.acl_deluser(*User)
    owner.close()
