"""Any JSON a producer may send can be stored, compared and printed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from execution.domain.payloads import (
    MAXIMUM_DEPTH,
    MAXIMUM_INTEGER,
    MAXIMUM_ITEMS,
    MAXIMUM_TEXT,
    fingerprint,
    shown,
    storable,
)

# Half characters, NUL, numbers no float or column holds: whatever json.loads lets through.
texts = st.text(st.characters(codec=None), max_size=30)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(15, 4000).map(lambda digits: -(10**digits))
    | st.floats()
    | texts,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(texts, inner, max_size=5),
    max_leaves=30,
)


def nested(levels: int, shape: str) -> Any:
    """A value in that many arrays or objects."""
    value: Any = 1
    for _ in range(levels):
        value = [value] if shape == "array" else {"a": value}
    return value


def fits_postgresql(value: Any) -> bool:
    """Whether PostgreSQL takes a value as jsonb: strict JSON in UTF-8, no NUL."""
    text = json.dumps(value, allow_nan=False)
    json.dumps(value, allow_nan=False, ensure_ascii=False).encode("utf-8")
    return "\\u0000" not in text.replace("\\\\", "")


@given(json_values)
def test_storable_fits_postgresql(value: Any) -> None:
    """Whatever was sent becomes JSON that PostgreSQL takes."""
    assert fits_postgresql(storable(value))


@given(json_values)
def test_storable_is_idempotent(value: Any) -> None:
    """What is storable is left as it is."""
    once = storable(value)
    assert json.dumps(storable(once)) == json.dumps(once)


@pytest.mark.parametrize(
    "value",
    [
        {"side": "BUY", "quantity": "0.5", "list": [1, 2.5, None, True], "map": {"a": "ü€😀"}},
        [],
        {},
        "",
        0,
        False,
        -(10**15) + 1,
        "x" * MAXIMUM_TEXT,
        list(range(MAXIMUM_ITEMS)),
    ],
)
def test_ordinary_values_are_kept(value: Any) -> None:
    """What fits is stored as it came."""
    assert storable(value) == value


@pytest.mark.parametrize("shape", ["array", "object"])
@pytest.mark.parametrize("levels", [MAXIMUM_DEPTH, MAXIMUM_DEPTH + 1, 900, 20_000, 100_000])
def test_deep_nesting_is_cut(levels: int, shape: str) -> None:
    """Thousands of levels are cut to ten, without a RecursionError."""
    value = nested(levels, shape)
    stored = json.dumps(storable(value))
    assert stored.count("[") + stored.count("{") == MAXIMUM_DEPTH
    assert ("\\u2026" in stored) == (levels > MAXIMUM_DEPTH)
    assert len(shown(value)) <= 61
    assert len(fingerprint({"a": value})) == 64


def test_long_text_is_cut() -> None:
    """A megabyte keeps its beginning, as a value and as a key."""
    long = "x" * 1_000_000
    assert storable(long) == "x" * MAXIMUM_TEXT + "…"
    assert storable({long: long}) == {"x" * MAXIMUM_TEXT + "…": "x" * MAXIMUM_TEXT + "…"}
    assert shown(long) == '"' + "x" * 59 + "…"


def test_many_items_are_cut() -> None:
    """An array and an object keep their first hundred items."""
    assert storable(list(range(10_000))) == list(range(MAXIMUM_ITEMS))
    assert len(storable({str(number): number for number in range(10_000)})) == MAXIMUM_ITEMS


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        ("a\x00b", "a\N{REPLACEMENT CHARACTER}b"),
        ("\ud800", "?"),
        ("a\udfffb", "a?b"),
        ("\ud83d\ude00", "??"),
        ({"\ud800\x00": "\x00"}, {"?\N{REPLACEMENT CHARACTER}": "\N{REPLACEMENT CHARACTER}"}),
    ],
)
def test_characters_that_cannot_be_stored(value: Any, stored: Any) -> None:
    """NUL and half characters are replaced, one for one."""
    assert storable(value) == stored


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        (float("-inf"), "-inf"),
        (1e308, 1e308),
        (MAXIMUM_INTEGER, "1" + "0" * 15),
        (-MAXIMUM_INTEGER, "-1" + "0" * 15),
        ((1, "a"), [1, "a"]),
        (
            {
                1,
            },
            "{1}",
        ),
    ],
)
def test_numbers_that_cannot_be_stored(value: Any, stored: Any) -> None:
    """What is no JSON number of an ordinary size becomes text."""
    assert storable(value) == stored


def test_huge_integer_is_described() -> None:
    """An integer that Python refuses to print is stored and shown by its size."""
    assert storable({"a": [10**5000]}) == {"a": ["integer of 16610 bits"]}
    assert shown(-(10**5000)) == "integer of 16610 bits"


@given(st.dictionaries(texts, json_values, max_size=5), st.randoms(use_true_random=False))
def test_fingerprint_ignores_order_and_reference(payload: dict[str, Any], random: Any) -> None:
    """The order of keys and the price of reference do not change a fingerprint."""
    items = list(payload.items())
    random.shuffle(items)
    assert fingerprint(dict(items)) == fingerprint(payload)
    payload.pop("reference_price", None)
    assert fingerprint(payload | {"reference_price": "1"}) == fingerprint(payload)


def test_fingerprint_tells_payloads_apart() -> None:
    """Other values, keys and types have other fingerprints; it is known to be SHA-256."""
    payloads: list[dict[str, Any]] = [{}, {"a": 1}, {"a": "1"}, {"b": 1}, {"a": [1]}, {"a": None}]
    assert len({fingerprint(payload) for payload in payloads}) == len(payloads)
    empty = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    assert fingerprint({}) == empty


@given(json_values)
def test_shown_fits_a_message(value: Any) -> None:
    """A value in a message is printable, on one line and short."""
    text = shown(value)
    assert text.isprintable()
    assert 0 < len(text) <= 61


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("BUY", '"BUY"'),
        (None, "None"),
        (True, "True"),
        (5, "5"),
        ("a\nb", '"a\N{REPLACEMENT CHARACTER}b"'),
        ({"a": [1]}, "{'a': [1]}"),
    ],
)
def test_shown_in_words(value: Any, text: str) -> None:
    """Text stands in quotes; line breaks are replaced; the rest is as Python shows it."""
    assert shown(value) == text


def test_fingerprints_never_change() -> None:
    """They are stored: a later version must know the same payload again."""
    payload = {"b": [1, None, "x"], "a": {"d": True, "c": "ü"}}
    known = "f4b7a3fc5f05603c9f9f1cbc24604f6af478fc062f5d44a5f5db7dd93624c613"
    assert fingerprint(payload) == known


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("x" * 58, '"' + "x" * 58 + '"'),
        ("x" * 59, '"' + "x" * 59 + "…"),
        ([1] * 20, "[" + "1, " * 19 + "1]"),
        ([1] * 21, "[" + "1, " * 19 + "1,…"),
    ],
)
def test_shown_to_sixty(value: Any, text: str) -> None:
    """Sixty characters are shown whole, more are cut there."""
    assert shown(value) == text


def test_what_is_cut_says_so() -> None:
    """Where a value was too deep there stands one character."""
    assert (
        json.dumps(storable(nested(20, "array")), ensure_ascii=False) == "[" * 10 + '"…"' + "]" * 10
    )


@pytest.mark.parametrize(
    ("value", "text"), [(2**999 - 1, str(2**999 - 1)), (2**999, "integer of 1000 bits")]
)
def test_integers_up_to_a_thousand_bits(value: int, text: str) -> None:
    """A longer one is stored by its size."""
    assert storable(value) == text
