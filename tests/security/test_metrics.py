"""Attacks on the metrics endpoint by whoever reaches its port: there is no token to have."""

from __future__ import annotations

import os
import resource
import select
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil
import pytest

from execution.metrics.listening import ASKING_SECONDS
from tests.fleet import Servers, wait_until

DESCRIPTORS = 128
LATE = 15.0
GIANT = 100 * 1024 * 1024


class Endpoint:
    """`execution metrics` in a process of its own."""

    def __init__(self, process: psutil.Process, port: int) -> None:
        self.process, self.port = process, port

    def connect(self, first: bytes) -> socket.socket:
        """A new connection on which something was sent."""
        link = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        link.sendall(first)
        return link

    def scrape(self) -> bool:
        """What Prometheus asks for; OSError: it gets no answer."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://127.0.0.1:{self.port}/metrics", timeout=20) as answer:
            return b"execution_scrape_up" in answer.read()


@pytest.fixture(scope="module")
def endpoint(
    servers: Servers, module_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Endpoint]:
    """The endpoint, with few descriptors, so that the attacker needs few, too."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    environment = {
        "DATABASE_URL": module_database_url,
        "REDIS_URL": servers.valkey.url,
        "EXECUTION_HOME": str(tmp_path_factory.mktemp("home")),
    }
    with subprocess.Popen(
        [sys.executable, "-m", "execution.cli", "metrics", "--port", str(port)],
        cwd=Path(__file__).parents[2],
        env={**os.environ, **environment},
        stderr=subprocess.DEVNULL,
    ) as process:
        found = Endpoint(psutil.Process(process.pid), port)
        found.process.rlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))

        def ready() -> bool:
            with suppress(OSError):
                return found.scrape()
            return False

        try:
            wait_until(ready, timeout=60, what="the endpoint")
            yield found
        finally:
            process.terminate()


def test_descriptors_and_threads_do_not_run_out(endpoint: Endpoint) -> None:
    """Twice as many half-open connections as it has descriptors: scrapes go on."""
    with ExitStack() as stack:
        for number in range(2 * DESCRIPTORS):
            first = b"GET /metrics HTTP/1.1\r\nX: " if number % 2 else b""
            stack.enter_context(endpoint.connect(first))
            if number % 64 == 0:
                assert endpoint.scrape()
        assert endpoint.scrape()
        assert endpoint.process.num_fds() < DESCRIPTORS
        assert endpoint.process.num_threads() < DESCRIPTORS


def test_slow_connections_end(endpoint: Endpoint) -> None:
    """Silent, or a header byte by byte; scrapes go on meanwhile."""
    deadline = time.monotonic() + ASKING_SECONDS + LATE
    with ExitStack() as stack:
        slow = [
            (stack.enter_context(endpoint.connect(first)), drop)
            for first, drop in ((b"", b""), (b"GET /metrics HTTP/1.1\r\nX: ", b"x"))
        ]
        while slow:
            assert time.monotonic() < deadline, f"{len(slow)} are still there"
            slow = [(link, drop) for link, drop in slow if not _over(link, drop)]
            assert endpoint.scrape()
            select.select([], [], [], 0.2)


def test_a_body_is_never_read(endpoint: Endpoint) -> None:
    """A giant one is answered before it comes, and leaves no trace in memory."""
    before = endpoint.process.memory_info().rss
    head = f"POST /metrics HTTP/1.1\r\nContent-Length: {GIANT}\r\n\r\n"
    with endpoint.connect(head.encode()) as link:
        assert link.recv(4096).split()[1] == b"405"
        with suppress(OSError):
            for _ in range(100):
                link.sendall(b"x" * (GIANT // 100))
    assert endpoint.process.memory_info().rss < before + 32 * 1024 * 1024


def _over(link: socket.socket, drop: bytes) -> bool:
    """Send one drop more; whether the other side has ended the connection."""
    try:
        link.send(drop)
        return bool(select.select([link], [], [], 0)[0]) and link.recv(4096) == b""
    except OSError:
        return True
