"""A TCP proxy that cuts connections, or loses what the server answers, when it is told to."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

T = TypeVar("T")

_LOOPBACK = "127.0.0.1"
_CHUNK = 65536
_PATIENCE = 10.0
# On, and no time to send what is left: closing then resets the connection instead of ending it.
_AT_ONCE = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where the real server listens: a host and a port, or a Unix socket's path."""

    host: str = _LOOPBACK
    port: int = 0
    path: Path | None = None


@dataclass(slots=True)
class Counts:
    """What a proxy has done: connections passed on, cut by command, cut in place of an answer."""

    connections: int = 0
    cut: int = 0
    replies_lost: int = 0


@dataclass(slots=True, eq=False)
class _Line:
    """One connection through the proxy; `loses` says that the server's next answer gets lost."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    loses: bool = False


class FaultProxy:
    """Passes bytes between clients and one server until told to do worse.

    It runs on a thread of its own; the methods may be called from any. `seed` decides which
    connection is struck. A server that is away shows as a connection that is reset at once.
    """

    def __init__(self, upstream: Upstream, seed: str) -> None:
        self.counts = Counts()
        self.port = 0
        self._upstream = upstream
        self._chooser = random.Random(seed)  # noqa: S311 - test data
        self._lines: set[_Line] = set()
        self._to_lose = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="fault-proxy", daemon=True)
        self._server: asyncio.Server | None = None

    def start(self) -> None:
        """Listen on a free port of loopback, which is then `port`."""
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(_PATIENCE)

    def stop(self) -> None:
        """Cut what is left and listen no more. Repeatable."""
        if self._loop.is_closed():
            return
        if self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(_PATIENCE)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(_PATIENCE)
        self._loop.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def cut(self) -> int:
        """Reset one connection, if there is one; returns how many."""
        return self._told(lambda: self._cut(some=1))

    def cut_all(self) -> int:
        """Reset every connection; returns how many there were."""
        return self._told(lambda: self._cut(some=len(self._lines)))

    def lose_reply(self) -> None:
        """Pass the next request on, whoever sends it, then swallow its answer and reset."""
        self._told(self._arm)

    def calm(self) -> None:
        """Lose no more answers."""
        self._told(self._disarm)

    def _told(self, act: Callable[[], T]) -> T:
        async def in_the_loop() -> T:
            return act()

        return asyncio.run_coroutine_threadsafe(in_the_loop(), self._loop).result(_PATIENCE)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, _LOOPBACK, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        for line in list(self._lines):
            self._end(line, _reset)
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        if tasks:
            # They end by themselves, as their connections have.
            await asyncio.wait(tasks, timeout=_PATIENCE / 2)

    def _arm(self) -> None:
        self._to_lose += 1

    def _disarm(self) -> None:
        self._to_lose = 0
        for line in self._lines:
            line.loses = False

    def _cut(self, *, some: int) -> int:
        standing = sorted(self._lines, key=lambda line: line.client.get_extra_info("peername"))
        chosen = self._chooser.sample(standing, min(some, len(standing)))
        for line in chosen:
            self._end(line, _reset)
        self.counts.cut += len(chosen)
        return len(chosen)

    async def _accept(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        try:
            answers, server = await self._connect()
        except OSError:
            _reset(client)
            return
        line = _Line(client, server)
        self._lines.add(line)
        self.counts.connections += 1
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._requests(line, reader))
                both.create_task(self._answers(line, answers))
        finally:
            self._end(line, _close)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._upstream.path is not None:
            return await asyncio.open_unix_connection(self._upstream.path)
        return await asyncio.open_connection(self._upstream.host, self._upstream.port)

    async def _requests(self, line: _Line, reader: asyncio.StreamReader) -> None:
        with suppress(OSError):
            while data := await reader.read(_CHUNK):
                if self._to_lose:
                    self._to_lose -= 1
                    line.loses = True
                line.server.write(data)
                await line.server.drain()
        self._end(line, _close)

    async def _answers(self, line: _Line, reader: asyncio.StreamReader) -> None:
        with suppress(OSError):
            while data := await reader.read(_CHUNK):
                if line.loses:
                    self.counts.replies_lost += 1
                    self._end(line, _reset)
                    return
                line.client.write(data)
                await line.client.drain()
        self._end(line, _close)

    def _end(self, line: _Line, how: Callable[[asyncio.StreamWriter], None]) -> None:
        if line in self._lines:
            self._lines.remove(line)
            how(line.client)
            how(line.server)


def _close(writer: asyncio.StreamWriter) -> None:
    """One side has hung up: what was said before still arrives, as it would without a proxy."""
    writer.close()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close without a word: the other side finds its connection reset."""
    raw: socket.socket | None = writer.get_extra_info("socket")
    if raw is not None:
        with suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
    writer.transport.abort()
