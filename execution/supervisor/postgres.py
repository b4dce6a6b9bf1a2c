"""The embedded PostgreSQL 18: a cluster of our own from the wheel's programs, socket only."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import psycopg2
from psycopg2 import sql

from execution.domain.errors import ConfigurationError
from execution.supervisor import binaries
from execution.supervisor.home import prepare_home, private_folder
from execution.supervisor.leftovers import end_processes_in
from execution.supervisor.place import recorded_place, remove_place, settle_place
from execution.supervisor.process import ProcessSpec
from execution.supervisor.secrets import Secrets

if TYPE_CHECKING:
    from execution.supervisor.place import Place, Way

VERSION = "18"
NAME = "execution"
"""Of the database and of its owner."""
SOCKET_PORT = 5432
"""Part of the socket's file name; nothing listens on TCP."""
PROGRAM_NAMES = ("postgres", "initdb")
SETTINGS = {
    "listen_addresses": "",
    "port": str(SOCKET_PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "fsync": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "log_checkpoints": "off",
    "log_lock_waits": "on",
}


class EmbeddedPostgres:
    """A PostgreSQL 18 cluster that belongs to `home`; `spec` runs it.

    Connections need the generated password (scram-sha-256) and come through a socket in a folder
    only its owner can enter. As root the server runs under another user: see `place`.
    `way` and `system_folder` force a decision that is otherwise made at the first start.
    """

    def __init__(
        self, home: Path, *, way: Way | None = None, system_folder: Path | None = None
    ) -> None:
        self._home = home.expanduser().resolve()
        self._way = way
        self._system_folder = system_folder
        self._settled: Place | None = None

    @property
    def place(self) -> Place:
        """Where the cluster lives and as whom it runs, decided now if it was not yet.

        Raises ConfigurationError when the programs are missing, the home is unfit, or PostgreSQL
        can run here in no way.
        """
        if self._settled is None:
            prepare_home(self._home)
            self._settled = settle_place(
                self._home,
                binaries.postgres_folder() / "postgres",
                way=self._way,
                system_folder=self._system_folder,
            )
        return self._settled

    @property
    def url(self) -> str:
        """The SQLAlchemy address of the database `execution`, password included."""
        return self.url_of(NAME)

    def url_of(self, database: str) -> str:
        """Return the SQLAlchemy address of another database of the cluster."""
        return _url(self.place, Secrets(self._home).token("postgres"), database)

    def url_as(self, role: str) -> str:
        """Return the address of the database `execution` for a role that `roles` makes."""
        return _url(self.place, Secrets(self._home).token(role), NAME, role)

    def initialise(self) -> None:
        """Make the cluster and its database unless they exist; an interrupted attempt is redone.

        Raises ConfigurationError with initdb's words when it fails, or when the cluster is of
        another major version.
        """
        place = self.place
        data = Path(place.data)
        private_folder(data.parent, owner=place.owner)
        private_folder(Path(place.sockets), owner=place.owner)
        if data.exists():
            found = (data / "PG_VERSION").read_text(encoding="ascii").strip()
            if found != VERSION:
                raise ConfigurationError(
                    f"{data} is of PostgreSQL {found}, not {VERSION}: dump it with that version"
                )
            return
        unfinished = data.with_name("data.unfinished")
        end_processes_in([data.parent, unfinished], PROGRAM_NAMES, signal.SIGQUIT)
        shutil.rmtree(unfinished, ignore_errors=True)
        self._initdb(unfinished)
        unfinished.rename(data)
        folder = os.open(data.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def prepare(self) -> None:
        """Make ready for a start: initialise, and clear away what a killed server left behind."""
        self.initialise()
        data = Path(self.place.data)
        end_processes_in([data], PROGRAM_NAMES, signal.SIGQUIT)
        # Nothing runs in the folder now, so the file is stale. PostgreSQL would refuse to start
        # if its process id had meanwhile gone to another process, as it does in containers.
        (data / "postmaster.pid").unlink(missing_ok=True)

    def argv(self) -> list[str]:
        """Return the server's command line; it holds no password."""
        options = {**SETTINGS, "unix_socket_directories": self.place.sockets}
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        return self.place.wrap([self._program("postgres"), "-D", self.place.data, *settings])

    def spec(self, *, stage: int = 0) -> ProcessSpec:
        """Return the process to supervise; nothing is made before its start."""
        return ProcessSpec(
            name="postgres",
            argv=tuple(self.argv()),
            env=_environment(),
            cwd=Path(self.place.data).parent,
            stage=stage,
            ready=self.ready,
            before_start=self.prepare,
            # Fast shutdown: SIGTERM would wait for every client to leave of its own accord.
            stop_signal=signal.SIGINT,
            grace=30.0,
            ready_timeout=300.0,
        )

    def ready(self) -> bool:
        """Whether a real connection to the database answers a query."""
        try:
            self._execute(sql.SQL("SELECT 1"), NAME)
        except psycopg2.OperationalError:
            return False
        return True

    def create_database(self, name: str, template: str | None = None) -> str:
        """Create the database `name`, as a copy of `template` if given; return its address.

        Raises psycopg2.Error, for one when it exists or somebody is connected to the template.
        """
        copied = (
            sql.SQL(" TEMPLATE {}").format(sql.Identifier(template)) if template else sql.SQL("")
        )
        self._execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)) + copied)
        return self.url_of(name)

    def drop_database(self, name: str) -> None:
        """Drop the database `name` if it exists, ending the connections to it."""
        command = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
        self._execute(command.format(sql.Identifier(name)))

    def destroy(self) -> None:
        """Delete the stopped cluster with all its data, its socket folder and its decision."""
        remove_place(self._home)
        self._settled = None

    def _execute(self, command: sql.Composable, database: str = "postgres") -> None:
        connection = psycopg2.connect(
            host=self.place.sockets,
            port=SOCKET_PORT,
            user=NAME,
            password=Secrets(self._home).token("postgres"),
            dbname=database,
            connect_timeout=2,
        )
        with closing(connection):
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(command)

    def _program(self, name: str) -> str:
        """Return the path of a program the server's user can reach, copied there if need be."""
        folder = binaries.postgres_folder()
        place = self.place
        if place.way == "user" and not all(place.can_run(folder / name) for name in PROGRAM_NAMES):
            folder = binaries.copied_postgres(folder, Path(place.data).parent.parent)
        return str(folder / name)

    def _initdb(self, data: Path) -> None:
        password_file = data.with_name("password")
        password_file.unlink(missing_ok=True)
        password_file.touch(mode=0o600)
        os.chown(password_file, self.place.owner, -1)
        password_file.write_text(Secrets(self._home).token("postgres"), encoding="ascii")
        options = [
            "-D",
            str(data),
            "-U",
            NAME,
            "--encoding=UTF8",
            "--locale=C",
            "--no-instructions",
        ]
        try:
            self._run("initdb", *options, "--auth=scram-sha-256", f"--pwfile={password_file}")
        finally:
            password_file.unlink()
        # A server nobody can connect to: the database is there before the cluster has its name.
        command = f"CREATE DATABASE {NAME}\n"
        self._run("postgres", "--single", "-D", str(data), "postgres", typed=command)

    def _run(self, program: str, *arguments: str, typed: str = "") -> None:
        done = subprocess.run(
            self.place.wrap([self._program(program), *arguments]),
            input=typed,
            env=_environment(),
            cwd=Path(self.place.data).parent,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        if done.returncode != 0:
            words = done.stdout[-1000:].strip()
            raise ConfigurationError(f"{program} failed ({done.returncode}): {words}")


def recorded_url(home: Path, role: str = NAME) -> str | None:
    """Return the address of the cluster in `home`, None before its first start; changes nothing.

    It is the owner's where the role has no password yet.
    """
    place, known = recorded_place(home), Secrets(home)
    if place is None:
        return None
    if role != NAME and (password := known.existing(role)) is not None:
        return _url(place, password, NAME, role)
    password = known.existing("postgres")
    return None if password is None else _url(place, password, NAME)


def _url(place: Place, password: str, database: str, user: str = NAME) -> str:
    address = f"postgresql+psycopg2://{user}:{password}@/{quote(database, safe='')}"
    return f"{address}?host={quote(place.sockets)}&port={SOCKET_PORT}"


def _environment() -> dict[str, str]:
    """Only what the server needs: PGPORT, PGDATA and the like of our caller must not reach it."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
