"""Attacks on the MT4 bridge over HTTP: without a token, or with one, but without measure."""

from __future__ import annotations

import http.client
import json
import os
import resource
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import psutil
import pytest

from mt4_bridge.connections import BODY_SECONDS, HEADER_SECONDS, WRITE_SECONDS
from tests.integration.test_mt4_bridge import CLIENT, TERMINAL, body

ROOT = Path(__file__).parents[2]
DESCRIPTORS = 512
"""Fewer than a process usually has, so that the attacker needs fewer, too."""
GIANT = 400 * 1024 * 1024
MEGABYTE = 1024 * 1024
PIECE = b"x" * MEGABYTE
WRONG = "wrong-" + "w" * 16
LATE = 15.0
"""Seconds that a busy machine may need beyond a time limit."""


class Served:
    """A bridge in a process of its own."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process = process
        self.port = port

    def connect(self) -> socket.socket:
        """A new connection. OSError: it was not accepted within 10 s."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def poll(self) -> None:
        """The terminal's own request, on a connection of its own as WebRequest makes it."""
        status, text = self._ask("POST", "/terminal/poll", TERMINAL, body().encode())
        assert (status, text[:3]) == (200, "OK\t")

    def health(self) -> None:
        """A worker's own request."""
        status, text = self._ask("GET", "/health", CLIENT, None)
        assert (status, json.loads(text)["status"]) == (200, "ok")

    def _ask(self, method: str, path: str, token: str, sent: bytes | None) -> tuple[int, str]:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)) as link:
            link.request(method, path, sent, {"Authorization": f"Bearer {token}"})
            reply = link.getresponse()
            return reply.status, reply.read().decode()

    def peak(self) -> int:
        """The most memory it ever had, in bytes."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


@pytest.fixture(scope="module")
def bridge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A bridge as its container runs it, with a terminal that was there a moment ago."""
    log = tmp_path_factory.mktemp("bridge") / "log"
    environment = {
        "MT4_BRIDGE_TOKEN": CLIENT,
        "MT4_TERMINAL_TOKEN": TERMINAL,
        "MT4_BRIDGE_DATABASE": str(log.with_name("bridge.sqlite3")),
        "MT4_BRIDGE_PORT": "0",
        "MT4_BRIDGE_STALE_AFTER": "600",
    }
    with (
        log.open("w") as errors,
        subprocess.Popen(
            [sys.executable, "-m", "mt4_bridge"],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
    ):
        psutil.Process(process.pid).rlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
        assert process.stdout is not None
        try:
            served = Served(process, json.loads(process.stdout.readline())["port"])
            served.poll()
            yield served
        finally:
            process.terminate()
    assert "Traceback" not in log.read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def unharmed(bridge: Served) -> Iterator[None]:
    """After each attack it is the process that it was, and serves."""
    yield
    assert bridge.process.poll() is None
    bridge.poll()
    bridge.health()


def head(path: str, token: str | None, *headers: str) -> bytes:
    """The beginning of a POST."""
    lines = [f"POST {path} HTTP/1.1", "Host: bridge", *headers]
    if token is not None:
        lines.append(f"Authorization: Bearer {token}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def status_of(link: socket.socket) -> int:
    """The status of the answer that comes."""
    return int(link.recv(4096).split()[1])


def pour(link: socket.socket, size: int, *, chunked: bool) -> None:
    """Send a giant body, or as much of it as is taken; what comes meanwhile is not read."""
    piece = b"%x\r\n%b\r\n" % (len(PIECE), PIECE) if chunked else PIECE
    link.settimeout(5)
    try:
        for _ in range(size // len(PIECE)):
            link.sendall(piece)
    except OSError:
        pass  # it was cut off: as good


LENGTH = f"Content-Length: {GIANT}"
CHUNKED = "Transfer-Encoding: chunked"


@pytest.mark.parametrize("framing", [LENGTH, CHUNKED])
@pytest.mark.parametrize(
    ("path", "token"),
    [
        ("/order/place", WRONG), ("/order/place", None), ("/order/place", TERMINAL),
        ("/terminal/poll", WRONG), ("/terminal/poll", CLIENT), ("/nothing", WRONG),
    ],
)  # fmt: skip
def test_the_token_comes_before_the_body(
    bridge: Served, path: str, token: str | None, framing: str
) -> None:
    """401 before a byte of the body was sent; and 400 MB after it leave no trace in memory."""
    before = bridge.peak()
    with bridge.connect() as link:
        link.sendall(head(path, token, framing, "Content-Type: application/json"))
        assert status_of(link) == 401
        pour(link, GIANT, chunked=framing is CHUNKED)
    assert bridge.peak() < before + 32 * MEGABYTE


@pytest.mark.parametrize(
    ("path", "token"), [("/order/place", CLIENT), ("/terminal/poll", TERMINAL)]
)
def test_a_right_token_is_no_right_to_any_size(bridge: Served, path: str, token: str) -> None:
    """413 at once where the size is said, and after the limit where it is not."""
    bridge.poll()
    before = bridge.peak()
    with bridge.connect() as link:
        link.sendall(head(path, token, LENGTH))
        assert status_of(link) == 413
        pour(link, GIANT, chunked=False)
    with bridge.connect() as link:
        link.sendall(head(path, token, CHUNKED))
        pour(link, 32 * MEGABYTE, chunked=True)
        assert status_of(link) == 413
        pour(link, GIANT, chunked=True)
    assert bridge.peak() < before + 96 * MEGABYTE  # twice the largest poll, and what h11 holds


def test_a_length_that_lies(bridge: Served) -> None:
    """What comes beyond the length is no body; what is no length is no request."""
    before = bridge.peak()
    with bridge.connect() as link:
        link.sendall(head("/order/place", CLIENT, "Content-Length: 2") + b"{}")
        pour(link, GIANT, chunked=False)
    for length in ("-1", "1e3", "٣", "2, 400000000"):
        with bridge.connect() as link:
            link.sendall(head("/order/place", CLIENT, f"Content-Length: {length}"))
            assert status_of(link) == 400, length
    assert bridge.peak() < before + 32 * MEGABYTE


def test_nobody_without_a_token_reads_anything(bridge: Served) -> None:
    """Neither the description nor what does not exist; /live says that the process answers."""
    for path in ("/openapi.json", "/docs", "/metrics", "/redoc", "/", "//live", "/live/"):
        with bridge.connect() as link:
            link.sendall(f"GET {path} HTTP/1.1\r\nHost: bridge\r\n\r\n".encode())
            assert status_of(link) == 401, path
    with bridge.connect() as link:
        link.sendall(b"GET /live HTTP/1.1\r\nHost: bridge\r\n\r\n")
        assert status_of(link) == 200


def test_slow_connections_end(bridge: Served) -> None:
    """Silent, a header byte by byte, a body byte by byte, an answer that nobody reads."""
    slow: dict[str, tuple[socket.socket, bytes, float]] = {}
    with ExitStack() as stack:

        def attack(name: str, first: bytes, drop: bytes, limit: float) -> socket.socket:
            link = stack.enter_context(bridge.connect())
            link.sendall(first)
            link.setblocking(False)  # noqa: FBT003 - socket's own signature
            slow[name] = (link, drop, time.monotonic() + limit + LATE)
            return link

        attack("silent", b"", b"", HEADER_SECONDS)
        attack("header", b"POST /order/place HTTP/1.1\r\nX: ", b"x", HEADER_SECONDS)
        second = b"GET /live HTTP/1.1\r\nHost: b\r\n\r\nGET /live HTTP/1.1\r\nX: "
        attack("second header", second, b"x", HEADER_SECONDS)
        for token in (WRONG, CLIENT):
            first = head("/order/place", token, "Content-Length: 1000")
            attack(f"body of {token}", first, b"x", HEADER_SECONDS + BODY_SECONDS)
        first = head("/terminal/poll", TERMINAL, CHUNKED)
        attack("chunks", first, b"1\r\nx\r\n", HEADER_SECONDS + BODY_SECONDS)
        link = attack("unread", b"", b"", WRITE_SECONDS)
        _unread(link)
        slow["unread"] = (link, b"", time.monotonic() + WRITE_SECONDS + LATE)
        while slow:
            for name, (link, drop, deadline) in list(slow.items()):
                assert time.monotonic() < deadline, f"{name} is still there"
                if name != "unread" and _over(link, drop):
                    del slow[name]
            bridge.poll()
            bridge.health()
            if set(slow) == {"unread"} and not _peers(bridge, slow["unread"][0]):
                del slow["unread"]
            select.select([], [], [], 0.2)


def _unread(link: socket.socket) -> None:
    """Ask until nothing more is taken, and read none of the answers."""
    asked = head("/openapi.json", CLIENT).replace(b"POST", b"GET") * 100
    deadline = time.monotonic() + 60
    while select.select([], [link], [], 2)[1] and time.monotonic() < deadline:
        try:
            link.send(asked)
        except BlockingIOError:
            continue


def _over(link: socket.socket, drop: bytes) -> bool:
    """Send one drop more; whether the other side has ended the connection."""
    try:
        link.send(drop)
        while True:
            if link.recv(65536) == b"":
                return True
    except BlockingIOError:
        return False
    except OSError:
        return True


def _peers(bridge: Served, link: socket.socket) -> list[Any]:
    """The bridge's end of a connection, while it has one."""
    connections = psutil.Process(bridge.process.pid).net_connections("tcp")
    return [one for one in connections if one.raddr and tuple(one.raddr) == link.getsockname()]


def test_descriptors_do_not_run_out(bridge: Served) -> None:
    """Twice as many half-open connections as it has descriptors; terminal and workers go on."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4096)), hard))
    try:
        with ExitStack() as stack:
            for number in range(2 * DESCRIPTORS):
                link = stack.enter_context(bridge.connect())
                link.sendall(b"POST /order/place HTTP/1.1\r\nX: " if number % 2 else b"")
                if number % 50 == 0:
                    bridge.poll()
                    bridge.health()
            assert psutil.Process(bridge.process.pid).num_fds() < DESCRIPTORS / 2
            for _ in range(20):
                bridge.poll()
                bridge.health()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
