"""A second, short-lived connection that shows what TWS knows, beside the one that orders use.

A connection may withhold what TWS knows of an order. A new one, under a client id of its own, shows
it without ending the first. It sends no orders and is closed at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from workers.adapters.ibkr.book import Book
from workers.adapters.ibkr.connection import Line, retrieved

_BETWEEN_SECONDS = 1.0
"""Least time between two such connections."""
BESIDE = 1_000_000
"""Added to the client id of the connection that orders use; nobody else should use such ids."""


class Witness:
    """Opens second connections; `new_line` makes one for a client id, not yet opened."""

    def __init__(self, new_line: Callable[[int], Line]) -> None:
        self._new_line = new_line
        self._one = asyncio.Lock()
        self._queued: asyncio.Task[Book] | None = None
        self._not_before = 0.0

    async def look(self, line: Line) -> Book:
        """Every order and execution that TWS shows on a connection opened from now on.

        Calls made while one is open share the next. BrokerUnavailable unless it is complete.
        """
        if self._queued is None:
            self._queued = asyncio.create_task(self._look(line.client_id + BESIDE))
            self._queued.add_done_callback(retrieved)
        return await asyncio.shield(self._queued)

    async def _look(self, client_id: int) -> Book:
        clock = asyncio.get_running_loop().time
        async with self._one:
            await asyncio.sleep(self._not_before - clock())
            self._queued = None
            beside = self._new_line(client_id)
            try:
                await beside.open()
            finally:
                await beside.close()
                self._not_before = clock() + _BETWEEN_SECONDS
            return beside.book
