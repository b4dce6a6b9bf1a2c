"""Which messages a worker obeys: by task, form and sender, whatever they hold."""

from __future__ import annotations

import base64
import bz2
import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from execution.signing import HEADER, KeyRole, Signed, Signer
from workers.admission import INTAKE, Admitted, Policy, Refusal
from workers.envelope import LARGEST, REFUSED, opened, understood

NOW = 1_800_000_000.0
KEY, PRODUCERS = "s" * 32, "p" * 32
HOUR = timedelta(hours=1)
WORKER = Signer({KeyRole.SERVICE: [KEY], KeyRole.PRODUCER: [PRODUCERS]}, HOUR)
PRODUCER = Signer({KeyRole.PRODUCER: [PRODUCERS]}, HOUR)
TASKS = frozenset({*INTAKE, "tasks.create_order", "tasks.await_fill", "tasks.fetch_quote"})
ID = "0190d1f2-0000-7000-8000-000000000001"
LINK = {"task": "tasks.await_fill", "args": [ID], "kwargs": {}, "options": {"queue": "paper"}}


def headers(task: object = "tasks.place_order", **more: object) -> dict[str, Any]:
    """Headers as Celery sends them."""
    return {
        "id": "id-1",
        "task": task,
        "root_id": "id-1",
        "parent_id": None,
        "eta": None,
        "expires": None,
        "retries": 0,
        "timelimit": [None, None],
        "argsrepr": "()",
        "kwargsrepr": "{}",
        "ignore_result": True,
    } | more


def body(embed: object = None, **named: object) -> bytes:
    """A body as Celery sends it."""
    return json.dumps([[], named, {} if embed is None else embed]).encode()


def judged(
    found: dict[str, Any],
    text: bytes | None = None,
    *,
    by: Signer | None = None,
    queue: str = "orders",
    signed_intake: bool = False,
) -> Admitted | Refusal:
    """What becomes of a message that `by` has signed."""
    text = body() if text is None else text
    if by is not None:
        found = {**found, HEADER: by.sign(Signed(queue, found, text), NOW)}
    return Policy(TASKS, WORKER, signed_intake).judge(queue, found, text, NOW)


def reason(verdict: Admitted | Refusal) -> str:
    """Why it was refused."""
    assert isinstance(verdict, Refusal)
    return verdict.reason


@pytest.mark.parametrize("task", sorted(INTAKE))
@pytest.mark.parametrize("queue", ["orders", "celery"])
def test_orders_need_no_signature_in_practice(task: str, queue: str) -> None:
    """A plain Celery producer needs ten lines, and where it must sign they are not enough."""
    assert isinstance(judged(headers(task, ignore_result=None), queue=queue), Admitted)
    assert reason(judged(headers(task), queue=queue, signed_intake=True)) == "it is not signed"
    for signer in (WORKER, PRODUCER):
        signed = judged(headers(task), by=signer, queue=queue, signed_intake=True)
        assert isinstance(signed, Admitted)


def test_orders_are_taken_where_orders_go() -> None:
    """Whoever may write to a broker's queue and not to the intake's places no order there."""
    assert "not in the queue of orders" in reason(judged(headers(), queue="binance"))


@pytest.mark.parametrize("task", sorted(TASKS - INTAKE))
def test_everything_else_is_the_services(task: str) -> None:
    """Unsigned or signed by a producer, no step and no request to a venue is done."""
    assert reason(judged(headers(task))) == "it is not signed"
    assert "a producer's key" in reason(judged(headers(task), by=PRODUCER))
    assert isinstance(judged(headers(task), by=WORKER), Admitted)


@pytest.mark.parametrize("task", ["celery.chain", "celery.map", "tasks.nothing", ["a"], None, 5])
def test_only_our_tasks(task: object) -> None:
    """Whatever the header is, and whoever has signed it."""
    assert reason(judged(headers(task), by=WORKER)) == "its task is none of this service's"


@pytest.mark.parametrize(
    "embed",
    [
        {"callbacks": [LINK]},
        {"errbacks": [LINK]},
        {"chord": LINK},
        {"group": "x"},
        {"chain": [{**LINK, "task": "tasks.fetch_quote"}]},
        {"chain": [{**LINK, "options": {"queue": "paper", "link": [LINK]}}]},
        {"chain": [{**LINK, "kwargs": {"a": 1}}]},
        {"chain": LINK},
        {"chain": [5]},
    ],
)
def test_nothing_is_embedded_but_steps(embed: dict[str, Any]) -> None:
    """Celery would sign and send what is embedded with our own key."""
    assert "it has" in reason(judged(headers(), body(embed))) or embed["chain"]
    for signer in (None, PRODUCER, WORKER):
        assert isinstance(judged(headers(), body(embed), by=signer), Refusal)


def test_a_chain_is_the_services_own() -> None:
    """A chain of our steps behind an order is not a producer's to send."""
    text = body({"chain": [LINK]})
    assert isinstance(judged(headers("tasks.create_order"), text, by=WORKER), Admitted)
    for signer in (None, PRODUCER):
        assert "chain" in reason(judged(headers(), text, by=signer))


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ({"timelimit": 5}, "time limit"),
        ({"timelimit": [1, None]}, "time limit"),
        ({"retries": "3"}, "retries"),
        ({"retries": True}, "retries"),
        ({"retries": -1}, "retries"),
        ({"id": ["a"]}, "id"),
        ({"id": ""}, "id"),
        ({"root_id": 5}, "root_id"),
        ({"eta": "tomorrow"}, "eta"),
        ({"eta": ["2030"]}, "eta"),
        ({"eta": "2030-01-01T00:00:00"}, "more than 300 s"),
        ({"expires": 5}, "expires"),
        ({"expires": "2020-01-01T00:00:00+00:00"}, "expired"),
        ({"argsrepr": {}}, "argsrepr"),
        ({"kwargsrepr": "x" * 5_000}, "kwargsrepr"),
        ({"ignore_result": "no"}, "ignore_result"),
    ],
)
def test_headers_that_celery_would_choke_on(header: dict[str, Any], said: str) -> None:
    """Each by its name; the producer is told by a refused request."""
    verdict = judged(headers(**header))
    assert said in reason(verdict)
    assert isinstance(verdict, Refusal)
    assert verdict.by_sender


