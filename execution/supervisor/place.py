"""Where the embedded PostgreSQL lives and as whom it runs: decided once, kept in the home folder.

PostgreSQL refuses to run as root. Three ways, the first that works:

- `direct`: we are not root, and it runs as we do.
- `namespace`: in a user namespace where our uid has another number; its files stay ours.
- `user`: as an unprivileged user that exists (nobody). That user cannot enter a private home
  folder, so the cluster then lives in a folder of its own below /var/lib.
"""

from __future__ import annotations

import hashlib
import json
import os
import pwd
import secrets
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from execution.domain.errors import ConfigurationError
from execution.supervisor import run_as
from execution.supervisor.home import private_folder, write_atomically

Way = Literal["direct", "namespace", "user"]

SYSTEM_FOLDERS = (Path("/var/lib"), Path("/var/db"))
PROJECT_FOLDER = "superintel-execution"
UNPRIVILEGED_USERS = ("nobody", "daemon", "postgres")
# sockaddr_un holds 104 bytes on macOS, 108 on Linux; the socket's own name takes 14.
LONGEST_SOCKET_FOLDER = 86
INSTEAD = "set DATABASE_URL to a PostgreSQL of your own, or run as a user other than root"
# Run inside the namespace: root's power over other people's files is lost there.
REACHABLE = (
    "import os, sys; sys.exit(not (os.access(sys.argv[1], 7) and os.access(sys.argv[2], 1)))"
)


@dataclass(frozen=True, slots=True)
class Place:
    """A decision: the way, the uid and gid the server believes it has, and its folders."""

    way: Way
    uid: int
    gid: int
    data: str
    sockets: str

    def wrap(self, argv: list[str]) -> list[str]:
        """Return the command line that runs `argv` as the server's user."""
        if self.way == "direct":
            return argv
        wrapper = [sys.executable, "-I", "-S", str(Path(run_as.__file__))]
        return [*wrapper, self.way, str(self.uid), str(self.gid), *argv]

    @property
    def owner(self) -> int:
        """The uid that owns the server's files, as seen from outside any namespace."""
        return self.uid if self.way == "user" else os.geteuid()

    def can_run(self, program: Path) -> bool:
        """Whether the server's user can start `program` and write to the cluster's folder."""
        if self.way == "direct":
            return True
        if self.way == "namespace":
            python = [sys.executable, "-I", "-S", "-c", REACHABLE]
            command = self.wrap([*python, str(Path(self.data).parent), str(program)])
            return subprocess.run(command, capture_output=True, check=False).returncode == 0
        try:
            found = subprocess.run(
                [program, "--version"],
                user=self.uid,
                group=self.gid,
                extra_groups=(),
                cwd="/",
                capture_output=True,
                check=False,
            )
        except OSError:
            return False
        return found.returncode == 0


def recorded_place(home: Path) -> Place | None:
    """Return the decision kept in `<home>/postgres.json`, None before the first start."""
    try:
        return Place(**json.loads((home / "postgres.json").read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise ConfigurationError(f"{home / 'postgres.json'} cannot be read: {error}") from None


def settle_place(
    home: Path, program: Path, *, way: Way | None = None, system_folder: Path | None = None
) -> Place:
    """Return the recorded decision, or decide and record one.

    `program` is one the server's user must be able to start (for `user` it may be copied later);
    `way` forces one way; `system_folder` stands in for /var/lib.
    Raises ConfigurationError when no way works, or the recorded one works no longer.
    """
    place = recorded_place(home)
    if place is not None:
        _verify(place, home, program)
        return place
    private_folder(home / "postgres")
    place = _choose(home, program, way, system_folder)
    write_atomically(home / "postgres.json", json.dumps(asdict(place), indent=2))
    return place


def remove_place(home: Path) -> None:
    """Delete the cluster, its socket folder and the decision. All its data is lost."""
    place = recorded_place(home)
    if place is None:
        return
    shutil.rmtree(place.sockets, ignore_errors=True)
    if place.way == "user":
        shutil.rmtree(Path(place.data).parent, ignore_errors=True)
    shutil.rmtree(home / "postgres", ignore_errors=True)
    (home / "postgres.json").unlink(missing_ok=True)


def _choose(home: Path, program: Path, way: Way | None, system_folder: Path | None) -> Place:
    if way == "direct" or (way is None and os.geteuid() != 0):
        return _below_home(home, "direct", os.geteuid(), os.getegid())
    user = _unprivileged_user()
    if way in (None, "namespace"):
        place = _below_home(home, "namespace", user.pw_uid, user.pw_gid)
        if place.can_run(program):
            return place
        if way == "namespace":
            raise ConfigurationError(f"this host refuses user namespaces: {INSTEAD}")
    return _below_system(user, system_folder)


def _below_home(home: Path, way: Way, uid: int, gid: int) -> Place:
    return Place(way, uid, gid, str(home / "postgres" / "data"), str(_socket_folder(home)))


def _below_system(user: pwd.struct_passwd, system_folder: Path | None) -> Place:
    base = system_folder or next((folder for folder in SYSTEM_FOLDERS if folder.is_dir()), None)
    if base is None:
        raise ConfigurationError(f"no folder for a cluster of user {user.pw_name}: {INSTEAD}")
    project = base / PROJECT_FOLDER
    try:
        project.mkdir(exist_ok=True)
        if project.lstat().st_uid != os.geteuid() or project.is_symlink():
            raise ConfigurationError(f"folder {project} belongs to another user: {INSTEAD}")
        project.chmod(0o711)  # ours: the server's user passes through and cannot look around
        cluster = private_folder(project / secrets.token_hex(4), owner=user.pw_uid)
    except OSError as error:
        raise ConfigurationError(f"{project} cannot be used ({error}): {INSTEAD}") from None
    return Place("user", user.pw_uid, user.pw_gid, str(cluster / "data"), str(cluster / "sockets"))


def _unprivileged_user() -> pwd.struct_passwd:
    """Return a user initdb can look up: it stops when its uid has no name."""
    for name in UNPRIVILEGED_USERS:
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        if found.pw_uid > 0:
            return found
    raise ConfigurationError(f"none of {', '.join(UNPRIVILEGED_USERS)} exists here: {INSTEAD}")


def _socket_folder(home: Path) -> Path:
    digest = hashlib.sha256(str(home).encode()).hexdigest()[:12]
    name = f"execution-{os.geteuid()}-{digest}"
    folder = Path(tempfile.gettempdir()) / name
    return folder if len(str(folder)) <= LONGEST_SOCKET_FOLDER else Path("/tmp") / name  # noqa: S108  0700, owner verified


def _verify(place: Place, home: Path, program: Path) -> None:
    if place.way == "direct" and os.geteuid() == 0:
        raise ConfigurationError(
            f"the PostgreSQL in {home} was made by another user than root: run as that user"
        )
    if place.way == "user" and os.geteuid() != 0:
        raise ConfigurationError(f"the PostgreSQL of {home} was made by root: run as root")
    if place.way == "user" and not Path(place.data).parent.is_dir():
        # An empty cluster in its stead would look like lost orders.
        raise ConfigurationError(
            f"the data of {home} were kept in {place.data}, which is gone: bring that folder "
            f"back, or remove {home / 'postgres.json'} to begin with an empty database"
        )
    if place.way == "namespace" and not place.can_run(program):
        raise ConfigurationError(
            f"the PostgreSQL in {home} runs in a user namespace, which this host now refuses: "
            f"allow them again, or {INSTEAD} and another EXECUTION_HOME"
        )
