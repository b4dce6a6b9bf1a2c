"""Kombu's Redis transport, which trusts no message and asks Redis for less.

Every message is opened by `workers.envelope`. One client for each channel instead of one for each
command, and acknowledgements in bundles.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from queue import Empty
from typing import Any, cast

import structlog
from kombu.asynchronous import get_event_loop
from kombu.transport import redis
from kombu.utils.encoding import bytes_to_str
from kombu.utils.json import dumps
from redis.exceptions import NoPermissionError, RedisError, WatchError

from execution.faultpoints import reach
from execution.signing import HEADER, Signature, restored_key
from workers.celery_clock import seconds
from workers.envelope import LARGEST, opened, understood

LINGER = 0.1
"""Seconds from an acknowledgement to its sending, at most."""
_ANSWERS = ".reply.celery.pidbox"
_PARTS_OF_A_BINDING = 3
"""Routing key, pattern, queue."""
REMEMBERED = 3_600
"""Seconds for which it is known that a worker gave a message back."""


class QoS(redis.QoS):
    """Tells Redis of acknowledged messages a moment later, all at once.

    A worker that dies meanwhile gets or gives such a message once more, which does nothing.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._acknowledged: list[str] = []
        self._spent: list[Signature] = []
        self._unlisted: dict[str, Any] = {}
        self._calls = 0
        super().__init__(*arguments, **options)

    def append(self, message: Any, delivery_tag: str) -> None:
        """Redis has handed a message over, and hears now that it is with us.

        By then it is in no queue any more, so a Redis that does not list it (out of memory, a
        replica by now, frozen) must not make us drop it: it is worked on all the same.
        """
        reach("receive:before")
        try:
            super().append(message, delivery_tag)
        except (RedisError, OSError) as error:
            structlog.get_logger().warning("message not listed as received", error=str(error))
            self._unlisted[delivery_tag] = message
            super(redis.QoS, self).append(message, delivery_tag)
        reach("receive:after")

    def keep(self, delivery_tag: str) -> None:
        """Say that a message is still being worked on, or Redis would give it to another."""
        message = self._unlisted.get(delivery_tag)
        try:
            with self.pipe_or_acquire() as pipe:
                pipe.zadd(self.unacked_index_key, {delivery_tag: seconds()}, xx=message is None)
                if message is not None:
                    pipe.hset(self.unacked_key, delivery_tag, _listed(message))
                pipe.execute()
        except (RedisError, OSError) as error:
            structlog.get_logger().warning("message not listed as received", error=str(error))
            return
        self._unlisted.pop(delivery_tag, None)

    def restore_by_tag(self, tag: str, client: Any = None, leftmost: bool = False) -> None:  # noqa: FBT001, FBT002 - kombu's
        """Give a message back to its queue, one too that Redis has not listed as received."""
        delivered: dict[str, Any] = self._delivered or {}
        message = delivered.get(tag)
        unlisted = self._unlisted.pop(tag, None)
        if unlisted is None:
            super().restore_by_tag(tag, client=client, leftmost=leftmost)
        else:
            info, channel = unlisted.delivery_info, cast("Any", self.channel)
            with channel.conn_or_acquire(client) as using, using.pipeline() as pipe:
                channel._do_restore_message(  # noqa: SLF001 - as kombu's own QoS does
                    _raw(unlisted), info["exchange"], info["routing_key"], pipe, leftmost
                )
                pipe.execute()
        if message is not None:
            message.given_back = True

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
        self._unlisted.pop(delivery_tag, None)
        if hub is None:
            self._tell_all()
        super(redis.QoS, self).ack(delivery_tag)  # what concerns this process, at once

    def restore_visible(self, start: int = 0, num: int = 10, interval: int = 10) -> None:
        """Give back what a worker that died had taken; Flower asks for it too, and may not.

        As kombu does, whose lock is released by a script. The lock only saves work: a message is
        given back in a transaction that watches it.
        """
        calls, self._calls = self._calls, self._calls + 1
        if calls % (interval or 1):
            return
        channel = cast("Any", self.channel)
        with suppress(NoPermissionError), channel.conn_or_acquire() as client:
            lock = self.unacked_mutex_key
            if not client.set(lock, 1, nx=True, ex=self.unacked_mutex_expire):
                return
            try:
                oldest = seconds() - self.visibility_timeout
                for tag, _ in client.zrange(
                    self.unacked_index_key, oldest, 0,
                    desc=True, byscore=True, offset=num and start, num=num, withscores=True,
                ):  # fmt: skip
                    self.restore_by_tag(tag, client)
            finally:
                client.delete(lock)

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
                pipe.set(signature.spent_key, seconds(), exat=signature.expires)
            pipe.execute()
        reach("acknowledge:after")

    def _tell(self) -> None:
        try:
            self._tell_all()
        except self.channel.connection_errors as error:  # type: ignore[attr-defined]  # its own
            # They come again after the visibility timeout.
            structlog.get_logger().warning("messages not acknowledged", error=str(error))


def _raw(message: Any) -> Any:
    """A message as it came out of its queue."""
    return message._raw  # noqa: SLF001 - kombu has no other name for it


def _listed(message: Any) -> str:
    """A received message as Redis keeps it until it is acknowledged."""
    info = message.delivery_info
    return dumps([_raw(message), info["exchange"], info["routing_key"]])


