"""Numbers as text keep every digit and never use an exponent."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from execution.domain.decimals import plain

finite = st.decimals(allow_nan=False, allow_infinity=False).filter(
    lambda value: abs(value.adjusted()) < 1000
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("0.5", "0.5"),
        ("1E+5", "100000"),
        ("1E-8", "0.00000001"),
        ("100", "100"),
        ("100.00", "100"),
        ("1.10", "1.1"),
        ("0", "0"),
        ("-0", "0"),
        ("-0.00", "0"),
        ("0E-18", "0"),
        ("0E+3", "0"),
        ("-1.50", "-1.5"),
        ("123456789012345.123456789012345678", "123456789012345.123456789012345678"),
    ],
)
def test_plain_notation(value: str, text: str) -> None:
    """Known spellings: no exponent, no superfluous zeros, no negative zero."""
    assert plain(Decimal(value)) == text


@given(finite)
def test_plain_is_exact(value: Decimal) -> None:
    """The text reads back as the same number, whatever the precision in force."""
    assert Decimal(plain(value)) == value


@given(finite)
def test_plain_is_canonical(value: Decimal) -> None:
    """Equal numbers have one text, which is made of digits with at most one point."""
    text = plain(value)
    assert re.fullmatch(r"-?(0|[1-9][0-9]*)(\.[0-9]*[1-9])?", text)
    assert plain(Decimal(text)) == text
