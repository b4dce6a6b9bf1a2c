"""Under which client id an adapter connects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class ClientIds(Protocol):
    """The client ids that a connection may use, and the one that it has.

    `channel` is that one where several workers share some, None while there is none or where it
    is nobody else's.
    """

    @property
    def channel(self) -> int | None: ...

    @property
    def others(self) -> frozenset[int]:
        """Those whose orders some other connection watches."""

    async def candidates(self) -> Sequence[int]:
        """Those to try, the likeliest first. BrokerUnavailable when none is to be had."""

    async def accepted(self, client_id: int) -> None:
        """TWS has let us in under one. BrokerUnavailable when that cannot be written down."""


class OneClientId:
    """Implements `ClientIds` for a worker that shares none."""

    channel = None
    others: frozenset[int] = frozenset()

    def __init__(self, client_id: int) -> None:
        self._client_id = client_id

    async def candidates(self) -> Sequence[int]:
        return (self._client_id,)

    async def accepted(self, client_id: int) -> None:
        """There is nobody who should know."""