def _opened(item: bytes, queue: str) -> dict[str, Any] | None:
    """The frame of a message from a queue; None for an answer to nobody's question.

    Answers of remote control have headers of their own, and only who has asked reads them.
    """
    if not queue.endswith(_ANSWERS):
        return opened(item, queue)
    try:
        frame: dict[str, Any] = json.loads(item) if len(item) <= LARGEST else {}
    except (ValueError, RecursionError):
        return None
    return frame if understood(frame) else None


def _refresh_binding(keys: Sequence[str], args: Sequence[Any], client: Any) -> None:
    """Enter a queue that expires into its exchange's table, and put off the table's end."""
    (table, deadlines), (member, exchange, lifetime) = keys, args
    client.sadd(table, member)
    client.zadd(deadlines, {exchange: seconds() * 1000 + lifetime}, gt=True)


def _sweep_bindings(keys: Sequence[str], args: Sequence[Any], client: Any) -> int:
    """Delete tables whose end has come, but those of queues that stay; returns how many ended."""
    (deadlines,), (table, permanent, most) = keys, args
    with client.pipeline() as pipe:
        pipe.watch(deadlines)
        now = seconds() * 1000
        overdue = [
            bytes_to_str(name)
            for name in pipe.zrangebyscore(deadlines, "-inf", now, start=0, num=most)
        ]
        ended = [table + name for name in overdue if not pipe.exists(permanent + name)]
        if not overdue:
            return 0
        pipe.multi()
        if ended:
            pipe.delete(*ended)
        pipe.zrem(deadlines, *overdue)
        try:
            pipe.execute()
        except (WatchError, NoPermissionError):  # one was refreshed, or it is a worker's to delete
            return 0
    return len(overdue)


class Channel(redis.Channel):
    """Making a `redis.Redis` takes longer than the command it is made for.

    Where kombu runs scripts, plain commands do the same: no user of our Redis may run scripts.
    """

    QoS = QoS
    _kept: Any = None
    _refresh_binding = staticmethod(_refresh_binding)
    _sweep_bindings = staticmethod(_sweep_bindings)

    def _brpop_read(self: Any, **options: Any) -> bool:
        """Hand on the message that was waited for, whatever it is."""
        try:
            try:
                found = self.client.parse_response(self.client.connection, "BRPOP", **options)
            except self.connection_errors:
                self.client.connection.disconnect()
                raise
            if not found:
                raise Empty
            key, item = found
            queue = bytes_to_str(key).rsplit(self.sep, 1)[0]
            self._queue_cycle.rotate(queue)
            frame = _opened(item, queue)
            if frame is not None:
                self.connection._deliver(frame, queue)  # noqa: SLF001 - kombu's own way
            return True
        finally:
            self._in_poll = None
            self._flush_brpop_reauth()

    def _get(self: Any, queue: str, timeout: float | None = None) -> dict[str, Any]:
        """The next message of a queue, for who asks instead of waiting."""
        del timeout
        with self.conn_or_acquire() as client:
            for priority in self.priority_steps:
                item = client.rpop(self._q_for_pri(queue, priority))
                frame = _opened(item, queue) if item else None
                if frame is not None:
                    return frame
        raise Empty

    def get_table(self, exchange: str) -> list[tuple[str, str, str]]:
        """The bindings of an exchange that are bindings; Flower writes to the tables of some, too.

        Answers to remote control go into a list of answers, whatever queue the table names.
        """
        rows = super().get_table(exchange)
        whole = [row for row in rows if len(row) == _PARTS_OF_A_BINDING]
        if exchange == _ANSWERS.removeprefix("."):
            return [row for row in whole if row[-1].endswith(_ANSWERS)]
        return whole

    def _receive_one(self, connection: Any) -> Any:
        """What came by a channel; text that is nested too deep to be read ends no worker."""
        try:
            return super()._receive_one(connection)  # type: ignore[misc]
        except RecursionError:
            structlog.get_logger().warning("remote control refused", reason="nested too deep")
            raise Empty from None

    def _deliver_fanout_message(self, message: object, exchange: str) -> bool:
        """Hand on what came by a channel, to the remote control for one."""
        if not understood(message):
            structlog.get_logger().warning("remote control refused", reason="no message of kombu")
            raise Empty
        return bool(super()._deliver_fanout_message(message, exchange))  # type: ignore[misc]

    def _do_restore_message(
        self,
        payload: dict[str, Any],
        exchange: str,
        routing_key: str,
        pipe: Any,
        leftmost: bool = False,  # noqa: FBT001, FBT002 - kombu's
    ) -> None:
        """Give a message back to its queue, and note that this was a worker's doing.

        A header could say so as well, for everybody.
        """
        key = restored_key(payload.get("headers", {}).get(HEADER))
        if key is not None:
            pipe.set(key, 1, ex=REMEMBERED)
        for queue in self._lookup(exchange, routing_key):
            (pipe.lpush if leftmost else pipe.rpush)(queue, dumps(payload))

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

    def keep_unacknowledged(self, delivery_tag: str) -> None:
        """Say that a message is still being worked on here; does nothing once this is closed."""
        if not self.closed:
            cast("QoS", self.qos).keep(delivery_tag)


class Transport(redis.Transport):
    """What `broker_transport` names."""

    Channel = Channel
