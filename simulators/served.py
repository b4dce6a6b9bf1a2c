"""The life of a simulated venue: two ports and the passing of time."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from datetime import UTC, datetime
from typing import Protocol

from simulators.journal import Journal
from simulators.serving import HttpListener

# How often a fault that holds something for some seconds is looked at.
_TICK_SECONDS = 0.02


def utc_now() -> datetime:
    """The true time."""
    return datetime.now(UTC)


class Listener(Protocol):
    """A port; see `simulators.serving`."""

    port: int

    async def open(self) -> None: ...

    async def close(self) -> None: ...


class ServedVenue(ABC):
    """A running venue: `await start()`, read `port` and `control_port`, `await stop()`.

    It may be started once; a restart is another one on the same memory. `_serve_on` says what it
    listens on, before the start.
    """

    _ticking: asyncio.Task[None] | None = None

    def _serve_on(self, public: Listener, control: HttpListener, journal: Journal) -> None:
        self._ports = (public, control)
        self._memory = journal

    @property
    def port(self) -> int:
        """Where clients connect."""
        return self._ports[0].port

    @property
    def control_port(self) -> int:
        """Where a test pulls the strings."""
        return self._ports[1].port

    async def start(self) -> None:
        """Listen on both ports."""
        for listener in self._ports:
            await listener.open()
        self._ticking = asyncio.create_task(self._tick())

    async def stop(self) -> None:
        """Drop every connection and stop at once; the journal is complete at any moment."""
        if self._ticking is not None:
            self._ticking.cancel()
        for listener in self._ports:
            await listener.close()
        self._memory.close()

    @abstractmethod
    def pass_time(self) -> None:
        """Do what time alone brings about: fill what was held for a while, end what has expired."""

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            self.pass_time()
