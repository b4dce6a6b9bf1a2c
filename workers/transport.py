"""Kombu's Redis transport, with one client for each channel instead of one for each command."""

from __future__ import annotations

from typing import Any

from kombu.transport import redis


class Channel(redis.Channel):
    """Making a `redis.Redis` takes longer than the command it is made for."""

    _kept: Any = None

    def _create_client(self, asynchronous: bool = False) -> Any:  # noqa: FBT001, FBT002 - kombu's
        if asynchronous:
            return super()._create_client(asynchronous=True)  # type: ignore[misc]
        # A channel that lost its connection makes itself a new pool.
        if self._kept is None or self._kept.connection_pool is not self.pool:
            self._kept = super()._create_client()  # type: ignore[misc]
        return self._kept


class Transport(redis.Transport):
    """What `broker_transport` names."""

    Channel = Channel
