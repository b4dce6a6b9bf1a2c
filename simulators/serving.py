"""Listening ports of a simulator, and the life of its process."""

from __future__ import annotations

import asyncio
import json
import signal
import ssl
import sys
from collections.abc import Awaitable, Callable

from aiohttp import web

# A request that stands still in a fault must not hold up the end of the process.
_GRACE_SECONDS = 0.01


class HttpListener:
    """One HTTP application on one port of 127.0.0.1; the port stays the same across `shut`.

    With `tls` it speaks HTTPS and nothing else.
    """

    def __init__(
        self, app: web.Application, port: int, *, tls: ssl.SSLContext | None = None
    ) -> None:
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=_GRACE_SECONDS)
        self._site: web.TCPSite | None = None
        self._reopening: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._tls = tls
        self.port = port

    async def open(self) -> None:
        """Listen; port 0 becomes the one the system picked. OSError when it is taken."""
        await self._runner.setup()
        await self._listen()

    def drop_connections(self) -> None:
        """Abort every connection there is, with whatever is under way on it."""
        if self._runner.server is not None:
            for connection in self._runner.server.connections:
                if connection.transport is not None:
                    connection.transport.abort()

    async def shut(self, seconds: float) -> None:
        """Abort every connection and refuse new ones for `seconds`."""
        if self._site is not None:
            site, self._site = self._site, None
            await site.stop()
            loop = asyncio.get_running_loop()
            self._reopening = loop.call_later(seconds, self._reopen)
        self.drop_connections()

    async def close(self) -> None:
        """Stop listening for good and abort what is under way."""
        if self._reopening is not None:
            self._reopening.cancel()
        self.drop_connections()
        await self._runner.cleanup()

    async def _listen(self) -> None:
        self._site = web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=self._tls)
        await self._site.start()
        self.port = int(self._runner.addresses[0][1])

    def _reopen(self) -> None:
        task = asyncio.get_running_loop().create_task(self._listen())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class TcpListener:
    """One protocol over TCP on one port of 127.0.0.1; the port stays the same across `shut`."""

    def __init__(self, serve: Serve, port: int) -> None:
        self._serve = serve
        self._server: asyncio.Server | None = None
        self._reopening: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = port

    async def open(self) -> None:
        """Listen; port 0 becomes the one the system picked. OSError when it is taken."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = int(self._server.sockets[0].getsockname()[1])

    def drop_connections(self) -> None:
        """Abort every connection there is."""
        for writer in list(self._writers):
            writer.transport.abort()

    def shut(self, seconds: float) -> None:
        """Abort every connection and refuse new ones for `seconds`."""
        if self._server is not None:
            self._server.close()
            self._server = None
            loop = asyncio.get_running_loop()
            self._reopening = loop.call_later(seconds, self._reopen)
        self.drop_connections()

    async def close(self) -> None:
        """Stop listening for good, abort what is under way and wait for its end."""
        if self._reopening is not None:
            self._reopening.cancel()
        if self._server is not None:
            self._server.close()
            self._server = None
        self.drop_connections()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self._writers.add(writer)
        try:
            await self._serve(reader, writer)
        except asyncio.CancelledError:
            # The server ends: asyncio's own streams would report a cancelled handler as an error.
            writer.transport.abort()
        finally:
            self._writers.discard(writer)
            writer.close()

    def _reopen(self) -> None:
        self._reopening = None
        task = asyncio.get_running_loop().create_task(self.open())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def announce_and_wait(ports: dict[str, int]) -> None:
    """Print `ports` as one line of JSON on stdout; return on the first SIGTERM or SIGINT."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    sys.stdout.write(json.dumps(ports) + "\n")
    sys.stdout.flush()
    await ended.wait()
