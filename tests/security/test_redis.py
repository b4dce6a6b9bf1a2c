"""What who has one user of Redis can do to the server: freeze it, fill it, and who ends that."""

from __future__ import annotations

import secrets
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
import redis

from execution.events.access import User
from execution.supervisor import valkey
from execution.supervisor.supervisor import Supervisor
from execution.supervisor.valkey import EmbeddedValkey
from tests.fleet import wait_until


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A Valkey of its own, since it is to be frozen, as `execution up` runs it."""
    home = tmp_path_factory.mktemp("redis") / "home"
    with Supervisor([EmbeddedValkey(home).spec()], home):
        yield home


def connected(home: Path, user: User | None) -> Any:
    """A client as one of the users; None may do everything."""
    url = valkey.recorded_url(home, user)
    assert url is not None
    return closing(redis.Redis.from_url(url, socket_timeout=10))


def test_break_glass_ends_an_endless_script(home: Path) -> None:
    """Should a script run for ever after all, one user can end it; nobody else could."""
    frozen = threading.Event()

    def freeze() -> None:
        with connected(home, None) as owner, suppress(redis.RedisError):
            frozen.set()
            owner.eval("while true do end", 0)

    thread = threading.Thread(target=freeze)
    thread.start()
    frozen.wait(5)
    with connected(home, User.BREAK_GLASS) as person, connected(home, User.HEALTH) as other:

        def busy() -> bool:
            try:
                other.ping()
            except redis.exceptions.ResponseError as error:
                return "busy" in str(error).lower()
            except redis.exceptions.TimeoutError:
                return False
            return False

        wait_until(busy, 30, what="the server to be busy")
        with pytest.raises(redis.exceptions.NoPermissionError):
            other.script_kill()
        assert person.script_kill()
        wait_until(lambda: not busy(), 10, what="the server to answer")
    thread.join(10)
    assert not thread.is_alive()


def test_break_glass_shuts_a_user_out(home: Path) -> None:
    """A stolen login: its connections are ended, and it does not come back."""
    with connected(home, User.PRODUCE) as thief, connected(home, User.BREAK_GLASS) as person:
        thief.lpush("orders", "{}")
        person.execute_command("ACL", "SETUSER", User.PRODUCE, "off")
        assert person.execute_command("CLIENT", "KILL", "USER", User.PRODUCE) == 1
        with pytest.raises(redis.exceptions.RedisError):
            thief.lpush("orders", "{}")
        with pytest.raises(redis.exceptions.AuthenticationError):
            thief.lpush("orders", "{}")
        person.execute_command("ACL", "SETUSER", User.PRODUCE, "on")
        assert thief.lpush("orders", "{}")


@pytest.mark.parametrize(
    ("user", "command"),
    [
        (User.PRODUCE, ("LPUSH", "orders-of-mine", "{}")),
        (User.PRODUCE, ("LPUSH", "celeryev", "{}")),
        (User.PRODUCE, ("LPUSH", "orders\x06\x16345", "{}")),
        (User.PRODUCE, ("SADD", "_kombu.binding.reply.celery.pidbox", "not a binding")),
        (User.PRODUCE, ("SADD", "_kombu.binding.mine", "x")),
        (User.MONITOR, ("SADD", "_kombu.binding.orders", "not a binding")),
        (User.MONITOR, ("DEL", "_kombu.binding.celery")),
        (User.MONITOR, ("DEL", "_kombu.binding.celery.pidbox")),
        (User.MONITOR, ("ZADD", "_kombu.binding.celery.pidbox", 1, "x")),
        (User.MONITOR, ("HSET", "_kombu.binding_permanent.celeryev", "x", "x")),
        (User.MONITOR, ("SADD", "_kombu.binding_deadlines", "x")),
        (User.MONITOR, ("SADD", "a.reply.celery.pidbox", "x")),
        (User.MONITOR, ("LPUSH", "x.reply.celery.pidbox", "{}")),
        (User.MONITOR, ("SCAN", 0)),
        (User.METRICS, ("LRANGE", "orders", 0, 1)),
        (User.METRICS, ("TYPE", "orders")),
        (User.FEED, ("SET", "book:SPY", "{}")),
        (User.CONSUME, ("PUBLISH", "fills", "{}")),
    ],
)
def test_no_list_or_table_of_anothers(home: Path, user: User, command: tuple[Any, ...]) -> None:
    """Nobody makes lists that no worker reads, or puts what is no binding into kombu's tables."""
    with connected(home, user) as client, pytest.raises(redis.exceptions.NoPermissionError):
        client.execute_command(*command)


def test_break_glass_has_no_key_by_itself(home: Path) -> None:
    """It is for the server, not for its messages."""
    with connected(home, User.BREAK_GLASS) as person:
        for command in (("GET", "spent:x"), ("LRANGE", "orders", 0, 1), ("LPUSH", "orders", "{}")):
            with pytest.raises(redis.exceptions.NoPermissionError):
                person.execute_command(*command)


def test_a_huge_value_is_refused_before_it_is_read(home: Path) -> None:
    """Beyond 4 MB the server closes the connection at the length, with nothing kept."""
    with connected(home, User.PRODUCE) as producer, connected(home, User.WORK) as worker:
        before = worker.llen("orders")
        with pytest.raises(redis.exceptions.RedisError):
            producer.lpush("orders", b"x" * (5 * 1024 * 1024))
        assert worker.llen("orders") == before


@pytest.mark.parametrize("size", [1024, 1024 * 1024])
def test_who_listens_and_does_not_read_is_dropped(home: Path, size: int) -> None:
    """What is published for it is not kept without end; nor is what Valkey sends without a copy."""
    url = valkey.recorded_url(home, User.CONSUME)
    assert url is not None
    password, port = url.split(":")[2].split("@")[0], int(url.rpartition(":")[2].split("/")[0])
    event = secrets.token_hex(size // 2)
    with (
        socket.create_connection(("127.0.0.1", port)) as deaf,
        connected(home, User.WORK) as worker,
    ):
        deaf.sendall(f"AUTH consume {password}\r\nSUBSCRIBE fills\r\n".encode())
        wait_until(lambda: worker.publish("fills", "{}") == 1, what="the subscription")
        for _ in range(64 * 1024 * 1024 // size):
            if not worker.publish("fills", event):
                break
        assert worker.publish("fills", "{}") == 0
        assert worker.info("memory")["used_memory"] < 128 * 1024 * 1024


@pytest.mark.parametrize("user", [user for user in User if user is not User.BREAK_GLASS])
def test_nobody_else_runs_scripts_or_stops_the_server(home: Path, user: User) -> None:
    """Endless loops, pauses and waits that hold others up are no commands of theirs."""
    with connected(home, user) as client:
        for command in (
            ("EVAL", "while true do end", 0),
            ("EVAL_RO", "while true do end", 0),
            ("SCRIPT", "LOAD", "return 1"),
            ("FUNCTION", "LOAD", "#!lua name=x\nserver.register_function('f', function() end)"),
            ("FCALL", "f", 0),
            ("CLIENT", "PAUSE", 60_000),
            ("KEYS", "*"),
            ("SORT", "orders"),
            ("MONITOR",),
            ("SHUTDOWN",),
            ("ACL", "SETUSER", user, "+@all"),
        ):
            with pytest.raises(redis.exceptions.NoPermissionError):
                client.execute_command(*command)
