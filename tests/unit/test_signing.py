"""A signature is good for one queue, one set of headers, one body, until it expires."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from execution.domain.errors import ConfigurationError
from execution.settings import load
from execution.signing import SHORTEST_KEY, KeyRole, Signature, Signed, Signer, restored_key

HOUR = timedelta(hours=1)
FIRST, SECOND, OTHER = "a" * 32, "b" * 32, "c" * 32
NOW = 1_800_000_000.0
SIGNED = Signed(
    "orders",
    {"task": "tasks.place_order", "id": "id-1", "eta": None, "timelimit": [None, None]},
    b'[[],{"side":"BUY"},{}]',
)


def service(*keys: str) -> Signer:
    """A holder of the service's keys."""
    return Signer({KeyRole.SERVICE: keys}, HOUR)


def test_by_hand() -> None:
    """The form is fixed: others compute it too."""
    text = (
        '["v2","service",1800003600,"orders",{"eta":null,"id":"id-1","task":"tasks.place_order",'
        '"timelimit":[null,null]}]\n[[],{"side":"BUY"},{}]'
    )
    mac = hmac.new(FIRST.encode(), text.encode(), hashlib.sha256).hexdigest()
    assert service(FIRST).sign(SIGNED, NOW) == f"v2.service.1800003600.{mac}"


def test_good() -> None:
    """Until it expires; every signature is remembered under a key of its own."""
    signer = service(FIRST)
    value = signer.sign(SIGNED, NOW)
    found = signer.verify(value, SIGNED, NOW + 3599)
    assert isinstance(found, Signature)
    assert (found.expires, found.role) == (NOW + 3600, KeyRole.SERVICE)
    mac = value.split(".")[3]
    assert found.spent_key == f"spent:{mac}"
    assert restored_key(value) == f"restored:{mac}"
    assert signer.verify(value, SIGNED, NOW + 3601) == "its signature expired 1 s ago"


@pytest.mark.parametrize(
    "changed",
    [
        replace(SIGNED, queue="paper"),
        replace(SIGNED, body=SIGNED.body.replace(b"BUY", b"SELL")),
        *(
            replace(SIGNED, headers={**SIGNED.headers, **header})
            for header in (
                {"task": "tasks.cancel_order"},
                {"id": "id-2"},
                {"eta": "2030-01-01T00:00:00"},
                {"retries": 3},
                {"timelimit": [1, 1]},
                {"kwargsrepr": "PAPER"},
            )
        ),
    ],
)
def test_something_else(changed: Signed) -> None:
    """The queue, the body and each header that is obeyed are in it, and so is the expiry."""
    signer = service(FIRST)
    value = signer.sign(SIGNED, NOW)
    assert signer.verify(value, changed, NOW) == "its signature is wrong"
    version, role, expires, mac = value.split(".")
    later = f"{version}.{role}.{int(expires) + 1}.{mac}"
    assert signer.verify(later, SIGNED, NOW) == "its signature is wrong"


def test_what_nobody_obeys_is_not_signed() -> None:
    """A broker may add headers of its own on the way; they are dropped."""
    signer = service(FIRST)
    value = signer.sign(SIGNED, NOW)
    more = replace(SIGNED, headers={**SIGNED.headers, "redelivered": True})
    assert isinstance(signer.verify(value, more, NOW), Signature)


def test_change_of_keys() -> None:
    """The first signs, all are taken; what another key signed is not."""
    old, both, new = service(FIRST), service(SECOND, FIRST), service(SECOND)
    assert isinstance(both.verify(old.sign(SIGNED, NOW), SIGNED, NOW), Signature)
    assert isinstance(new.verify(both.sign(SIGNED, NOW), SIGNED, NOW), Signature)
    assert new.verify(old.sign(SIGNED, NOW), SIGNED, NOW) == "its signature is wrong"


def test_a_producers_key_is_no_service_key() -> None:
    """A worker knows whose key it was; nobody passes one off as the other."""
    producer = Signer({KeyRole.PRODUCER: [OTHER]}, HOUR)
    worker = Signer({KeyRole.SERVICE: [FIRST], KeyRole.PRODUCER: [OTHER]}, HOUR)
    value = producer.sign(SIGNED, NOW)
    found = worker.verify(value, SIGNED, NOW)
    assert isinstance(found, Signature)
    assert found.role is KeyRole.PRODUCER
    as_service = value.replace("producer", "service")
    assert worker.verify(as_service, SIGNED, NOW) == "its signature is wrong"
    assert worker.sign(SIGNED, NOW).startswith("v2.service.")


def test_first_version() -> None:
    """What a worker of the release before has signed is taken, and its headers are not covered."""
    named = b'["v1","tasks.place_order","id-1",1800003600]\n'
    mac = hmac.new(FIRST.encode(), named + SIGNED.body, hashlib.sha256).hexdigest()
    found = service(FIRST).verify(f"v1.1800003600.{mac}", SIGNED, NOW)
    assert isinstance(found, Signature)
    assert not found.covers_headers
    assert found.role is KeyRole.SERVICE
    of_producer = Signer({KeyRole.PRODUCER: [FIRST]}, HOUR)
    assert of_producer.verify(f"v1.1800003600.{mac}", SIGNED, NOW) == "its signature is wrong"


VALUES = st.one_of(
    st.none(),
    st.text(),
    st.integers(),
    st.lists(st.text()),
    st.from_regex(r"v1\.\d+\.[0-9a-f]+"),
    st.from_regex(r"\Av2\.service\.[0-9]{1,12}\.[0-9a-f]{64}\Z"),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(VALUES, st.dictionaries(st.sampled_from(["task", "id", "eta", "x"]), JSON))
def test_whatever_comes(value: object, headers: dict[str, object]) -> None:
    """Nothing from Redis is trusted, and nothing raises."""
    assert isinstance(service(FIRST).verify(value, Signed("orders", headers, b""), NOW), str)


@pytest.mark.parametrize("name", ["task_signing_key", "producer_signing_key"])
def test_a_short_key_is_refused(name: str) -> None:
    """One that can be guessed protects nothing; it is not repeated either."""
    for value in ("k" * (SHORTEST_KEY - 1), f"{FIRST} short", "  "):
        with pytest.raises(ConfigurationError, match="at least 32 characters") as refused:
            load(**{name: value})
        assert "short" not in str(refused.value)
    assert load().signer() is None
    assert FIRST not in repr(load(**{name: f"{FIRST},\n{SECOND}"}).signer())


@pytest.mark.parametrize("name", ["TASK_SIGNING_KEY", "PRODUCER_SIGNING_KEY"])
def test_an_empty_file_is_no_key(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody means by it that messages need no signature."""
    empty = tmp_path / "key"
    empty.touch()
    monkeypatch.setenv(f"{name}_FILE", str(empty))
    with pytest.raises(ConfigurationError, match=f"{name}_FILE names .* which is empty"):
        load()
