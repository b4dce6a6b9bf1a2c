"""The home folder: who may own it, its private subfolders, and files replaced atomically."""

from __future__ import annotations

import fcntl
import os
import stat
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from execution.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

PRIVATE = 0o700
OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


def prepare_home(home: Path) -> Path:
    """Return the absolute `home`, created with mode 0700 when it is missing.

    The mode of a folder that exists is never changed: it may be anything, `/tmp` by mistake.
    Raises ConfigurationError when it is no folder, belongs to another user, or others may write
    to it (they could then swap the passwords and the data).
    """
    home = home.expanduser().resolve()
    try:
        home.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"EXECUTION_HOME {home} cannot be made ({error.strerror}): choose another folder"
        ) from None
    found = home.stat()
    if found.st_uid != os.geteuid() and os.geteuid() != 0:
        raise ConfigurationError(
            f"EXECUTION_HOME {home} belongs to uid {found.st_uid}, not to uid {os.geteuid()}: "
            "choose another folder"
        )
    if found.st_mode & OTHERS_MAY_WRITE:
        raise ConfigurationError(
            f"EXECUTION_HOME {home} may be written by others (mode {found.st_mode & 0o7777:04o}): "
            f"choose another folder, or `chmod go-w` it"
        )
    return home


def private_folder(folder: Path, *, owner: int | None = None) -> Path:
    """Return `folder`, created with mode 0700 when missing and verified to be ours alone.

    `owner` is the uid it must belong to (default: ours); only a folder made here is given to it.
    Raises ConfigurationError for a symbolic link, another owner or a mode open to others.
    """
    owner = os.geteuid() if owner is None else owner
    try:
        folder.mkdir(mode=PRIVATE)
    except FileExistsError:
        pass
    except OSError as error:
        raise ConfigurationError(f"folder {folder} cannot be made: {error.strerror}") from None
    else:
        if owner != os.geteuid():
            os.chown(folder, owner, -1)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise ConfigurationError(f"{folder} is not a folder: remove it")
    if found.st_uid != owner:
        raise ConfigurationError(
            f"folder {folder} belongs to uid {found.st_uid}, expected {owner}: remove it"
        )
    if stat.S_IMODE(found.st_mode) & 0o077:
        raise ConfigurationError(
            f"folder {folder} is open to others (mode {stat.S_IMODE(found.st_mode):04o}), "
            "expected 0700: remove it"
        )
    return folder


def write_atomically(path: Path, text: str, *, durable: bool = True) -> None:
    """Replace `path` with `text`, mode 0600; a reader sees the old text or the new, never half.

    `durable` False spares the wait for the disk, for what means nothing after a power loss.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock file `path` (created 0600) while the block runs; waits for other holders."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
