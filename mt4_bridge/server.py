"""Runs the bridge: as a process, or on a caller's event loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import uvicorn

from mt4_bridge.app import create_app
from mt4_bridge.bridge import Bridge
from mt4_bridge.clock import Clock, system_clock
from mt4_bridge.connections import BACKLOG, GuardedProtocol
from mt4_bridge.settings import Settings

_GRACE_SECONDS = 2


def config_of(bridge: Bridge, grace: int = _GRACE_SECONDS) -> uvicorn.Config:
    """How uvicorn serves a bridge; `grace` is how long it lets requests finish at its end."""
    return uvicorn.Config(
        create_app(bridge),
        host=bridge.settings.host,
        port=bridge.settings.port,
        http=GuardedProtocol,
        ws="none",
        backlog=BACKLOG,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=grace,
    )


class BridgeServer:
    """A bridge on the running loop: `await start()`, read `port`, `await stop()`.

    It may be started once; a restart is another BridgeServer on the same database and port.
    """

    def __init__(self, settings: Settings, clock: Clock = system_clock) -> None:
        self.settings = settings
        self.bridge = Bridge(settings, clock)
        self.port = settings.port
        self._server = _Quiet(config_of(self.bridge, grace=1))
        self._serving: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """Where clients and the terminal find it."""
        return f"http://{self.settings.host}:{self.port}"

    async def start(self) -> None:
        """Listen; port 0 becomes the one the system picked. OSError when it is taken."""
        listener = socket.create_server((self.settings.host, self.settings.port))
        self.port = listener.getsockname()[1]
        self._serving = asyncio.create_task(self._server.serve(sockets=[listener]))
        while not self._server.started:
            if self._serving.done():
                await self._serving
                raise OSError("the bridge ended before it listened")
            await asyncio.sleep(0.001)

    async def stop(self) -> None:
        """Break off whatever is under way; what was answered is on disk."""
        if self._serving is not None:
            self._server.should_exit = True
            await self._serving
            self._serving = None
        else:
            self.bridge.close()


class _Quiet(uvicorn.Server):
    """Leaves the signals to whoever owns the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
