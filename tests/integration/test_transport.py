"""Acknowledgements go to Redis in bundles, and none is forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
import redis
from kombu import Connection, Queue
from kombu.asynchronous import Hub, get_event_loop, set_event_loop
from kombu.message import Message

from tests.fleet import Servers, flush, wait_until


@pytest.fixture
def hub() -> Iterator[Hub]:
    """A loop that turns when it is told to, as this process's own."""
    before, hub = get_event_loop(), Hub()
    set_event_loop(hub)
    yield hub
    set_event_loop(before)
    hub.close()


@pytest.fixture
def connection(servers: Servers) -> Iterator[Connection]:
    """A connection by our transport, to a Valkey in which nothing waits."""
    flush(servers.valkey.url)
    with Connection(servers.valkey.url, transport="workers.transport:Transport") as connection:
        yield connection


def received(connection: Connection, count: int) -> list[Message]:
    """Messages that wait to be acknowledged."""
    queue = Queue("acknowledging", channel=connection.default_channel)
    queue.declare()
    producer = connection.Producer()
    for number in range(count):
        producer.publish(number, routing_key="acknowledging")
    messages = [message for _ in range(count) if (message := queue.get()) is not None]
    assert len(messages) == count
    return messages


def test_acknowledged_together(servers: Servers, hub: Hub, connection: Connection) -> None:
    """Redis hears of them a moment later; the one that is not acknowledged stays."""
    with closing(redis.Redis.from_url(servers.valkey.url)) as client:
        first, second, third = received(connection, 3)
        first.ack()
        second.ack()
        assert client.hlen("unacked") == 3

        def told() -> bool:
            hub.fire_timers()
            return client.hlen("unacked") == 1

        wait_until(told, what="the acknowledgements")
        assert client.zrange("unacked_index", 0, -1) == [str(third.delivery_tag).encode()]
        third.ack()
        wait_until(lambda: bool(hub.fire_timers()) and not client.hlen("unacked"), what="the last")


@pytest.mark.usefixtures("hub")
def test_told_at_the_latest_when_it_closes(servers: Servers, connection: Connection) -> None:
    """A worker that stops acknowledges what it has done, and gives back what it has not."""
    with closing(redis.Redis.from_url(servers.valkey.url)) as client:
        first, _ = received(connection, 2)
        first.ack()
        connection.close()
        assert client.hlen("unacked") == 0
        assert client.llen("acknowledging") == 1
        client.delete("acknowledging")


def test_at_once_without_a_loop(servers: Servers, connection: Connection) -> None:
    """Who has no loop waits for nothing."""
    assert get_event_loop() is None
    with closing(redis.Redis.from_url(servers.valkey.url)) as client:
        (message,) = received(connection, 1)
        message.ack()
        assert client.hlen("unacked") == 0


def test_after_its_connection_was_dropped(connection: Connection) -> None:
    """What a lost connection leaves behind fails as one, not as a defect that ends the worker."""
    (message,) = received(connection, 1)
    errors = connection.connection_errors
    connection.collect()
    with pytest.raises(errors):
        message.ack()
    with pytest.raises(errors):
        message.reject()


@pytest.mark.parametrize("refusal", ["out of memory", "a replica"])
def test_what_redis_does_not_list(servers: Servers, connection: Connection, refusal: str) -> None:
    """A message that Redis has handed over and does not list is worked on, kept and given back."""
    with closing(redis.Redis.from_url(servers.valkey.url)) as client:
        queue = Queue("acknowledging", channel=connection.default_channel)
        queue.declare()
        for number in range(3):
            connection.Producer().publish(number, routing_key="acknowledging")
        taken = []
        channel: Any = connection.default_channel
        listing = channel.qos.append

        def refusing(message: Message, tag: str) -> None:
            # Just between the two commands: the queue is shorter by now.
            if refusal == "a replica":
                client.replicaof("127.0.0.1", "1")
            else:
                client.config_set("maxmemory", "1")
            listing(message, tag)

        channel.qos.append = refusing
        try:
            taken += [queue.get()]
        finally:
            client.replicaof("NO", "ONE")
            client.config_set("maxmemory", "0")
            channel.qos.append = listing
        (message,) = taken
        assert message is not None
        assert message.payload == 0
        assert client.hlen("unacked") == 0
        assert client.llen("acknowledging") == 2
        connection.close()
        assert client.llen("acknowledging") == 3


def test_kept_ones_are_listed_later(servers: Servers, connection: Connection) -> None:
    """What was not listed is, as soon as Redis can; and no message is another's meanwhile."""
    with closing(redis.Redis.from_url(servers.valkey.url)) as client:
        (message,) = received(connection, 1)
        tag = str(message.delivery_tag)
        client.delete("unacked", "unacked_index")
        channel: Any = connection.default_channel
        channel.keep_unacknowledged(tag)
        assert client.zcard("unacked_index") == 0  # somebody else has it
        channel.qos._unlisted[tag] = message
        channel.keep_unacknowledged(tag)
        assert client.hkeys("unacked") == [tag.encode()]
        message.ack()
        assert client.hlen("unacked") == 0
