"""HTTP/1.1 connections that end: time limits for each part of a request, and how many there are.

uvicorn 0.54 limits only how long a connection may be idle between two requests: one that sends no
header, or a body byte by byte, stays for ever. Its `limit_concurrency` refuses everybody alike, so
that strangers shut the terminal out. Here connections whose peer has shown no token are few, and
the oldest of them makes room for the next.
"""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from mt4_bridge.security import CONNECTION

HEADER_SECONDS = 10.0
"""From the connection's beginning, or a later request's first byte, to the end of its headers."""
BODY_SECONDS = 30.0
"""From the end of the headers to the end of the body, also of one that nobody reads any more."""
WRITE_SECONDS = 30.0
"""How long a peer may leave an answer unread that does not fit into the socket's buffer."""
MOST_STRANGERS = 128
MOST_CLIENTS = 256
"""Both together stay well below the 1,024 descriptors that a process usually has."""
BACKLOG = 128
"""asyncio takes so many connections at once, before it looks at any of them."""


class GuardedProtocol(H11Protocol):
    """One connection; `config.http` of uvicorn."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, {**app_state, CONNECTION: self}, _loop)
        self.admitted = False
        self.began = 0.0
        self._part: object = None
        self._reading: asyncio.TimerHandle | None = None
        self._writing: asyncio.TimerHandle | None = None

    def admit(self) -> None:
        """The peer has shown a token; one connection too many of such peers is ended."""
        if not self.admitted:
            self.admitted = True
            if len(self._others(admitted=True)) >= MOST_CLIENTS:
                self.transport.abort()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # Otherwise what fits into the transport's own buffer would be waited for without a limit.
        transport.set_write_buffer_limits(high=0)
        strangers = self._others(admitted=False)
        if len(strangers) >= MOST_STRANGERS:
            min(strangers, key=lambda other: other.began).transport.abort()
        self.began = self.loop.time()
        self._limit(h11.IDLE, HEADER_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        self._unlimit()
        if self._writing is not None:
            self._writing.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        state = self.conn.their_state
        if state is h11.SEND_BODY:
            self._limit(state, BODY_SECONDS)
        elif state is h11.IDLE:
            self._limit(state, HEADER_SECONDS)
        else:
            self._unlimit()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        # uvicorn limits how long nothing comes; a body that comes still has the limit it had.
        if self.conn.their_state is h11.IDLE:
            self._unlimit()
            if self.conn.trailing_data[0]:
                self._limit(h11.IDLE, HEADER_SECONDS)

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._writing is None:
            self._writing = self.loop.call_later(WRITE_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._writing is not None:
            self._writing.cancel()
            self._writing = None

    def _others(self, *, admitted: bool) -> list[GuardedProtocol]:
        return [
            other
            for other in self.connections
            if isinstance(other, GuardedProtocol)
            and other is not self
            and other.admitted is admitted
            and not other.transport.is_closing()
        ]

    def _limit(self, part: object, seconds: float) -> None:
        """Start the limit of the part of a request that is under way; a part has one, once."""
        if self._part is not part:
            self._unlimit()
            self._part = part
            self._reading = self.loop.call_later(seconds, self.transport.abort)

    def _unlimit(self) -> None:
        self._part = None
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None
