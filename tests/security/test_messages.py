"""Attacks through Redis, with what a producer or a monitor has: no order, no worker lost."""

from __future__ import annotations

import base64
import bz2
import json
import secrets
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from uuid import uuid4

import pytest
import redis
from celery import Celery, chain, group

from execution.events.access import User
from execution.store.privileges import Role
from tests.fleet import Fleet, Servers, wait_until
from tests.security.frames import LINK, ORDER, STEP, frame, memory, restarts


@pytest.fixture(scope="module")
def fleet(
    servers: Servers,
    module_database_url: str,
    addresses: dict[Role | User, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Fleet]:
    """A service in practice: steps are signed with the database's key, orders need no signature."""
    home = tmp_path_factory.mktemp("attacked") / "home"
    with Fleet(
        module_database_url,
        servers.valkey.url,
        home,
        environment={"REDIS_URL": addresses[User.WORK]},
    ) as fleet:
        yield fleet


@pytest.fixture
def attacker(addresses: dict[Role | User, str]) -> Iterator[redis.Redis]:
    """Who has a producer's user of Redis and nothing else."""
    with closing(redis.Redis.from_url(addresses[User.PRODUCE])) as client:
        yield client


@pytest.fixture
def producer(addresses: dict[Role | User, str]) -> Iterator[Celery]:
    """A Celery application with a producer's user of Redis."""
    with closing(Celery("attacker", broker=addresses[User.PRODUCE])) as app:
        yield app


@pytest.fixture(autouse=True)
def unharmed(fleet: Fleet) -> Iterator[None]:
    """After each attack every worker is the process that it was, and a good order fills."""
    before = restarts(fleet)
    yield
    name = f"good-{uuid4().hex[:8]}"
    fleet.send(**ORDER, client_order_id=name)
    fleet.await_state(name, "FILLED", timeout=60)
    assert restarts(fleet) == before
    unknown = fleet.query(
        """SELECT client_order_id FROM orders
        WHERE client_order_id NOT LIKE 'good-%%' AND client_order_id NOT LIKE 'mine-%%'"""
    )
    assert unknown == []


def letters(fleet: Fleet) -> int:
    """How many messages were refused so far."""
    (row,) = fleet.query("SELECT count(*) + coalesce(sum(unrecorded), 0) AS n FROM dead_letters")
    return int(row["n"])


def refused(fleet: Fleet, attacker: redis.Redis, *items: str | bytes, to: str = "orders") -> None:
    """Put messages into a queue and wait until each of them is refused."""
    before = letters(fleet)
    attacker.lpush(to, *items)
    wait_until(
        lambda: letters(fleet) >= before + len(items),
        what=f"{len(items)} refusals after {before}",
    )


@pytest.mark.parametrize("queue", ["orders", "celery"])
@pytest.mark.parametrize(
    "task",
    [
        *("celery.accumulate", "celery.backend_cleanup", "celery.chain", "celery.chord"),
        *("celery.chord_unlock", "celery.chunks", "celery.group", "celery.map", "celery.starmap"),
        *("tasks.fetch_quote", "tasks.reconcile_broker", "tasks.recover_orders"),
        "tasks.create_order",
    ],
)
def test_nothing_but_orders_is_sent_by_a_producer(
    fleet: Fleet, attacker: redis.Redis, task: str, queue: str
) -> None:
    """Celery's own tasks and ours, with an order behind them that a worker would have signed."""
    if queue not in _writable(attacker):
        with pytest.raises(redis.exceptions.NoPermissionError):
            attacker.lpush(queue, "x")
        return
    embeds: list[dict[str, Any]] = [
        {"callbacks": [LINK]}, {"errbacks": [LINK]}, {"chain": [LINK]}, {"chain": [STEP]},
        {"chord": LINK}, {},
    ]  # fmt: skip
    refused(
        fleet,
        attacker,
        *(json.dumps(frame(task, [[1]], embed=embed)) for embed in embeds),
        to=queue,
    )


def _writable(attacker: redis.Redis) -> set[str]:
    found = set()
    for queue in ("orders", "celery"):
        try:
            attacker.llen(queue)
        except redis.exceptions.NoPermissionError:
            continue
        found.add(queue)
    return found


@pytest.mark.parametrize("embed", [{"callbacks": [LINK]}, {"chain": [STEP]}, {"chord": LINK}])
def test_an_order_carries_nothing(
    fleet: Fleet, attacker: redis.Redis, embed: dict[str, Any]
) -> None:
    """An order with a task behind it is a refused request, with the reason."""
    name = f"carrier-{uuid4().hex[:8]}"
    order = frame("tasks.place_order", kwargs={**ORDER, "client_order_id": name}, embed=embed)
    attacker.lpush("orders", json.dumps(order))
    rows = wait_until(
        lambda: fleet.query(
            "SELECT outcome, reason FROM order_requests WHERE payload->>'client_order_id' = %s",
            name,
        ),
        what="the refused request",
    )
    assert [row["outcome"] for row in rows] == ["REFUSED"]
    assert "was not obeyed" in rows[0]["reason"]


def test_canvas_of_celery(fleet: Fleet, producer: Celery) -> None:
    """Groups and chains that a producer's own Celery makes."""
    before = letters(fleet)
    order = producer.signature("tasks.place_order", kwargs=ORDER, queue="orders", immutable=True)
    other = producer.signature("celery.map", args=("x", [[1]]), queue="orders", immutable=True)
    chain(other, order).apply_async()
    group(other, other).apply_async()
    wait_until(lambda: letters(fleet) >= before + 3, what="the refusals")


POISON: dict[str, str | bytes] = {
    "not JSON": b"\xff{",
    "a number": "5",
    "null": "null",
    "an empty list": "[]",
    "no headers": json.dumps({"body": "", "properties": {}}),
    "a list for a task": json.dumps(frame(["tasks.place_order"])),
    "an object for a task": json.dumps(frame({"a": 1})),
    "no such task": json.dumps(frame("tasks.nothing")),
    "map with bad arguments": json.dumps(frame("celery.map", [5, None])),
    "a number for a time limit": json.dumps(frame("tasks.create_order", timelimit=5)),
    "a list for an id": json.dumps(frame("tasks.create_order", id=[1])),
    "an empty body": json.dumps(frame("tasks.create_order") | {"body": ""}),
    "a body of another encoding": json.dumps(frame("tasks.create_order") | {"body": "%%%"}),
    "pickle": json.dumps(
        frame("tasks.create_order") | {"content-type": "application/x-python-serialize"}
    ),
    "deep": "[" * 200_000,
    "no delivery tag": json.dumps(frame("tasks.x") | {"properties": {}}),
    "a list for properties": json.dumps(frame("tasks.x") | {"properties": []}),
    "three megabytes": "x" * 3_000_000,
    "a bomb": json.dumps(
        frame("tasks.create_order", compression="application/x-bz2")
        | {"body": base64.b64encode(bz2.compress(b"0" * 10**9)).decode()}
    ),
}


def test_poison(fleet: Fleet, attacker: redis.Redis) -> None:
    """Each is a dead letter with its reason; no worker ends, and none grows by a gigabyte."""
    before = memory(fleet)
    refused(fleet, attacker, *POISON.values())
    assert max(memory(fleet).values()) < max(before.values()) + 200 * 2**20
    rows = json.loads(fleet.cli("dead-letters", "--json").stdout)
    reasons = {row["reason"] for row in rows}
    for said in ("it is not JSON", "it is compressed", "larger than", "none of this service"):
        assert any(said in reason for reason in reasons), said


def test_text_that_a_decoder_repeats(fleet: Fleet, attacker: redis.Redis) -> None:
    """Kombu's own words for a value that it cannot decode hold all of it: neither row nor event."""
    huge = {"__type__": "t", "__value__": "\u00e9" * 200_000}
    small = {"__type__": "t", "__value__": secrets.token_hex(20_000)}
    before = letters(fleet)
    attacker.lpush("orders", json.dumps(frame("tasks.place_order", kwargs=huge)))
    attacker.lpush("orders", json.dumps(frame("tasks.cancel_order", kwargs=small)))
    wait_until(lambda: letters(fleet) > before, what="the dead letter")
    wait_until(
        lambda: fleet.query("SELECT 1 FROM order_requests WHERE reason ~ 'DecodeError'"),
        what="the refused request",
    )
    (row,) = fleet.query("SELECT max(length(payload::text)) AS most FROM events")
    assert row["most"] < 10_000


def test_no_key_gets_another_type(fleet: Fleet, attacker: redis.Redis) -> None:
    """A set in the place of a list, or the other way, could not be read by any worker."""
    assert restarts(fleet)
    for attack in (
        ("SADD", "orders\x06\x165", "x"),
        ("SADD", "orders", "x"),
        ("LPUSH", "_kombu.binding.celery", "x"),
        ("LPUSH", "_kombu.binding.orders", "x"),
    ):
        with pytest.raises(redis.exceptions.NoPermissionError):
            attacker.execute_command(*attack)  # type: ignore[no-untyped-call]


def test_nobody_takes_the_id_of_a_bracket_s_child(fleet: Fleet, attacker: redis.Redis) -> None:
    """Whoever took the id that a stop will get would keep that stop away."""
    name = f"{secrets.token_urlsafe(16)[:22]}-sl"
    order = frame("tasks.place_order", kwargs={**ORDER, "client_order_id": name})
    attacker.lpush("orders", json.dumps(order))
    rows = wait_until(
        lambda: fleet.query("SELECT * FROM order_requests WHERE client_order_id = %s", name),
        what="the refused request",
    )
    assert [row["outcome"] for row in rows] == ["REFUSED"]
    assert "kept for the children" in rows[0]["reason"]


def _nested(depth: int) -> str:
    return "[" * depth + "]" * depth


def test_nested_as_deep_as_can_be_read(fleet: Fleet, attacker: redis.Redis) -> None:
    """What the check can just read must not be too deep for those who read it after the check."""
    items = []
    for depth in range(700, 1_000, 3):
        in_body = json.loads(json.dumps(frame("tasks.place_order")))
        body = f'[[], {{"x": {_nested(depth)}}}, {{}}]'.encode()
        in_body["body"] = base64.b64encode(body).decode()
        items.append(json.dumps(in_body))
        in_header = json.dumps(frame("tasks.place_order", eta="DEEP"))
        items.append(in_header.replace('"DEEP"', _nested(depth)))

    def settled() -> int:
        (row,) = fleet.query("SELECT count(*) AS n FROM order_requests WHERE outcome = 'REFUSED'")
        return letters(fleet) + int(row["n"])

    before = settled()
    attacker.lpush("orders", *items)
    wait_until(lambda: settled() == before + len(items), what="the refusals")


@pytest.mark.parametrize(
    "said",
    [
        *("5", "[]", "{}", "x"),
        json.dumps(frame("x") | {"headers": 5}),
        pytest.param("[" * 100_000, id="deep"),
        pytest.param(json.dumps(frame("x", clock=_nested(900))), id="deep header"),
        pytest.param(
            json.dumps(frame("x") | {"body": base64.b64encode(_nested(900).encode()).decode()}),
            id="deep body",
        ),
    ],
)
def test_remote_control(fleet: Fleet, addresses: dict[Role | User, str], said: str) -> None:
    """Whoever may publish to the remote control ends no worker with it."""
    control = fleet.celery.control
    names = set(control.inspect(timeout=5, limit=4).ping() or {})
    assert len(names) == 4
    with closing(redis.Redis.from_url(addresses[User.MONITOR])) as monitor:
        monitor.publish("/0.celery.pidbox", said)
    assert set(control.inspect(timeout=5, limit=4).ping() or {}) == names


def test_answers_are_put_into_no_queue_of_orders(
    fleet: Fleet, addresses: dict[Role | User, str]
) -> None:
    """Flower may write to the table of who is answered; a row of it is not obeyed blindly."""
    answers, elsewhere = "a.reply.celery.pidbox", "orders-of-nobody"
    asked = {
        "method": "ping",
        "arguments": {},
        "reply_to": {"exchange": "reply.celery.pidbox", "routing_key": "me"},
        "ticket": "t",
    }
    question = frame("") | {
        "body": base64.b64encode(json.dumps(asked).encode()).decode(),
        "headers": {"clock": 1},
    }
    names = set(fleet.celery.control.inspect(timeout=5, limit=4).ping() or {})
    with closing(redis.Redis.from_url(addresses[User.MONITOR])) as monitor:
        for row in (["me", "", elsewhere], ["me", "", answers], ["no binding"], ["", "", ""]):
            monitor.sadd("_kombu.binding.reply.celery.pidbox", "\x06\x16".join(row))
        monitor.publish("/0.celery.pidbox", json.dumps(question))
        wait_until(lambda: monitor.llen(answers) == len(names), what="the answers")
        assert monitor.llen(elsewhere) == 0


def test_headers_that_are_not_obeyed(fleet: Fleet, attacker: redis.Redis) -> None:
    """Callbacks in a header inject no order, and nothing calls itself redelivered."""
    name = f"mine-{uuid4().hex[:8]}"
    order = frame(
        "tasks.place_order",
        kwargs={**ORDER, "client_order_id": name},
        callbacks=[LINK],
        errbacks=[LINK],
        chain=[LINK],
        chord=LINK,
        redelivered=True,
        shadow="tasks.other",
        reply_to="x",
    )
    (before,) = fleet.query("SELECT count(*) FROM orders")
    attacker.lpush("orders", json.dumps(order))
    fleet.await_state(name, "FILLED")
    (after,) = fleet.query("SELECT count(*) FROM orders")
    assert after["count"] == before["count"] + 1


def test_a_queue_that_was_forgotten(fleet: Fleet, servers: Servers) -> None:
    """An order without `queue` stands in Celery's default queue, which is served as well."""
    name = f"mine-{uuid4().hex[:8]}"
    with closing(Celery("forgetful", broker=servers.valkey.url)) as app:
        app.send_task("tasks.place_order", kwargs={**ORDER, "client_order_id": name})
    fleet.await_state(name, "FILLED")


@pytest.mark.parametrize("priority", [0, 1, 4, 9])
def test_priorities(fleet: Fleet, producer: Celery, priority: int) -> None:
    """An order with a priority is taken like any other."""
    name = f"mine-{uuid4().hex[:8]}"
    producer.send_task(
        "tasks.place_order",
        kwargs={**ORDER, "client_order_id": name},
        queue="orders",
        priority=priority,
    )
    fleet.await_state(name, "FILLED")


def test_a_flood_stays_bounded(fleet: Fleet, attacker: redis.Redis) -> None:
    """Three thousand refused messages: all are counted, a thousand are kept at most."""
    before = letters(fleet)
    item = json.dumps(frame("celery.map"))
    for _ in range(6):
        attacker.lpush("orders", *[item] * 500)
    wait_until(lambda: letters(fleet) == before + 3_000, timeout=120, what="the last refusal")
    (row,) = fleet.query("SELECT count(*) AS n FROM dead_letters")
    assert row["n"] <= 1_000
