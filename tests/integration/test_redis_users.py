"""Each user of Redis can do its work and not more, on a real Valkey."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
import redis
from celery import Celery
from kombu import Connection, Queue
from kombu.exceptions import OperationalError

from execution.events.access import User, acl_file
from tests.fleet import Servers, flush, wait_until

ORDER = {"symbol": "SPY", "side": "BUY", "quantity": "1"}


@pytest.fixture(scope="module")
def urls(servers: Servers) -> Iterator[dict[User, str]]:
    """The address of the run's Valkey as each user has it."""
    passwords = {user: secrets.token_urlsafe(24) for user in User}
    owner: Any
    with closing(redis.Redis.from_url(servers.valkey.url)) as owner:
        flush(servers.valkey.url)
        for line in acl_file(passwords).splitlines():
            _, name, *rules = line.split(" ")
            if name != "default":  # whom the other tests are
                owner.execute_command("ACL", "SETUSER", name, *rules)
        address = servers.valkey.url.split("@")[1]
        yield {user: f"redis://{user}:{passwords[user]}@{address}" for user in User}
        owner.acl_deluser(*User)


@pytest.fixture
def client(urls: dict[User, str], request: pytest.FixtureRequest) -> Iterator[redis.Redis]:
    """A client as one of them."""
    with closing(redis.Redis.from_url(urls[request.param])) as client:
        yield client


def refused(client: Any, *command: Any) -> None:
    """It must fail for want of permission, and for nothing else."""
    with pytest.raises(redis.exceptions.NoPermissionError):
        client.execute_command(*command)


NOBODYS: list[tuple[Any, ...]] = [
    ("FLUSHALL",),
    ("FLUSHDB",),
    ("CONFIG", "SET", "appendonly", "no"),
    ("CONFIG", "GET", "requirepass"),
    ("ACL", "LIST"),
    ("ACL", "SETUSER", "other", "on", "allcommands"),
    ("SHUTDOWN", "NOSAVE"),
    ("KEYS", "*"),
    ("SORT", "orders", "BY", "nosort", "GET", "*"),
    ("MONITOR",),
    ("EVAL", "while true do end", "0"),
    ("EVAL_RO", "return 1", "0"),
    ("EVALSHA", "0" * 40, "0"),
    ("SCRIPT", "LOAD", "return 1"),
    ("SCRIPT", "KILL"),
    ("FUNCTION", "LOAD", "#!lua name=x\nserver.register_function('f', function() end)"),
    ("FCALL", "f", "0"),
    ("CLIENT", "LIST"),
    ("CLIENT", "PAUSE", "1"),
    ("CLIENT", "NO-EVICT", "on"),
    ("MEMORY", "DOCTOR"),
    ("SLOWLOG", "GET"),
    ("SAVE",),
    ("REPLICAOF", "127.0.0.1", "1"),
    ("CLIENT", "KILL", "TYPE", "normal"),
    ("GET", "of-somebody-else"),
    ("SET", "of-somebody-else", "x"),
    ("PUBLISH", "of-somebody-else", "x"),
]


@pytest.mark.parametrize(
    "client", [user for user in User if user is not User.BREAK_GLASS], indirect=True
)
def test_nobody(client: redis.Redis) -> None:
    """Nobody empties it, changes its settings or users, or reaches what is not ours."""
    for command in NOBODYS:
        refused(client, *command)
    assert client.ping()


@pytest.mark.parametrize("client", [User.PRODUCE, User.CONSUME, User.MONITOR], indirect=True)
def test_no_worker(client: redis.Redis) -> None:
    """Whoever is no worker takes no message, sends none to a broker's queue, tells no quote."""
    refused(client, "BRPOP", "orders", "1")
    refused(client, "LPUSH", "binance", "{}")
    refused(client, "DEL", "orders")
    refused(client, "HGETALL", "unacked")
    refused(client, "SET", "spent:x", "1")
    refused(client, "HSET", "quotes", "SPY", "{}")
    refused(client, "PUBLISH", "fills", "{}")
    refused(client, "SET", "book:SPY", "{}")


@pytest.mark.parametrize("client", [User.CONSUME, User.MONITOR], indirect=True)
def test_no_producer(client: redis.Redis) -> None:
    """Nor an order."""
    refused(client, "LPUSH", "orders", "{}")


@pytest.mark.parametrize("client", [User.HEALTH], indirect=True)
def test_health_check(client: redis.Redis) -> None:
    """It hears that the server is there."""
    refused(client, "SUBSCRIBE", "fills")
    refused(client, "INFO")


def test_producer_and_worker(urls: dict[User, str]) -> None:
    """A producer's Celery sends an order, and a worker's connection takes it."""
    with closing(Celery("producer", broker=urls[User.PRODUCE])) as producer:
        producer.send_task("tasks.place_order", kwargs=ORDER, queue="orders")
        with pytest.raises(OperationalError, match="No permissions to access a key"):
            producer.send_task("tasks.submit_order", args=["x"], queue="binance")
        with pytest.raises(OperationalError, match="no permissions to run the 'publish' command"):
            producer.control.broadcast("shutdown")
    with Connection(urls[User.WORK], transport="workers.transport:Transport") as connection:
        queue = Queue("orders", channel=connection.default_channel)
        found = wait_until(queue.get, what="the order")
        assert found.payload[1] == ORDER
        found.ack()


def test_monitor_and_consumer(urls: dict[User, str]) -> None:
    """Flower's user asks the workers and sees how long queues are; a consumer hears of fills."""
    consumer: Any
    with (
        closing(
            Celery(
                "monitor",
                broker=urls[User.MONITOR],
                broker_transport="workers.transport:Transport",
            )
        ) as monitor,
        closing(redis.Redis.from_url(urls[User.MONITOR])) as client,
        closing(redis.Redis.from_url(urls[User.CONSUME])) as consumer,
        closing(redis.Redis.from_url(urls[User.WORK])) as worker,
    ):
        assert monitor.control.ping(timeout=0.2) == []
        assert client.llen("orders") == 0
        assert client.hlen("unacked") == 0
        refused(client, "LRANGE", "orders", 0, -1)
        with closing(consumer.pubsub(ignore_subscribe_messages=True)) as heard:
            heard.subscribe("fills", "fills.live", "fills.paper", "orders")
            wait_until(lambda: worker.publish("fills", "{}") == 1, what="the subscription")
            message = wait_until(lambda: heard.get_message(timeout=1), what="the fill")
            assert message["data"] == b"{}"
