"""What TWS tells somebody who has just connected, beside the connection that orders use.

A connection may keep back what TWS knows of an order; another one, under a client id of its own,
tells whether there is such an order, and the first one need not be ended to ask. It sends no
orders, and is closed again at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from workers.adapters.ibkr.book import Book
from workers.adapters.ibkr.connection import Line, retrieved

_BETWEEN_SECONDS = 1.0
"""From the end of one such connection to the beginning of the next."""
BESIDE = 1_000_000
"""Added to the client id of the connection that it is beside: nobody else's, it is hoped."""


class Witness:
    """Connects beside a connection; `new_line` makes one under a client id, not opened."""

    def __init__(self, new_line: Callable[[int], Line]) -> None:
        self._new_line = new_line
        self._one = asyncio.Lock()
        self._queued: asyncio.Task[Book] | None = None
        self._not_before = 0.0

    async def look(self, line: Line) -> Book:
        """All that TWS tells of orders and executions on a connection that begins from now on.

        Whoever comes while one is under way shares the next. BrokerUnavailable unless complete.
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
