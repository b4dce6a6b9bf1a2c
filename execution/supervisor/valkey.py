"""The embedded Valkey 9: password, append-only file, TCP on loopback."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from execution.events.access import SERVER_LIMITS, User, user_lines
from execution.supervisor import binaries
from execution.supervisor.home import prepare_home, private_folder, write_atomically
from execution.supervisor.leftovers import end_processes_in
from execution.supervisor.ports import LOOPBACK, free_port, remembered_port
from execution.supervisor.process import ProcessSpec
from execution.supervisor.secrets import Secrets

if TYPE_CHECKING:
    from pathlib import Path

CONFIGURATION = """\
bind {host}
port {port}
protected-mode yes
requirepass {password}
dir {folder}
appendonly yes
appendfsync everysec
save ""
daemonize no
"""


class EmbeddedValkey:
    """A Valkey that belongs to `home`; `spec` runs it.

    Its port is chosen when this object is made: the one it had before, or a new one if that is
    taken. It then stays, because other processes are told the address.
    """

    def __init__(self, home: Path) -> None:
        self._home = prepare_home(home)
        self._folder = self._home / "valkey"
        # A server that outlived its supervisor would hold the port, and write to the same files.
        end_processes_in([self._folder], ["valkey-server"], signal.SIGTERM)
        self._port = free_port(self._home, "valkey")

    @property
    def url(self) -> str:
        """The address of the user `default`, who may do everything and whom no process is."""
        return _url(Secrets(self._home).token("valkey"), self._port)

    def url_as(self, user: User) -> str:
        """Return the address of one of the users with the least rights."""
        return _url(Secrets(self._home).token(_token(user)), self._port, user)

    def prepare(self) -> None:
        """Write the configuration (mode 0600) and end a server left running on our data."""
        end_processes_in([self._folder], ["valkey-server"], signal.SIGTERM)
        private_folder(self._folder)
        settings = CONFIGURATION.format(
            host=LOOPBACK,
            port=self._port,
            password=Secrets(self._home).token("valkey"),
            folder=f'"{self._folder}"',
        )
        limits = [f"{name} {value}" for name, value in SERVER_LIMITS.items()]
        passwords = {user: Secrets(self._home).token(_token(user)) for user in User}
        lines = [*limits, *user_lines(passwords)]
        write_atomically(self._folder / "valkey.conf", settings + "\n".join(lines) + "\n")

    def argv(self) -> list[str]:
        """Return the server's command line; the password is in the file it names."""
        return [str(binaries.valkey_server()), str(self._folder / "valkey.conf")]

    def spec(self, *, stage: int = 0) -> ProcessSpec:
        """Return the process to supervise; ConfigurationError when no program fits."""
        return ProcessSpec(
            name="valkey",
            argv=tuple(self.argv()),
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
            cwd=self._home,
            stage=stage,
            ready=self.ready,
            before_start=self.prepare,
            ready_timeout=120.0,
        )

    def ready(self) -> bool:
        """Whether it answers PING; it does not while it still reads its file."""
        # No retries: whoever asks, asks again.
        client = redis.Redis.from_url(
            self.url_as(User.HEALTH),
            socket_connect_timeout=1,
            socket_timeout=1,
            retry=Retry(NoBackoff(), 0),
        )
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
        finally:
            client.close()


def recorded_url(home: Path, user: User | None = None) -> str | None:
    """Return the address of the Valkey of `home`, None before its first start; changes nothing.

    It is that of the user `default` where the named one has no password yet.
    """
    port, known = remembered_port(home, "valkey"), Secrets(home)
    if port is None:
        return None
    if user is not None and (password := known.existing(_token(user))) is not None:
        return _url(password, port, user)
    password = known.existing("valkey")
    return None if password is None else _url(password, port)


def _token(user: User) -> str:
    """Name the password of a user among the home's secrets."""
    return f"valkey_{user}"


def _url(password: str, port: int, user: str = "") -> str:
    return f"redis://{user}:{password}@{LOOPBACK}:{port}/0"
