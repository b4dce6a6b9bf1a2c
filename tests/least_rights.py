"""The servers' users with the least rights, for tests of what each of them may do."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis

from execution.events.access import User, acl_file
from execution.store.privileges import Role
from execution.supervisor.secrets import Secrets
from tests.database_roles import as_role, grant
from tests.fleet import Servers, flush


@contextmanager
def least_rights(servers: Servers, database_url: str) -> Iterator[dict[Role | User, str]]:
    """Make all users of both servers; yields the address that each of them has."""
    redis_passwords = {user: secrets.token_urlsafe(24) for user in User}
    owner: Any = redis.Redis.from_url(servers.valkey.url)
    flush(servers.valkey.url)
    grant(database_url)
    for line in acl_file(redis_passwords).splitlines()[1:]:
        owner.execute_command("ACL", "SETUSER", *line.split(" ")[1:])
    yield {role: as_role(database_url, role) for role in Role} | {
        user: servers.valkey.url.replace("//:", f"//{user}:").replace(
            Secrets(servers.valkey._home).token("valkey"), password
        )
        for user, password in redis_passwords.items()
    }
    owner.acl_deluser(*User)
    owner.close()
