"""The database's users as they are in service, for tests: workers get the workers' rights only."""

from __future__ import annotations

import secrets

from sqlalchemy import create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

from execution.store.privileges import Role
from execution.store.roles import apply

PASSWORDS = {role: secrets.token_urlsafe(24) for role in Role}
"""Of this run's users: a server has each of them once for all its databases."""


def grant(url: str) -> None:
    """Make the users, and give each its rights in a migrated database."""
    engine = create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        apply(connection, PASSWORDS)


def as_role(url: str, role: Role) -> str:
    """The address of a database as a user has it."""
    address = make_url(url).set(username=role.value, password=PASSWORDS[role])
    return address.render_as_string(hide_password=False)
