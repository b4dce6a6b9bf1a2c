"""Replaces itself with a program run as another user; started by path, imports nothing of ours.

    run_as.py namespace|user UID GID PROGRAM ARGUMENT...

PostgreSQL refuses to run as root. `namespace` enters a user namespace in which our own uid is
called UID, so that files stay ours; `user` gives up root for UID for good. Exits with 126 and a
message on stderr when the system refuses.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

CLONE_NEWUSER = 0x10000000
REFUSED = 126


def _unshare_user_namespace() -> None:
    if sys.version_info >= (3, 12):
        os.unshare(os.CLONE_NEWUSER)
    else:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(CLONE_NEWUSER) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))


def enter_namespace(uid: int, gid: int) -> None:
    """Call our effective uid and gid `uid` and `gid` from here on; OSError when refused."""
    own_uid, own_gid = os.geteuid(), os.getegid()
    _unshare_user_namespace()
    own = Path("/proc/self")
    # user_namespaces(7): a process without privileges outside may map its gid only after this.
    (own / "setgroups").write_text("deny", encoding="ascii")
    (own / "uid_map").write_text(f"{uid} {own_uid} 1", encoding="ascii")
    (own / "gid_map").write_text(f"{gid} {own_gid} 1", encoding="ascii")


def become(uid: int, gid: int) -> None:
    """Give up root for `uid` and `gid` and no other group; OSError when refused."""
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def main(arguments: list[str]) -> None:
    """Change identity and replace the process; returns never."""
    way, uid, gid, *program = arguments
    os.umask(0o077)
    try:
        (enter_namespace if way == "namespace" else become)(int(uid), int(gid))
        os.execv(program[0], program)  # noqa: S606  no shell is wanted
    except OSError as error:
        sys.stderr.write(f"cannot run {program[0]} ({way} {uid}:{gid}): {error}\n")
        sys.exit(REFUSED)


if __name__ == "__main__":
    main(sys.argv[1:])
