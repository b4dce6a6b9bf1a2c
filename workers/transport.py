"""Kombu's Redis transport with less to say to Redis.

One client for each channel instead of one for each command, and acknowledgements in bundles.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

import structlog
from kombu.asynchronous import get_event_loop
from kombu.transport import redis
from redis.exceptions import NoPermissionError

from execution.faultpoints import reach
from execution.signing import Signature

LINGER = 0.1
"""Seconds from an acknowledgement to its sending, at most."""


class QoS(redis.QoS):
    """Tells Redis of acknowledged messages a moment later, all at once.

    A worker that dies meanwhile gets or gives such a message once more, which does nothing.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._acknowledged: list[str] = []
        self._spent: list[Signature] = []
        super().__init__(*arguments, **options)

    def append(self, message: Any, delivery_tag: str) -> None:
        """Redis has handed a message over, and hears now that it is with us."""
        reach("receive:before")
        super().append(message, delivery_tag)
        reach("receive:after")

    def ack(self, delivery_tag: str) -> None:
        """Called in the loop's own thread, wherever the task ran."""
        reach("acknowledge:before")
        hub = get_event_loop()
        if hub is not None and not self._acknowledged:
            hub.call_later(LINGER, self._tell)
        self._acknowledged.append(delivery_tag)
        # One that was refused may carry the signature of another that is still to come.
        delivered: dict[str, Any] = self._delivered or {}
        message = delivered.get(delivery_tag)
        verified: Signature | None = getattr(message, "verified", None)
        if verified is not None:
            self._spent.append(verified)
        if hub is None:
            self._tell_all()
        super(redis.QoS, self).ack(delivery_tag)  # what concerns this process, at once

    def restore_visible(self, *arguments: Any, **options: Any) -> None:
        """Give back what a worker that died had taken; Flower asks for it too, and may not."""
        with suppress(NoPermissionError):
            super().restore_visible(*arguments, **options)

    def restore_unacked_once(self, stderr: Any = None) -> None:
        """The channel is closing."""
        self._tell()
        super().restore_unacked_once(stderr)

    def _tell_all(self) -> None:
        tags, self._acknowledged = self._acknowledged, []
        spent, self._spent = self._spent, []
        if not tags:
            return
        with self.pipe_or_acquire() as pipe:
            pipe.zrem(self.unacked_index_key, *tags).hdel(self.unacked_key, *tags)
            for signature in spent:
                pipe.set(signature.spent_key, time.time(), exat=signature.expires)
            pipe.execute()
        reach("acknowledge:after")

    def _tell(self) -> None:
        try:
            self._tell_all()
        except self.channel.connection_errors as error:  # type: ignore[attr-defined]  # its own
            # They come again after the visibility timeout.
            structlog.get_logger().warning("messages not acknowledged", error=str(error))


class Channel(redis.Channel):
    """Making a `redis.Redis` takes longer than the command it is made for."""

    QoS = QoS
    _kept: Any = None

    def _create_client(self, asynchronous: bool = False) -> Any:  # noqa: FBT001, FBT002 - kombu's
        if asynchronous:
            return super()._create_client(asynchronous=True)  # type: ignore[misc]
        if self.connection is None or self.connection.client is None:
            # Of a connection that was lost: a task that ends late acknowledges on its channel, and
            # kombu closes it once more. Without an address left, kombu would raise AttributeError,
            # which nobody takes for a lost connection: it would end the worker.
            raise ConnectionError("this connection to Redis is gone")
        # A channel that lost its connection makes itself a new pool.
        if self._kept is None or self._kept.connection_pool is not self.pool:
            self._kept = super()._create_client()  # type: ignore[misc]
        return self._kept


class Transport(redis.Transport):
    """What `broker_transport` names."""

    Channel = Channel
