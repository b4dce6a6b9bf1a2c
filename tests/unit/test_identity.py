"""Ids that grow with time, and names that are derived and never change."""

from __future__ import annotations

import re
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from execution.domain.identity import event_id, uuid7, venue_order_id

ORDER = UUID("01890a5d-ac96-774b-bcce-b302099a8057")
milliseconds = st.integers(0, 2**48 - 1)
entropy = st.binary(min_size=10, max_size=10)


@given(milliseconds, entropy)
def test_uuid7_follows_the_rfc(unix_ms: int, random: bytes) -> None:
    """Version 7, the RFC's variant, the time in its first 48 bits, 74 bits of randomness."""
    made = uuid7(unix_ms, random)
    assert (made.version, made.variant) == (7, "specified in RFC 4122")
    assert made.int >> 80 == unix_ms
    # What is not version or variant comes from the bytes given.
    mask = (1 << 80) - 1 - (0xF << 76) - (0x3 << 62)
    assert made.int & mask == int.from_bytes(random, "big") & mask


@given(milliseconds, milliseconds, entropy, entropy)
def test_uuid7_grows_with_time(first: int, second: int, one: bytes, other: bytes) -> None:
    """A later millisecond gives a greater id, whatever the randomness, as text too."""
    if first != second:
        early, late = uuid7(min(first, second), one), uuid7(max(first, second), other)
        assert early < late
        assert str(early) < str(late)


def test_uuid7_of_the_rfc() -> None:
    """The example of RFC 9562, appendix A.6."""
    random = bytes.fromhex("0cc318c4dc0c0c07398f")
    assert uuid7(0x017F22E279B0, random) == UUID("017f22e2-79b0-7cc3-98c4-dc0c0c07398f")


@given(st.uuids(), st.integers(1, 1000), st.integers(0, 100))
def test_venue_order_id_fits_every_venue(order_id: UUID, attempt_no: int, leg: int) -> None:
    """22 characters that every venue takes, the same each time they are derived."""
    name = venue_order_id(order_id, attempt_no, leg)
    assert re.fullmatch(r"[A-Za-z0-9_-]{22}", name)
    assert name == venue_order_id(UUID(str(order_id)), attempt_no, leg)


def test_venue_order_id_never_changes() -> None:
    """A later version of this code must find what an earlier one has sent."""
    assert venue_order_id(ORDER, 1) == "LYdVyTsezvPgUDrJyaOkhw"
    assert venue_order_id(ORDER, 2, 3) == "f187lOULehNR136lgYNfug"


def test_venue_order_ids_differ() -> None:
    """Each attempt and each leg has a name of its own."""
    names = {venue_order_id(ORDER, attempt, leg) for attempt in range(1, 40) for leg in range(12)}
    assert len(names) == 39 * 12


def test_event_id_never_changes() -> None:
    """Consumers know events by their ids, across versions too."""
    assert event_id("orders", ORDER, "FILLED", 3) == UUID("4096ab11-c424-554a-b98f-2f9f6bfe704c")


@given(st.lists(st.text(max_size=5), max_size=4), st.lists(st.text(max_size=5), max_size=4))
def test_event_ids_tell_what_happened(one: list[str], other: list[str]) -> None:
    """The same parts give the same id, other parts another."""
    printable = [part.replace("\x1f", "") for part in one], [p.replace("\x1f", "") for p in other]
    same = event_id(*printable[0]) == event_id(*printable[1])
    assert same == ("\x1f".join(printable[0]) == "\x1f".join(printable[1]))


def test_event_id_keeps_parts_apart() -> None:
    """Where one part ends and the next begins counts."""
    assert event_id("ab", "c") != event_id("a", "bc")
    assert event_id("orders", None) == event_id("orders", "None")


def test_uuid7_takes_ten_bytes() -> None:
    """More randomness than fits is left out, and does not spill into the time."""
    ten = bytes(range(10))
    assert uuid7(1, ten + b"\xff" * 6) == uuid7(1, ten)
