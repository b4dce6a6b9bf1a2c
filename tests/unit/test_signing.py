"""A signature is good for one task, one id, one body, until it expires, with any of the keys."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from execution.domain.errors import ConfigurationError
from execution.settings import load
from execution.signing import SHORTEST_KEY, Signature, Signer

HOUR = timedelta(hours=1)
FIRST, SECOND, OTHER = "a" * 32, "b" * 32, "c" * 32
NOW = 1_800_000_000.0
SIGNED = ("tasks.place_order", "id-1", b'[[],{"side":"BUY"},{}]')


def test_by_hand() -> None:
    """The form is fixed: others compute it too."""
    assert Signer([FIRST], HOUR).sign(*SIGNED, NOW) == (
        "v1.1800003600.9118efb33f4efd26ee214003ccea3e8b808ed6e1d6e65d9f5db579521f85073b"
    )


def test_good() -> None:
    """Until it expires; every signature is remembered under a key of its own."""
    signer = Signer([FIRST], HOUR)
    value = signer.sign(*SIGNED, NOW)
    found = signer.verify(value, *SIGNED, NOW + 3599)
    assert isinstance(found, Signature)
    assert found.expires == NOW + 3600
    assert found.spent_key == f"spent:{value.split('.')[2]}"
    assert signer.verify(value, *SIGNED, NOW + 3601) == "its signature has expired 1 s ago"


@pytest.mark.parametrize(
    "changed",
    [
        ("tasks.cancel_order", *SIGNED[1:]),
        (SIGNED[0], "id-2", SIGNED[2]),
        (*SIGNED[:2], SIGNED[2].replace(b"BUY", b"SELL")),
    ],
)
def test_something_else(changed: tuple[str, str, bytes]) -> None:
    """Name, id and body are all in it, and so is the expiry."""
    signer = Signer([FIRST], HOUR)
    value = signer.sign(*SIGNED, NOW)
    assert signer.verify(value, *changed, NOW) == "its signature is wrong"
    version, expires, mac = value.split(".")
    later = f"{version}.{int(expires) + 1}.{mac}"
    assert signer.verify(later, *SIGNED, NOW) == "its signature is wrong"


def test_change_of_keys() -> None:
    """The first signs, all are taken; what another key signed is not."""
    old, both = Signer([FIRST], HOUR), Signer([SECOND, FIRST], HOUR)
    new = Signer([SECOND], HOUR)
    assert isinstance(both.verify(old.sign(*SIGNED, NOW), *SIGNED, NOW), Signature)
    assert isinstance(new.verify(both.sign(*SIGNED, NOW), *SIGNED, NOW), Signature)
    assert new.verify(old.sign(*SIGNED, NOW), *SIGNED, NOW) == "its signature is wrong"


HEADERS = st.one_of(
    st.none(), st.text(), st.integers(), st.lists(st.text()), st.from_regex(r"v1\.\d+\.[0-9a-f]+")
)


@given(HEADERS, st.one_of(st.text(), st.none(), st.integers()), st.one_of(st.text(), st.none()))
def test_whatever_comes(value: object, task: object, task_id: object) -> None:
    """Nothing from Redis is trusted, and nothing raises."""
    assert isinstance(Signer([FIRST], HOUR).verify(value, task, task_id, b"", NOW), str)


def test_a_short_key_is_refused() -> None:
    """One that can be guessed protects nothing; it is not repeated either."""
    for value in ("k" * (SHORTEST_KEY - 1), f"{FIRST} short", "  "):
        with pytest.raises(ConfigurationError, match="at least 32 characters") as refused:
            load(task_signing_key=value)
        assert "short" not in str(refused.value)
    assert load().signer() is None
    assert repr(load(task_signing_key=f"{FIRST},\n{SECOND}").signer()) == "<Signer with 2 keys>"
