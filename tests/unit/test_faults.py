"""Armed faults: what strikes, how often, and what cannot be armed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from simulators.binance import venue as binance
from simulators.faults import FaultKind, Faults
from simulators.ib_gateway import gateway
from simulators.ledger import venue as ledger
from simulators.mt4_terminal import trade_server

SIMULATORS = Path(__file__).parents[2] / "simulators"


def test_nothing_armed_never_fires() -> None:
    """Without an armed fault every kind is silent."""
    faults = Faults()
    assert [faults.take(kind, "submit") for kind in FaultKind] == [None] * len(FaultKind)


def test_counts_down() -> None:
    """A fault fires as often as it was armed for, and the record keeps the count."""
    faults = Faults()
    faults.arm({"kind": "drop_reply", "times": 2})
    fired = [faults.take(FaultKind.DROP_REPLY, "submit") is not None for _ in range(3)]
    assert fired == [True, True, False]
    assert faults.as_json()["fired"] == {"drop_reply": 2}


def test_kinds_do_not_mix() -> None:
    """One kind is never taken for another."""
    faults = Faults()
    faults.arm({"kind": "drop_reply"})
    assert faults.take(FaultKind.DROP_REQUEST, "submit") is None


@pytest.mark.parametrize(
    ("narrowed", "symbol", "venue_order_id", "strikes"),
    [
        ({}, "SPY", "a", True),
        ({"symbol": "SPY"}, "SPY", "a", True),
        ({"symbol": "SPY"}, "GBTC", "a", False),
        ({"symbol": "SPY"}, None, None, False),
        ({"venue_order_id": "a"}, "SPY", "a", True),
        ({"venue_order_id": "a"}, "SPY", "b", False),
        ({"symbol": "SPY", "venue_order_id": "a"}, "SPY", "b", False),
    ],
)
def test_match(
    narrowed: dict[str, str], symbol: str | None, venue_order_id: str | None, *, strikes: bool
) -> None:
    """A narrowed fault strikes only what it names; what does not match does not count down."""
    faults = Faults()
    fault = faults.arm({"kind": "hold_fills", **narrowed})
    taken = faults.take(FaultKind.HOLD_FILLS, symbol=symbol, venue_order_id=venue_order_id)
    assert (taken is fault) is strikes
    assert fault.fired == int(strikes)


@pytest.mark.parametrize(
    ("armed_on", "operation", "strikes"),
    [
        (None, "submit", True),
        (None, "query", False),
        ("cancel", "cancel", True),
        ("cancel", "submit", False),
        ("any", "modify", True),
    ],
)
def test_operation(armed_on: str | None, operation: str, *, strikes: bool) -> None:
    """What strikes around a request strikes submits, unless it is armed on something else."""
    faults = Faults()
    faults.arm({"kind": "drop_request"} | ({"on": armed_on} if armed_on else {}))
    assert (faults.take(FaultKind.DROP_REQUEST, operation) is not None) is strikes


def test_first_armed_first_fired() -> None:
    """Of two that match, the one armed first fires first."""
    faults = Faults()
    codes = ["1", "2"]
    for code in codes:
        faults.arm({"kind": "reject", "code": code})
    taken = [faults.take(FaultKind.REJECT, "submit") for _ in codes]
    assert [fault.code for fault in taken if fault] == codes


def test_clear() -> None:
    """A cleared fault fires no more, keeps its record, and leaves the others armed."""
    faults = Faults()
    first, second = (
        faults.arm({"kind": "reject", "times": 5}),
        faults.arm({"kind": "delay", "seconds": 1}),
    )
    faults.take(FaultKind.REJECT, "submit")
    assert faults.clear(first.fault_id) == [first]
    assert faults.take(FaultKind.REJECT, "submit") is None
    assert faults.take(FaultKind.DELAY, "submit") is second
    assert faults.as_json()["fired"] == {"reject": 1, "delay": 1}


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ({}, "None is not a valid"),
        ({"kind": "explode"}, "explode"),
        ({"kind": "reject", "tiems": 2}, "no tiems"),
        ({"kind": "reject", "fired": 2}, "no fired"),
        ({"kind": "reject", "times": 0}, "at least 1"),
        ({"kind": "reject", "times": "2"}, "must be a number"),
        ({"kind": "reject", "times": True}, "must be a number"),
        ({"kind": "reject", "on": "sumbit"}, "on must be one of"),
        ({"kind": "reject", "scope": "ALL"}, "ORDER or VENUE"),
        ({"kind": "delay"}, "seconds above 0"),
        ({"kind": "disconnect", "seconds": -1}, "seconds above 0"),
    ],
)
def test_refused(body: dict[str, Any], complaint: str) -> None:
    """A fault that would never fire as meant is refused, and nothing is armed."""
    faults = Faults()
    with pytest.raises(ValueError, match=complaint):
        faults.arm(body)
    assert faults.as_json() == {"faults": [], "fired": {}}


def test_unsupported() -> None:
    """A simulator that cannot commit a kind refuses to arm it."""
    faults = Faults({FaultKind.REJECT})
    with pytest.raises(ValueError, match="cannot commit"):
        faults.arm({"kind": "delay", "seconds": 1})


@pytest.mark.parametrize(
    ("package", "supported"),
    [
        ("mt4_terminal", trade_server.SUPPORTED),
        ("ib_gateway", gateway.SUPPORTED),
        ("binance", binance.SUPPORTED),
        ("ledger", ledger.SUPPORTED),
    ],
)
def test_every_kind_that_can_be_armed_has_code(
    package: str, supported: frozenset[FaultKind]
) -> None:
    """A fault that nothing commits would make a test pass for nothing."""
    sources = (SIMULATORS / package).rglob("*.py")
    code = "".join(path.read_text("utf-8") for path in sources)
    code = re.sub(r"^SUPPORTED = .*?^$", "", code, flags=re.MULTILINE | re.DOTALL)
    assert {kind for kind in supported if f"FaultKind.{kind.name}" not in code} == set()
