"""Whatever JSON comes into `tasks.place_order`: an order or a refusal, never a dead worker."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest

from tests.fleet import Fleet, wait_until


def nested(levels: int) -> Any:
    """Lists in lists."""
    value: Any = []
    for _ in range(levels):
        value = [value]
    return value


GOOD = {"symbol": "SPY", "side": "BUY", "quantity": "1"}
HOSTILE: dict[str, tuple[dict[str, Any], str]] = {
    "over-precise": ({"quantity": "0." + "1" * 19}, "quantity"),
    "over-long": ({"quantity": "1" * 10_000}, "quantity"),
    "a megabyte": ({"symbol": "A" * 1_000_000}, "symbol"),
    "a megabyte of digits": ({"limit_price": "9" * 1_000_000}, "limit_price"),
    "a huge integer": ({"quantity": 10**400}, "quantity"),
    "a float": ({"quantity": 0.1}, "quantity"),
    "infinity": ({"quantity": "Infinity"}, "quantity"),
    "an exponent": ({"quantity": "1E+9"}, "quantity"),
    "deep": ({"quantity": nested(200)}, "quantity"),
    "a list for a side": ({"side": ["BUY"]}, "side"),
    "an object for a symbol": ({"symbol": {"a": {"b": None}}}, "symbol"),
    "true": ({"quantity": True}, "quantity"),
    "a boolean in words": ({"reduce_only": "yes"}, "reduce_only"),
    "a lone surrogate": ({"symbol": "\ud800"}, "symbol"),
    "surrogates in a name": ({"\udcff": "x"}, "is not a known field"),
    "NUL": ({"symbol": "S\x00PY"}, "symbol"),
    "control characters": ({"symbol": "SPY\x1b[31m\r\n"}, "symbol"),
    "a look-alike": ({"symbol": "\u0405\u0420\u0423"}, "symbol"),
    "digits of another script": ({"quantity": "١٢"}, "quantity"),
    "a newline at the end": ({"quantity": "1\n"}, "quantity"),
    "SQL": ({"symbol": "'; DROP TABLE orders; --"}, "symbol"),
    "unknown fields": ({f"field{number}": number for number in range(500)}, "field0"),
    "our own argument": ({"self": "x"}, "self"),
    "a time without an offset": ({"expires_at": "2030-01-01T00:00:00"}, "expires_at"),
    "a bracket upside down": (
        {"take_profit_price": "1", "stop_loss_price": "2"},
        "take_profit_price",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile(fleet: Fleet, name: str) -> None:
    """Recorded as REFUSED, naming the field; a good order right behind it is filled."""
    change, named = HOSTILE[name]
    bad, good = f"hostile-{uuid4().hex[:8]}", f"good-{uuid4().hex[:8]}"
    fleet.send(**{**GOOD, **change, "client_order_id": bad})
    fleet.send(**GOOD, client_order_id=good)
    refused = wait_until(lambda: fleet.request(bad), what="the refusal")
    assert refused["outcome"] == "REFUSED"
    assert named in refused["reason"]
    assert refused["reason"].isprintable()
    assert len(refused["reason"]) < 2_000
    assert len(json.dumps(refused["payload"])) < 100_000
    fleet.await_state(good, "FILLED")


def test_hostile_ids(fleet: Fleet) -> None:
    """An id that is none is refused too, and stored as far as it is text."""
    before = len(fleet.query("SELECT 1 FROM order_requests WHERE outcome = 'REFUSED'"))
    ids: list[Any] = ["", " ", "a b", "x" * 37, "é", "\x00", "\ud800", 5, None, [], {"a": 1}]
    for value in ids:
        fleet.send(**GOOD, client_order_id=value)
    wait_until(
        lambda: (
            len(fleet.query("SELECT 1 FROM order_requests WHERE outcome = 'REFUSED'"))
            == before + len(ids)
        ),
        what="every refusal",
    )


def test_not_even_keyword_arguments(fleet: Fleet) -> None:
    """Positional arguments, and a body too deep for any parser, kill nothing."""
    fleet.celery.send_task("tasks.place_order", args=("SPY", "BUY", "1"), queue="orders")
    refused = wait_until(
        lambda: fleet.query("SELECT * FROM order_requests WHERE payload ? 'positional arguments'"),
        what="the refusal",
    )
    assert "positional arguments" in refused[0]["reason"]
    with fleet.celery.connection_for_write() as connection:
        producer = connection.Producer(auto_declare=False)
        bodies = ("[" * 100_000, "\x00\xff", "{}", "[[], {}]", "[{}, [], {}]", "5", "null", "")
        for body in bodies:
            producer.publish(
                body,
                routing_key="orders",
                content_type="application/json",
                content_encoding="utf-8",
                headers={"task": "tasks.place_order", "id": str(uuid4()), "lang": "py"},
            )
    good = f"good-{uuid4().hex[:8]}"
    fleet.send(**GOOD, client_order_id=good)
    fleet.await_state(good, "FILLED")
    wait_until(
        lambda: (
            len(fleet.query("SELECT 1 FROM order_requests WHERE payload ? 'unreadable message'"))
            == len(bodies)
        ),
        what="all of them",
    )


def test_no_traceback_in_the_log(fleet: Fleet) -> None:
    """After all this the workers that take orders in have raised nothing."""
    for name in ("orders", "paper"):
        log = (fleet.home / "logs" / f"worker-{name}.log").read_text("utf-8", "replace")
        assert [line for line in log.splitlines() if '"exception"' in line] == []
