"""The files that docker-compose.yml takes its secrets from: made once, kept ever after."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

from execution.domain.errors import ConfigurationError
from execution.events.access import User, acl_file
from execution.store.privileges import Role
from execution.supervisor.home import prepare_home

TOKEN_BYTES = 32
GIVEN = ("binance_api_key", "binance_api_secret")
"""What only you can put in; an empty file means that there is none."""
_GENERATED = (
    "postgres_password",
    *(f"postgres_password_{role.name.lower()}" for role in Role),
    *(f"redis_password_{user}" for user in User),
    "flower_password",
    "mt4_bridge_token",
    "mt4_terminal_token",
    "task_signing_key",
    "producer_signing_key",
)
DATABASE, OWNER = "timescaledb:5432/execution", "execution"
REDIS = "redis:6379/0"


def password_name(role: Role) -> str:
    """The file with the password of a role of the database."""
    return f"postgres_password_{role.name.lower()}"


def make(folder: Path) -> list[str]:
    """Make what is missing of the files and return the names of those that were made.

    None is ever changed, but what is derived from others (addresses, the ACL file) is made anew:
    put another password in, and run it again. Raises ConfigurationError for a folder that others
    may write to.

    The files are readable, or the processes in the containers, which have users of their own,
    could not read them; the folder (mode 0700) is what keeps others out.
    """
    folder = prepare_home(folder)
    made = []
    for name in (*_GENERATED, *GIVEN):
        if not (folder / name).exists():
            value = "" if name in GIVEN else secrets.token_urlsafe(TOKEN_BYTES)
            _write(folder / name, value)
            made.append(name)
    for name, text in _derived(lambda name: read(folder, name)):
        if not (folder / name).exists():
            made.append(name)
        _write(folder / name, text)
    return made


def read(folder: Path, name: str) -> str:
    """A file's content without the line's end. Raises ConfigurationError when it cannot be read."""
    try:
        return (folder / name).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigurationError(f"{folder / name} cannot be read: {error.strerror}") from None


def role_passwords(folder: Path) -> Mapping[Role, str]:
    """The passwords that a folder has for roles of the database; those without a file are left out.

    Raises ConfigurationError when there are none at all.
    """
    found = {
        role: read(folder, password_name(role))
        for role in Role
        if (folder / password_name(role)).exists()
    }
    if not found:
        names = ", ".join(password_name(role) for role in Role)
        raise ConfigurationError(f"{folder} has none of {names}: `execution secrets` makes them")
    return found


def _derived(value: Callable[[str], str]) -> Iterator[tuple[str, str]]:
    owner = quote(value("postgres_password"), safe="")
    yield "database_url_owner", f"postgresql://{OWNER}:{owner}@{DATABASE}"
    for role in Role:
        password = quote(value(password_name(role)), safe="")
        yield f"database_url_{role.name.lower()}", f"postgresql://{role}:{password}@{DATABASE}"
    passwords = {user: value(f"redis_password_{user}") for user in User}
    yield "redis_users", acl_file(passwords)
    for user, password in passwords.items():
        yield f"redis_url_{user}", f"redis://{user}:{quote(password, safe='')}@{REDIS}"
    yield "flower_basic_auth", f"execution:{value('flower_password')}"


def _write(file: Path, text: str) -> None:
    new = file.with_name(f".{file.name}.new")
    new.write_text(text, encoding="utf-8")
    new.chmod(0o644)
    new.replace(file)
