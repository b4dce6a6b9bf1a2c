"""How many messages may go to TWS, shared between orders and questions.

TWS takes 50 messages a second and ends the connection of who sends more. ib_insync would queue
what is beyond 45 within itself, where an order is neither sent nor held back; so its own limit is
off, and nothing is handed to it before there is room.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from execution.domain.errors import RateLimited

A_SECOND = 44
"""Messages in any one second."""
QUESTIONS = 30
"""Of these, what questions may use; the rest is for orders and cancels."""
_WINDOW = 1.0


class Limiter:
    """Grants each message a time of its own; `clock` counts seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._granted: deque[float] = deque()
        self._asking = asyncio.Lock()

    async def order(self, patience: float) -> None:
        """Wait for room for an order, at most `patience` seconds. RateLimited: nothing was sent."""
        now = self._clock()
        at = self._next(now, A_SECOND)
        if at - now > patience:
            raise RateLimited(f"{A_SECOND} messages a second are on their way to TWS")
        self._granted.append(at)
        await asyncio.sleep(at - now)

    async def question(self) -> None:
        """Wait for room for a question, behind every order that is there."""
        async with self._asking:
            while True:
                now = self._clock()
                at = self._next(now, QUESTIONS)
                if at <= now:
                    break
                await asyncio.sleep(at - now)
            self._granted.append(now)

    def _next(self, now: float, most: int) -> float:
        """When there is room beside less than `most` others within a second."""
        while self._granted and self._granted[0] <= now - _WINDOW:
            self._granted.popleft()
        if len(self._granted) < most:
            return now
        return self._granted[-most] + _WINDOW