def test_only_what_is_obeyed_passes() -> None:
    """Celery takes any header for an attribute of the request: callbacks, chord, reply_to."""
    found = headers(callbacks=[LINK], redelivered=True, stamps={}, reply_to="x", shadow="other")
    verdict = judged(found)
    assert isinstance(verdict, Admitted)
    assert verdict.headers.keys() == headers().keys()


def test_headers_beside_an_old_signature() -> None:
    """Version 1 covers name, id and body: nothing else of the message is obeyed."""
    import hashlib  # noqa: PLC0415
    import hmac  # noqa: PLC0415

    text = body()
    named = b'["v1","tasks.create_order","id-1",1800003600]\n'
    mac = hmac.new(KEY.encode(), named + text, hashlib.sha256).hexdigest()
    old = headers("tasks.create_order", eta="2031-01-01T00:00:00")
    verdict = judged({**old, HEADER: f"v1.1800003600.{mac}"}, text)
    assert isinstance(verdict, Admitted)
    assert verdict.headers == {"task": "tasks.create_order", "id": "id-1"}


@pytest.mark.parametrize("text", [b"", b"[]", b"5", b"{", b"[[],{}]", b"[{},[],{}]", b"[" * 5000])
def test_bodies_that_are_none(text: bytes) -> None:
    """A body is `[args, kwargs, embed]`."""
    assert "its body" in reason(judged(headers(), text))


def frame(**more: object) -> dict[str, Any]:
    """A message as kombu puts it into Redis."""
    return {
        "body": base64.b64encode(body()).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": headers(signature="x", callbacks=[1]),
        "properties": {
            "delivery_tag": "another's",
            "delivery_info": {"exchange": "x", "routing_key": "binance"},
            "body_encoding": "base64",
            "reply_to": "somewhere",
        },
    } | more


def test_a_frame_is_made_anew() -> None:
    """Its queue is the one that it came from, its tag is its own, unknown headers are gone."""
    found = opened(json.dumps(frame()).encode(), "orders")
    assert found["properties"]["delivery_info"] == {"exchange": "", "routing_key": "orders"}
    assert found["properties"]["delivery_tag"] != "another's"
    assert "reply_to" not in found["properties"]
    assert found["headers"].keys() == {*headers(), HEADER}
    assert base64.b64decode(found["body"]) == body()


@pytest.mark.parametrize(
    ("item", "said"),
    [
        (b"x", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"5", "not a Celery message"),
        (json.dumps(frame(headers=None)).encode(), "not a Celery message"),
        (json.dumps(frame(headers=[1])).encode(), "not a Celery message"),
        (json.dumps(frame(body=5)).encode(), "not encoded"),
        (json.dumps(frame(body="x")).encode(), "not encoded"),
        (json.dumps(frame(properties={"body_encoding": "zip"})).encode(), "not encoded"),
        (json.dumps(frame(**{"content-type": "application/x-python"})).encode(), "content type"),
        (b"x" * (LARGEST + 1), "larger than"),
        (
            json.dumps(
                frame(
                    body=base64.b64encode(bz2.compress(b"0" * 10**7)).decode(),
                    headers=headers(compression="application/x-bz2"),
                )
            ).encode(),
            "compressed",
        ),
    ],
)
def test_frames_that_are_none(item: bytes, said: str) -> None:
    """They come back as frames that say why, with as much of them as can be shown."""
    found = opened(item, "orders")
    assert said in found["headers"][REFUSED]
    assert base64.b64decode(found["body"]) == item[:2_000]
    text = base64.b64decode(found["body"])
    assert said in reason(
        Policy(TASKS, WORKER, signed_intake=False).judge("orders", found["headers"], text, NOW)
    )


def test_nobody_sets_the_reason() -> None:
    """What a sender calls so is dropped like any other header."""
    found = opened(json.dumps(frame(headers=headers(**{REFUSED: "x"}))).encode(), "orders")
    assert REFUSED not in found["headers"]


@given(
    st.binary(max_size=200)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(
                    ["headers", "body", "properties", "content-type", "task", "id", "x"]
                ),
                inner,
                max_size=5,
            )
        ),
        max_leaves=20,
    ).map(lambda value: json.dumps(value).encode())
)
def test_whatever_comes(item: bytes) -> None:
    """Nothing raises, and nothing of it is obeyed."""
    found = opened(item, "orders")
    verdict = Policy(TASKS, WORKER, signed_intake=False).judge(
        "orders", found["headers"], base64.b64decode(found["body"]), NOW
    )
    assert isinstance(verdict, Refusal)


@pytest.mark.parametrize("said", [5, "x", [], {}, frame(headers={"clock": []}), frame(body=5)])
def test_remote_control_is_no_door(said: object) -> None:
    """What comes by a channel has the form that kombu reads, or is dropped."""
    assert not understood(said)
    assert understood(frame(headers={"clock": 5, "expires": None}))
