"""A full disk under everything: nothing that Redis took is lost, and all comes back by itself."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest

from execution.store.migrate import upgrade
from execution.supervisor.state import ProcessState, Status, load_state
from tests.chaos.bare import BareProducer, assert_rows
from tests.chaos.test_failing_stores import Stores
from tests.fleet import Fleet, wait_until

SIZE = "320m"
_PIECE = b"\0" * (1 << 20)


def _program(name: str) -> str:
    return shutil.which(name) or name


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small file system of its own; only root may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir(mode=0o755)
    command = [
        _program("mount"),
        "-t",
        "tmpfs",
        "-o",
        f"size={SIZE},mode=755",
        "tmpfs",
        str(folder),
    ]
    mounted = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    if mounted.returncode != 0:
        pytest.fail(f"cannot mount a file system, which needs root: {mounted.stderr.strip()}")
    yield folder
    subprocess.run([_program("umount"), "-l", str(folder)], timeout=30, check=True)


@contextmanager
def full(disk: Path) -> Iterator[None]:
    """Not a page is free, for as long as this lasts: what others give up is filled as well."""
    ballast, stopping = disk / "ballast", threading.Event()

    def fill() -> None:
        with ballast.open("wb", buffering=0) as file:
            while not stopping.wait(0.05):
                for piece in (_PIECE, b"\0" * 4096):
                    with suppress(OSError):  # ENOSPC is what ends the filling
                        while file.write(piece) == len(piece):
                            pass

    filling = threading.Thread(target=fill, name="filling")
    filling.start()
    try:
        wait_until(lambda: shutil.disk_usage(disk).free == 0, what="a full disk")
        yield
    finally:
        stopping.set()
        filling.join()
        ballast.unlink()


def process(fleet: Fleet, name: str) -> ProcessState:
    """A process as the fleet's supervisor has it in mind; its state file may be older."""
    assert fleet.supervisor is not None
    return next(one for one in fleet.supervisor.state.processes if one.name == name)


def kill(fleet: Fleet, name: str) -> None:
    """Kill a process of the fleet, and wait until it has been started again."""
    pid = wait_until(lambda: process(fleet, name).pid, what=name)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: process(fleet, name).pid not in {None, pid}, what=f"{name} again")


def is_up(fleet: Fleet, name: str) -> bool:
    """Whether the state file says that a process is ready."""
    state = load_state(fleet.home)
    return state is not None and any(
        one.name == name and one.status is Status.READY for one in state.processes
    )


def test_full_disk(disk: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Stores, logs and state files on a full disk, and beat killed meanwhile: all recovers."""
    stores = Stores(disk / "stores")
    with stores.supervisor:
        upgrade(stores.postgres.url)
        made = Fleet(
            stores.postgres.url, stores.valkey.url, disk / "fleet", queues=("orders", "paper")
        )
        with made as fleet, BareProducer("full", stores.valkey.url, tmp_path / "log") as producer:
            workers = ("worker-orders", "worker-paper")
            before = [process(fleet, name).pid for name in workers]
            producer.more(20)
            with full(disk):
                for _ in range(2):  # of the second a keeper that had died knew nothing
                    kill(fleet, "beat")
                producer.more(3, "error")
            producer.more(20, timeout=120)
            assert_rows(fleet, producer.ids("took"), timeout=120)
            assert "the state file is not written: [Errno 28]" in caplog.text
            for name in (*workers, "beat"):
                wait_until(partial(is_up, fleet, name), timeout=60, what=name)
            assert [process(fleet, name).pid for name in workers] == before
    stores.postgres.destroy()
