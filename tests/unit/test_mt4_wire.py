"""The flat text between terminal and bridge, as both sides in Python write and read it."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mt4_bridge import wire
from mt4_bridge.errors import Malformed
from simulators.mt4_terminal import wire as terminal_wire

NAMES = st.from_regex(r"[a-z_]{1,12}", fullmatch=True)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@given(st.dictionaries(NAMES, TEXTS, max_size=5))
def test_what_one_side_writes_the_other_reads(fields: dict[str, str]) -> None:
    """Any value survives, TAB, LF, CR, percent and equals signs too."""
    line = wire.format_record("RESULT", fields)
    assert "\n" not in line
    assert "\r" not in line
    assert terminal_wire.read(line).fields == fields
    body = wire.format_body([terminal_wire.write("RESULT", fields)])
    (record,) = wire.parse_body(body)
    assert (record.kind, record.fields) == ("RESULT", fields)


@pytest.mark.parametrize("text", ["%09", "%2509", "%25", "100%", "%250A\t%0A\n", "a=b=c"])
def test_escapes_do_not_make_new_ones(text: str) -> None:
    """A percent code in a value stays what it was."""
    assert wire.unescape(wire.escape(text)) == text


@pytest.mark.parametrize(
    "body", ["", "END", "HELLO\n", "HELLO\nEN", "HELLO\nEND", "HELLO\nEND\n\n"]
)
def test_a_body_that_was_cut_short_counts_for_nothing(body: str) -> None:
    """Only END and its line end make a body whole."""
    with pytest.raises(Malformed):
        wire.parse_body(body)


@pytest.mark.parametrize(
    "text", ["1e5", "NaN", "", "0x1", " 1", "1 ", "--1", "1." + "0" * 19, "\u0661"]
)
def test_numbers_are_plain(text: str) -> None:
    """What a number could be mistaken for is refused."""
    record = wire.Record("TICKET", {"lots": text, "ticket": text})
    with pytest.raises(Malformed):
        record.decimal("lots")
    with pytest.raises(Malformed):
        record.integer("ticket")


@pytest.mark.parametrize(
    ("value", "text"),
    [("1E+5", "100000"), ("0.010", "0.01"), ("0", "0"), ("-0.00", "0"), ("-7.00", "-7")],
)
def test_decimals_are_spelled_in_one_way(value: str, text: str) -> None:
    """No exponent, no trailing zeros, no minus before zero."""
    assert wire.plain(Decimal(value)) == text
