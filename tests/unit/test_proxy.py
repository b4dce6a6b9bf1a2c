"""The fault proxy: it passes everything on until it is told to cut, or to lose an answer."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from tests.chaos.proxy import FaultProxy, Upstream
from tests.fleet import wait_until


class Echo(socketserver.BaseRequestHandler):
    """Answers every line with itself, keeps what it heard; `bye` ends the connection."""

    def handle(self) -> None:
        with suppress(ConnectionError):
            while data := self.request.recv(1 << 20):
                self.server.heard += data  # type: ignore[attr-defined]
                self.request.sendall(data)
                if data.endswith(b"bye\n"):
                    return


class Server(socketserver.ThreadingTCPServer):
    """An echo on loopback that remembers."""

    daemon_threads = True
    heard = b""


class LocalServer(socketserver.ThreadingUnixStreamServer):
    """The same on a Unix socket."""

    daemon_threads = True
    heard = b""


def _serving(server: Server | LocalServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    """A server to stand behind the proxy."""
    server = Server(("127.0.0.1", 0), Echo)
    for _ in _serving(server):
        yield server


@pytest.fixture
def proxy(server: Server) -> Iterator[FaultProxy]:
    """A proxy before it."""
    with FaultProxy(Upstream(port=server.server_address[1]), "1") as proxy:
        yield proxy


def connect(proxy: FaultProxy) -> socket.socket:
    """A client of the proxy's."""
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=5)


def asked(client: socket.socket, text: bytes) -> bytes:
    """Send something, and return as many bytes of answer."""
    client.sendall(text)
    answer = b""
    while len(answer) < len(text):
        data = client.recv(1 << 20)
        assert data, "the answer ended early"
        answer += data
    return answer


def is_reset(client: socket.socket) -> bool:
    """Whether the connection was reset, not merely ended."""
    try:
        client.recv(100)
    except ConnectionResetError:
        return True
    return False


def test_passes_on(proxy: FaultProxy) -> None:
    """Without a command everything arrives, large things too, and is counted as nothing."""
    with closing(connect(proxy)) as client:
        large = b"x" * 3_000_000
        sender = threading.Thread(target=client.sendall, args=(large,))
        sender.start()
        heard = 0
        while heard < len(large):
            heard += len(client.recv(1 << 20))
        sender.join()
        assert asked(client, b"hello\n") == b"hello\n"
    assert (proxy.counts.cut, proxy.counts.replies_lost) == (0, 0)


def test_an_ending_passes_on(proxy: FaultProxy) -> None:
    """A server that answers and hangs up is heard to the end, and then it has hung up."""
    with closing(connect(proxy)) as client:
        last = b"x" * 200_000 + b"bye\n"
        assert asked(client, last) == last
        assert client.recv(1) == b""


def test_cut(proxy: FaultProxy) -> None:
    """One connection is reset, the other one lives; the next one is as good as new."""
    with closing(connect(proxy)) as one, closing(connect(proxy)) as other:
        for client in (one, other):
            asked(client, b"hello\n")
        assert proxy.cut() == 1
        alive = 0
        for client in (one, other):
            try:
                alive += asked(client, b"still?\n") == b"still?\n"
            except ConnectionError:
                continue
        assert alive == 1
        assert proxy.cut_all() == 1
        assert proxy.cut_all() == proxy.cut() == 0
        with closing(connect(proxy)) as third:
            assert asked(third, b"new\n") == b"new\n"
    assert proxy.counts.cut == 2


def test_cut_resets(proxy: FaultProxy) -> None:
    """A client that waits for an answer gets a reset, as from a host that died."""
    with closing(connect(proxy)) as client:
        asked(client, b"hello\n")
        proxy.cut_all()
        assert is_reset(client)


def test_lose_reply(proxy: FaultProxy, server: Server) -> None:
    """The request arrives, the answer does not; once, and only the next one."""
    with closing(connect(proxy)) as client, closing(connect(proxy)) as other:
        asked(client, b"one\n")
        proxy.lose_reply()
        client.sendall(b"two\n")
        assert is_reset(client)
        assert server.heard == b"one\ntwo\n"
        assert asked(other, b"three\n") == b"three\n"
    assert proxy.counts.replies_lost == 1
    assert proxy.counts.cut == 0


def test_calm(proxy: FaultProxy) -> None:
    """What was to be lost and was not yet stays."""
    with closing(connect(proxy)) as client:
        proxy.lose_reply()
        proxy.calm()
        assert asked(client, b"one\n") == b"one\n"


def test_a_server_that_is_away(tmp_path: Path) -> None:
    """Without a server a connection is reset; with one again, on a Unix socket here, it works."""
    path = tmp_path / "socket"
    with FaultProxy(Upstream(path=path), "1") as proxy:
        # The reset may come while the connection is still being made.
        with suppress(ConnectionResetError), closing(connect(proxy)) as client:
            assert is_reset(client)
        server = LocalServer(str(path), Echo)
        for _ in _serving(server):
            with closing(connect(proxy)) as client:
                assert asked(client, b"hello\n") == b"hello\n"
            wait_until(lambda: server.heard == b"hello\n", 5, "the server's hearing")


def test_the_same_seed_strikes_the_same(server: Server) -> None:
    """Which connection is cut is decided by the seed alone."""
    cut = []
    for _ in range(2):
        upstream = Upstream(port=server.server_address[1])
        with FaultProxy(upstream, "7") as proxy:
            clients = [connect(proxy) for _ in range(5)]
            clients.sort(key=lambda client: client.getsockname()[1])
            for client in clients:
                asked(client, b"hello\n")
            proxy.cut()
            survivors = []
            for number, client in enumerate(clients):
                try:
                    asked(client, b"still?\n")
                    survivors.append(number)
                except ConnectionError:
                    pass
                client.close()
            cut.append(survivors)
    assert cut[0] == cut[1]
    assert len(cut[0]) == 4
