"""What of TWS's words could not be read: reported, and asked for once more.

A message that TWS has garbled once may come whole the next time; one that it always writes so is
not asked for again and again. It is asked for with everything else in any case: executions every
few seconds, orders with each synchronisation.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from execution.domain.errors import BrokerUnavailable
from workers.adapters import answers

_PAUSE = 0.5
_REQUEST = 1
"""The place of the number of the question that a message answers: another one each time."""


class Unread:
    """The unreadable messages of one connection, and of the account all in all."""

    def __init__(self, account: answers.Unread, ask_again: Callable[[], Awaitable[None]]) -> None:
        self._account, self._ask_again = account, ask_again
        self._here: set[str] = set()
        self._asking: asyncio.Task[None] | None = None

    def hear(self, name: str, fields: Sequence[str], error: Exception) -> None:
        """Take a message in; the same one again is no news."""
        said = " ".join(field for place, field in enumerate(fields) if place != _REQUEST)
        if said in self._here:
            return
        self._here.add(said)
        self._account.add(name, said, error)
        if self._asking is None or self._asking.done():
            self._asking = asyncio.get_running_loop().create_task(self._again())

    async def _again(self) -> None:
        await asyncio.sleep(_PAUSE)
        try:
            await self._ask_again()
        except BrokerUnavailable:
            """The next connection asks for everything."""

    def close(self) -> None:
        """Ask no more."""
        if self._asking is not None:
            self._asking.cancel()
