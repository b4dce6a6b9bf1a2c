"""TLS as docs/security.md sets it. The embedded servers have none: a process of ours ends it."""

from __future__ import annotations

import selectors
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import redis
import trustme
from kombu import Connection
from sqlalchemy import text
from sqlalchemy.engine import make_url

from execution.domain.errors import StoreUnavailable
from execution.events.connection import connect
from execution.store.engine import Store
from tests.fleet import Servers


class Ending:
    """Takes TLS connections for a server that has none, and passes on what is in them."""

    def __init__(self, context: ssl.SSLContext, family: int, address: object) -> None:
        self._context, self._family, self._address = context, family, address
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no more."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(plain,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        behind = socket.socket(self._family)
        with plain, behind:
            try:
                with self._context.wrap_socket(plain, server_side=True) as outside:
                    behind.connect(self._address)  # type: ignore[arg-type]
                    _pass_on(outside, behind)
            except OSError:
                return


def _pass_on(outside: ssl.SSLSocket, behind: socket.socket) -> None:
    with selectors.DefaultSelector() as waiting:
        waiting.register(outside, selectors.EVENT_READ, behind)
        waiting.register(behind, selectors.EVENT_READ, outside)
        while True:
            for key, _ in waiting.select():
                source: socket.socket = key.fileobj  # type: ignore[assignment]
                data = source.recv(65536)
                while isinstance(source, ssl.SSLSocket) and source.pending():
                    data += source.recv(65536)
                if not data:
                    return
                key.data.sendall(data)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[trustme.CA, Path, Path]:
    """A private CA, its certificate in a file, and another CA's in another."""
    folder = tmp_path_factory.mktemp("tls")
    ours, other = trustme.CA(), trustme.CA()
    ours.cert_pem.write_to_path(str(folder / "ca.pem"))
    other.cert_pem.write_to_path(str(folder / "other.pem"))
    return ours, folder / "ca.pem", folder / "other.pem"


def ending(authority: trustme.CA, family: int, address: object, *protocols: str) -> Ending:
    """The end of TLS before a server, as `127.0.0.1`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if protocols:
        context.set_alpn_protocols(list(protocols))
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return Ending(context, family, address)


@pytest.fixture
def redis_url(servers: Servers, authority: tuple[trustme.CA, Path, Path]) -> Iterator[str]:
    """The run's Valkey by TLS, but for the file of the CA."""
    credentials, address = servers.valkey.url.removeprefix("redis://").split("@")
    host, port = address.split("/")[0].split(":")
    with closing(ending(authority[0], socket.AF_INET, (host, int(port)))) as end:
        yield f"rediss://{credentials}@127.0.0.1:{end.port}/0?ssl_cert_reqs=required&ssl_ca_certs="


def test_redis(redis_url: str, authority: tuple[trustme.CA, Path, Path]) -> None:
    """Both of our ways to Redis take TLS, and no server that the CA does not vouch for."""
    _, ours, other = authority
    with closing(connect(redis_url + str(ours))) as client:
        assert client.ping()
    refused = pytest.raises(redis.ConnectionError, match="certificate verify failed")
    with closing(connect(redis_url + str(other))) as client, refused:
        client.ping()
    transport = "workers.transport:Transport"
    with Connection(redis_url + str(ours), transport=transport) as connection:
        assert connection.connect()
        assert connection.default_channel.client.ping()  # type: ignore[attr-defined]  # its own
    refused = pytest.raises(redis.ConnectionError, match="certificate verify failed")
    with Connection(redis_url + str(other), transport=transport) as connection, refused:
        connection.connect()


def test_postgresql(
    servers: Servers, database_url: str, authority: tuple[trustme.CA, Path, Path]
) -> None:
    """With `verify-full` the server must be who it says; with less, it need not even have TLS."""
    _, ours, other = authority
    address = make_url(database_url)
    with pytest.raises(StoreUnavailable, match="does not support SSL"):
        ask(f"postgresql://u:x@127.0.0.1:{without_tls()}/x?sslmode=require")
    file = f"{address.query['host']}/.s.PGSQL.{address.query['port']}"
    with closing(ending(authority[0], socket.AF_UNIX, file, "postgresql")) as end:
        # Directly, since what ends TLS here knows nothing of PostgreSQL's own way into it.
        url = (
            f"postgresql+psycopg2://{address.username}:{address.password}@127.0.0.1:{end.port}/"
            f"{address.database}?sslnegotiation=direct&sslmode=verify-full&sslrootcert="
        )
        assert ask(url + str(ours)) == 1
        with pytest.raises(StoreUnavailable, match="certificate verify failed"):
            ask(url + str(other))


def without_tls() -> int:
    """A port whose server answers, as PostgreSQL does, that it has no TLS."""
    listener = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        with listener, listener.accept()[0] as client:
            client.recv(8)
            client.sendall(b"N")
            client.recv(1)

    threading.Thread(target=answer, daemon=True).start()
    port: int = listener.getsockname()[1]
    return port


def ask(url: str) -> object:
    """An answer of the database behind an address, as a worker has it."""
    url = url.replace("postgresql://", "postgresql+psycopg2://")
    with closing(Store(url)) as store, store.statement() as connection:
        return connection.execute(text("SELECT 1")).scalar_one()
