"""The service as it should be run: signed messages, users with the least rights."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import redis
from celery import Celery, signals

from execution.client import OrderClient
from execution.events.access import User
from execution.settings import load
from execution.signed_messages import signed_by
from execution.signing import KeyRole, Signed, Signer
from execution.store.privileges import Role
from execution.supervisor.home import prepare_home
from execution.supervisor.secrets import Secrets
from execution.supervisor.services import flower_spec, project_root
from execution.supervisor.supervisor import Supervisor
from tests.fleet import Fleet, Servers, wait_until
from tests.operations.test_flower import ask

KEY, PRODUCERS, OLD_KEY = (secrets.token_urlsafe(32) for _ in range(3))


@pytest.fixture(scope="module")
def fleet(
    servers: Servers,
    module_database_url: str,
    addresses: dict[Role | User, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Fleet]:
    """Workers and beat with the rights and the keys they need, and no others."""
    home = tmp_path_factory.mktemp("locked-down") / "home"
    with Fleet(
        module_database_url,
        servers.valkey.url,
        home,
        environment={
            "REDIS_URL": addresses[User.WORK],
            "TASK_SIGNING_KEY": KEY,
            "PRODUCER_SIGNING_KEY": f"{PRODUCERS}\n{OLD_KEY}",
            "REQUIRE_SIGNED_INTAKE": "true",
        },
    ) as fleet:
        yield fleet


@pytest.fixture(scope="module")
def producer(fleet: Fleet, addresses: dict[Role | User, str]) -> Iterator[OrderClient]:
    """A Python producer with the rights and the key of one, from before the key was changed."""
    settings = load(
        database_url=addresses[Role.PRODUCE],
        redis_url=addresses[User.PRODUCE],
        producer_signing_key=OLD_KEY,
    )
    with closing(OrderClient(settings)) as client:
        yield client


@pytest.mark.parametrize("symbol", ["SPY", "BTC-USDT"])
def test_orders_go_their_way(fleet: Fleet, producer: OrderClient, symbol: str) -> None:
    """In place and from worker to worker, paper and live, with a cancel behind it."""
    name = f"signed-{uuid4().hex[:8]}"
    producer.place(symbol, "BUY", "1", client_order_id=name)
    fleet.await_state(name, "FILLED")
    resting = f"{name}-r"
    producer.place(symbol, "BUY", "1", client_order_id=resting, order_type="LIMIT", limit_price="1")
    fleet.await_state(resting, "SUBMITTED")
    producer.cancel(resting)
    fleet.await_state(resting, "CANCELLED")


def test_a_crash_in_between(fleet: Fleet, producer: OrderClient) -> None:
    """What was lost with a worker is sent again, signed anew; what was redelivered is no replay."""
    name = f"killed-{uuid4().hex[:8]}"
    fleet.arm_point("submit_order:begin", "kill")
    producer.place("BTC-USDT", "BUY", "1", client_order_id=name)
    fleet.await_state(name, "FILLED", timeout=60)
    assert fleet.fired("submit_order:begin")
    assert not fleet.query("SELECT * FROM alerts WHERE kind = 'UNTRUSTED_MESSAGE'")


@pytest.fixture
def documented(addresses: dict[Role | User, str]) -> Iterator[dict[str, Any]]:
    """What docs/security.md tells a plain Celery application to do, as names to be used."""
    text = (project_root() / "docs/security.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    before = list(signals.before_task_publish.receivers or ())
    yield {"REDIS_URL": addresses[User.PRODUCE], "KEY": PRODUCERS, "block": block}
    signals.before_task_publish.receivers = before


def test_plain_celery(fleet: Fleet, documented: dict[str, Any]) -> None:
    """An application that knows nothing of us signs as the documentation says."""
    name = f"plain-{uuid4().hex[:8]}"
    order = {"symbol": "SPY", "side": "BUY", "quantity": "1", "client_order_id": name}
    exec(documented.pop("block"), documented | {"ORDER": order})  # noqa: S102 - our own words
    fleet.await_state(name, "FILLED")


class Late(Signer):
    """Signed two hours ago."""

    def sign(self, message: Signed, now: float) -> str:
        return super().sign(message, now - 7200)


class Changing(Signer):
    """Signed something else."""

    def sign(self, message: Signed, now: float) -> str:
        other = replace(message, body=message.body.replace(b"BUY", b"SELL"))
        return super().sign(other, now)


def test_refused(fleet: Fleet, producer: OrderClient) -> None:
    """No order comes of what is unsigned, changed, signed by another key, or too late."""
    names = [f"forged-{number}-{uuid4().hex[:8]}" for number in range(4)]
    unsigned = names[0]
    sent = {"symbol": "SPY", "side": "BUY", "quantity": "1"}
    before = fleet.query("SELECT count(*) FROM order_requests")
    fleet.send(**sent, client_order_id=unsigned)
    hour, good = timedelta(hours=1), {KeyRole.PRODUCER: [PRODUCERS]}
    signers = [
        Changing(good, hour),
        Signer({KeyRole.PRODUCER: [secrets.token_urlsafe(32)]}, hour),
        Late(good, hour),
    ]
    for name, signer in zip(names[1:], signers, strict=True):
        amqp = signed_by(lambda signer=signer: signer)  # type: ignore[misc]
        with closing(Celery(name, broker=fleet.redis_url, amqp=amqp)) as forger:
            order = {**sent, "client_order_id": name}
            forger.send_task("tasks.place_order", kwargs=order, queue="orders")
    reasons = {"it is not signed", "its signature is wrong"}

    def alerted() -> bool:
        rows = fleet.query("SELECT message FROM alerts WHERE kind = 'UNTRUSTED_MESSAGE'")
        return all(any(reason in row["message"] for row in rows) for reason in reasons)

    wait_until(alerted, what="the alerts")

    def kept() -> bool:
        rows = fleet.query("SELECT body, reason FROM dead_letters WHERE task = 'tasks.place_order'")
        return all(any(name in row["body"] for row in rows) for name in names[:3])

    wait_until(kept, what="the dead letters")
    # What a holder of the key has sent too late is a request, and refused.
    late = wait_until(
        lambda: fleet.query(
            "SELECT outcome, reason FROM order_requests WHERE payload ->> 'client_order_id' = %s",
            names[3],
        ),
        what="the refused request",
    )
    assert [row["outcome"] for row in late] == ["REFUSED"]
    assert "its signature expired" in late[0]["reason"]
    assert [fleet.order(name) for name in names] == [None] * 4
    # What nobody with a key has sent is none.
    (after,) = fleet.query("SELECT count(*) FROM order_requests")
    assert after["count"] == before[0]["count"] + 1
    shown = json.loads(fleet.cli("dead-letters", "--json").stdout)
    assert {row["task"] for row in shown} == {"tasks.place_order"}
    # The ids were not taken away.
    producer.place(**sent, client_order_id=unsigned)
    fleet.await_state(unsigned, "FILLED")


def test_remote_control_only_answers(fleet: Fleet, producer: OrderClient) -> None:
    """Whoever can publish on Redis can ask the workers, and tell them nothing."""
    control = fleet.celery.control
    names = set(control.inspect(timeout=5, limit=4).ping() or {})
    assert {name.split("@")[0] for name in names} == {"orders", "binance", "paper", "ibkr"}
    orders: dict[str, dict[str, Any]] = {
        "shutdown": {},
        "pool_shrink": {"n": 8},
        "pool_restart": {},
        "cancel_consumer": {"queue": "orders"},
        "add_consumer": {"queue": "mt4"},
        "rate_limit": {"task_name": "tasks.place_order", "rate_limit": "1/h"},
        "time_limit": {"task_name": "tasks.place_order", "hard": 1, "soft": 1},
        "revoke": {"task_id": "x"},
        "terminate": {"signal": "KILL", "task_id": "x"},
        "disable_events": {},
        "hello": {"from_node": "x", "revoked": {"x": 1}},
    }
    for command, arguments in orders.items():
        said = control.broadcast(command, arguments=arguments, reply=True, timeout=5, limit=4)
        answers = {name: answer for part in said or [] for name, answer in part.items()}
        assert set(answers) == names, command
        assert all("is refused" in answer["error"] for answer in answers.values()), command
    name = f"still-{uuid4().hex[:8]}"
    producer.place("SPY", "BUY", "1", client_order_id=name)
    fleet.await_state(name, "FILLED")
    assert set(control.inspect(timeout=5, limit=4).ping() or {}) == names


def test_flower_sees_the_workers(
    fleet: Fleet, producer: OrderClient, addresses: dict[Role | User, str], tmp_path: Path
) -> None:
    """With a user that cannot touch a queue, and without the database or a signing key."""
    home = prepare_home(tmp_path / "home")
    environment = {**fleet.environment, "REDIS_URL": addresses[User.MONITOR]}
    for name in ("DATABASE_URL", "TASK_SIGNING_KEY"):
        environment.pop(name)
    with Supervisor([flower_spec(home, environment)], home):
        password = Secrets(home).token("flower")

        def workers() -> set[str]:
            found = json.loads(ask(home, "/api/workers?refresh=1", password=password))
            return {name.split("@")[0] for name, about in found.items() if about.get("stats")}

        wait_until(
            lambda: workers() == {"orders", "binance", "paper", "ibkr"}, what="workers in Flower"
        )
        name = f"watched-{uuid4().hex[:8]}"
        producer.place("SPY", "BUY", "1", client_order_id=name)
        order_id = str(fleet.await_state(name, "FILLED")["order_id"])
        wait_until(
            lambda: order_id in ask(home, "/api/tasks", password=password).decode(),
            what="the order's steps in Flower",
        )
        log = (home / "logs" / "flower.log").read_text(encoding="utf-8")
        assert "no permissions" not in log.lower()


def test_spent(fleet: Fleet, producer: OrderClient, servers: Servers) -> None:
    """A message that was done with is not done again, though its signature is right."""
    name = f"copied-{uuid4().hex[:8]}"
    with closing(redis.Redis.from_url(servers.valkey.url)) as client:
        before = set(client.keys("spent:*"))
        producer.place("SPY", "BUY", "1", client_order_id=name)
        fleet.await_state(name, "FILLED")
        wait_until(lambda: set(client.keys("spent:*")) - before, what="the spent signature")
        key = next(iter(set(client.keys("spent:*")) - before))
        assert 3000 < client.ttl(key) <= 3600
