"""How the IB gateway simulator writes executions: their times, and fields that make no sense."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from simulators.ib_gateway.options import GatewayOptions
from simulators.ib_gateway.spelling import Spelling

AT = datetime(2026, 11, 23, 15, 4, 5, 678, tzinfo=UTC)


@pytest.mark.parametrize(
    ("change", "written"),
    [
        ({}, "20261123 15:04:05 UTC"),
        ({"form": "plain"}, "20261123  15:04:05"),
        ({"form": "plain", "zone": "America/New_York"}, "20261123  10:04:05"),
        ({"zone": "US/Eastern"}, "20261123 10:04:05 US/Eastern"),
        ({"zone": "Asia/Tokyo", "name": "JST"}, "20261124 00:04:05 JST"),
        ({"form": "utc", "zone": "Asia/Tokyo"}, "20261123-15:04:05"),
        ({"form": "day"}, "20261123"),
        ({"form": "empty"}, ""),
    ],
)
def test_times(change: dict[str, str], written: str) -> None:
    """Whatever POST /times asks for."""
    spelling = Spelling(GatewayOptions())
    spelling.change(change)
    assert spelling.time(AT) == written


def test_a_gateway_that_names_no_zone() -> None:
    """By its option."""
    assert Spelling(GatewayOptions(name_zone=False)).time(AT) == "20261123  15:04:05"


@pytest.mark.parametrize("change", [{"form": "roman"}, {"zone": "Nowhere/AtAll"}, {"name": 5}])
def test_what_it_cannot_write(change: dict[str, Any]) -> None:
    """Refused, and nothing changes."""
    spelling = Spelling(GatewayOptions())
    with pytest.raises((ValueError, KeyError)):
        spelling.change(change)
    assert spelling.time(AT) == "20261123 15:04:05 UTC"


def test_garbled_for_a_while() -> None:
    """One field of so many messages; then all is whole."""
    spelling = Spelling(GatewayOptions())
    message = [str(place) for place in range(31)]
    spelling.garble({"field": "shares", "value": "ten", "times": 2})
    written = [spelling.written(message)[19] for _ in range(3)]
    assert written == ["ten", "ten", "19"]
    spelling.garble({"field": "price", "value": "", "times": None})
    assert [spelling.written(message)[20] for _ in range(3)] == ["", "", ""]
    spelling.garble({})
    assert spelling.written(message) == message
    with pytest.raises(ValueError, match="field"):
        spelling.garble({"field": "mood", "value": "good"})
