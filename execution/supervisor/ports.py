"""Loopback ports of the embedded servers: chosen free once, then remembered."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING

from execution.supervisor.home import exclusive, write_atomically

if TYPE_CHECKING:
    from pathlib import Path

LOOPBACK = "127.0.0.1"


def is_free(port: int) -> bool:
    """Whether a server could listen on 127.0.0.1:`port` now."""
    with socket.socket() as probe:
        # As servers do: connections of the last run in TIME_WAIT must not count as taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def remembered_port(home: Path, name: str) -> int | None:
    """Return the port last chosen for `name`, None when there is none."""
    return _read(home).get(name)


def free_port(home: Path, name: str) -> int:
    """Return the remembered port of `name` if it is free, otherwise a new one, remembered."""
    port = remembered_port(home, name)
    if port is not None and is_free(port):
        return port
    with exclusive(home / "ports.lock"):
        ports = _read(home)
        with socket.socket() as probe:
            probe.bind((LOOPBACK, 0))
            ports[name] = int(probe.getsockname()[1])
        write_atomically(home / "ports.json", json.dumps(ports, indent=2))
    return ports[name]


def _read(home: Path) -> dict[str, int]:
    """Read what is remembered; a damaged file is only a lost preference."""
    try:
        return dict(json.loads((home / "ports.json").read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}
