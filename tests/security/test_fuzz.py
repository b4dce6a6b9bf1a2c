"""Odd messages by the hundred, half of them signed by a producer: no worker ends, no order comes.

EXECUTION_FUZZ says how many (500); `make fuzz` sends 10,000.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import redis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from execution.events.access import User
from execution.signing import HEADER, KeyRole, Signed, Signer
from execution.store.privileges import Role
from tests.fleet import Fleet, Servers, wait_until
from tests.security.frames import LINK, ORDER, STEP, frame, memory, restarts

MESSAGES = int(os.environ.get("EXECUTION_FUZZ", "500"))
BATCH = 25
KEY = secrets.token_urlsafe(32)
PRODUCER = Signer({KeyRole.PRODUCER: [KEY]}, timedelta(hours=1))
GROWTH = 150 * 2**20


@pytest.fixture(scope="module")
def produce(addresses: dict[Role | User, str]) -> str:
    """The address of Redis as producers have it."""
    return addresses[User.PRODUCE]


@pytest.fixture(scope="module")
def fleet(
    servers: Servers,
    module_database_url: str,
    produce: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Fleet]:
    """A service in practice that knows the producers' key."""
    assert produce
    home = tmp_path_factory.mktemp("fuzzed") / "home"
    keys = {"PRODUCER_SIGNING_KEY": KEY}
    with Fleet(module_database_url, servers.valkey.url, home, environment=keys) as fleet:
        yield fleet


LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=40),
    st.sampled_from(["", "\x00", "\ud800", "x" * 70_000, "2020-01-01", "9999-12-31T23:59:59Z"]),
)
JSON = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4)
    ),
    max_leaves=12,
)
TASKS = st.sampled_from(
    [
        *["tasks.place_order"] * 6,
        *("tasks.cancel_order", "tasks.modify_order"),
        *("tasks.create_order", "tasks.submit_order", "tasks.recover_orders"),
        *("celery.map", "celery.chain", "celery.group", "tasks.nothing"),
    ]
)
BODIES = st.one_of(
    # An order that must not come to be, whatever stands around it.
    st.builds(lambda value: [[], {**ORDER, "side": value}, {}], JSON),
    st.builds(lambda value: [[], {**ORDER, "quantity": "0", "limit_price": value}, {}], JSON),
    st.builds(lambda value: [[], {**ORDER, "unknown": value}, None], JSON),
    st.builds(
        lambda embed: [[], {**ORDER, "side": "SIDEWAYS"}, embed],
        st.sampled_from(
            [
                {"callbacks": [LINK]},
                {"errbacks": [LINK]},
                {"chain": [LINK]},
                {"chain": [STEP, LINK]},
                {"chord": LINK},
            ]
        ),
    ),
    st.builds(lambda args, named, embed: [args, named, embed], JSON, JSON, JSON),
    JSON,
)
NAMES = st.sampled_from(
    [
        *("id", "task", "root_id", "parent_id", "eta", "expires", "retries", "timelimit"),
        *("argsrepr", "kwargsrepr", "ignore_result", "compression", "callbacks", "chord", "group"),
        *("redelivered", "shadow", "origin", "stamps", "lang", "clock", HEADER),
    ]
)


@st.composite
def items(draw: st.DrawFn) -> bytes:
    """What is pushed into the queue: a frame that is nearly one of Celery's, or none at all."""
    if _one_in(draw, 10):
        return draw(st.binary(max_size=200) | st.builds(_dumped, JSON))
    made = frame(draw(JSON) if _one_in(draw, 10) else draw(TASKS))
    body = draw(st.binary(max_size=60)) if _one_in(draw, 10) else _dumped(draw(BODIES))
    made["body"] = base64.b64encode(body).decode()
    headers: dict[str, Any] = made["headers"]
    if _one_in(draw, 2):
        headers |= draw(st.dictionaries(NAMES, JSON, min_size=1, max_size=2))
    if _one_in(draw, 6):
        headers.pop(draw(NAMES), None)
    if _one_in(draw, 2):
        headers[HEADER] = PRODUCER.sign(Signed("orders", headers, body), time.time())
    if _one_in(draw, 10):
        made[draw(st.sampled_from([*made, "body_encoding"]))] = draw(JSON)
    return _dumped(made)


def _one_in(draw: st.DrawFn, number: int) -> bool:
    return draw(st.integers(1, number)) == number


def _dumped(value: object) -> bytes:
    return json.dumps(value).encode()


class Letters:
    """Counts dead letters as they come, since only the newest thousand are kept."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._last = self._counted = 0

    def count(self) -> int:
        """How many messages became dead letters so far, with a row of their own or without."""
        (found,) = self._fleet.query(
            """SELECT coalesce(max(dead_letter_id), %s) AS last,
                count(*) + coalesce(sum(unrecorded), 0) AS n
            FROM dead_letters WHERE dead_letter_id > %s""",
            self._last,
            self._last,
        )
        self._last, self._counted = found["last"], self._counted + int(found["n"])
        return self._counted


def test_odd_messages(fleet: Fleet, produce: str) -> None:
    """Valid orders between them all fill, and nothing else becomes an order."""
    sent, good = 0, list[str]()
    letters = Letters(fleet)
    before, started = restarts(fleet), memory(fleet)
    with closing(redis.Redis.from_url(produce)) as attacker:

        @settings(
            max_examples=max(1, MESSAGES // BATCH),
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(st.lists(items(), min_size=BATCH, max_size=BATCH))
        def attack(batch: list[bytes]) -> None:
            nonlocal sent
            name = f"good-{uuid4().hex[:12]}"
            half = len(batch) // 2
            attacker.lpush("orders", *batch[:half])
            fleet.send(**ORDER, client_order_id=name)
            attacker.lpush("orders", *batch[half:])
            fleet.await_state(name, "FILLED", timeout=60)
            sent += len(batch)
            good.append(name)
            letters.count()
            assert restarts(fleet) == before

        run: Callable[[], None] = attack
        run()
        wait_until(lambda: attacker.llen("orders") == 0, timeout=60, what="an empty queue")
    last = f"good-{uuid4().hex[:12]}"
    fleet.send(**ORDER, client_order_id=last)
    fleet.await_state(last, "FILLED", timeout=60)
    assert sent >= MESSAGES // BATCH * BATCH
    assert restarts(fleet) == before
    assert max(memory(fleet).values()) < max(started.values()) + GROWTH
    (refused,) = fleet.query("SELECT count(*) AS n FROM order_requests WHERE outcome = 'REFUSED'")
    # Most are stopped at the door; enough of them get as far as an order's own check.
    assert letters.count() > sent / 4
    assert refused["n"] > sent / 10
    made = {row["client_order_id"] for row in fleet.query("SELECT client_order_id FROM orders")}
    assert made == {*good, last}
    fleet.judge()
