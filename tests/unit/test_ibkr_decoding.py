"""Messages of TWS about orders and executions: read field by field, and none dropped."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from decimal import Decimal
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from workers.adapters.ibkr.decoding import ReadingAll

EXECUTION = {
    "id": "11",
    "reqId": "-1",
    "orderId": "5",
    "conId": "756733",
    "symbol": "SPY",
    "secType": "STK",
    "expiry": "",
    "strike": "0.0",
    "right": "",
    "multiplier": "",
    "exchange": "ARCA",
    "currency": "USD",
    "localSymbol": "SPY",
    "tradingClass": "SPY",
    "execId": "0000e0d5.6b0d0ddb.01.01",
    "time": "20261123 15:04:05 UTC",
    "account": "DU1",
    "where": "ARCA",
    "side": "BOT",
    "shares": "0.1",
    "price": "600.02",
    "permId": "900",
    "clientId": "1",
    "liquidation": "0",
    "cumQty": "0.1",
    "avgPrice": "600.02",
    "orderRef": "ref",
    "evRule": "",
    "evMultiplier": "",
    "modelCode": "",
    "lastLiquidity": "2",
}
COMMISSION = ["59", "1", "0000e0d5.6b0d0ddb.01.01", "1.05", "USD", "1.7976931348623157E308", "", ""]
STATUS = ["3", "5", "Filled", "0.1", "0", "600.02", "900", "0", "600.02", "1", "", "0"]


class Ear:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []

    def execution(self, contract: Any, execution: Any) -> None:
        self.told.append(("execution", contract, execution))

    def commission(self, report: Any) -> None:
        self.told.append(("commission", report.execId, report.commission, report.currency))

    def order_status(
        self, order_id: int, status: str, filled: Decimal, told: dict[str, Any]
    ) -> None:
        self.told.append(("status", order_id, status, filled, told["perm_id"]))

    def unreadable(self, name: str, fields: Sequence[str], error: Exception) -> None:
        self.told.append(("unreadable", name, list(fields), type(error).__name__))


@pytest.fixture
def ear() -> Ear:
    """Whoever listens."""
    return Ear()


@pytest.fixture
def decoder(ear: Ear) -> Iterator[ReadingAll]:
    """The decoder; ib_insync takes a loop when it is imported."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    from workers.adapters.ibkr.decoding import ReadingAll  # noqa: PLC0415

    yield ReadingAll(SimpleNamespace(), ear)
    asyncio.set_event_loop(None)
    loop.close()


def executed(**changes: str) -> list[str]:
    """An execDetails message."""
    return list((EXECUTION | changes).values())


def test_an_execution(decoder: ReadingAll, ear: Ear) -> None:
    """Numbers to the last digit, the time as TWS wrote it."""
    decoder.interpret(executed())
    ((_, contract, execution),) = ear.told
    assert (contract.conId, contract.symbol, contract.secType) == (756733, "SPY", "STK")
    assert (execution.shares, execution.price) == (Decimal("0.1"), Decimal("600.02"))
    assert (execution.time, execution.side) == ("20261123 15:04:05 UTC", "BOT")
    assert (execution.orderId, execution.permId, execution.clientId) == (5, 900, 1)
    assert (execution.orderRef, execution.acctNumber) == ("ref", "DU1")


def test_an_order_that_was_made_by_hand(decoder: ReadingAll, ear: Ear) -> None:
    """TWS writes the largest integer for its id."""
    decoder.interpret(executed(orderId="2147483647"))
    assert ear.told[0][2].orderId == 0


@pytest.mark.parametrize(
    "field", ["strike", "orderId", "permId", "clientId", "cumQty", "avgPrice", "lastLiquidity"]
)
def test_what_is_not_needed(decoder: ReadingAll, ear: Ear, field: str) -> None:
    """It may be anything."""
    decoder.interpret(executed(**{field: "???"}))
    assert [one[0] for one in ear.told] == ["execution"]


def test_a_later_version_says_more(decoder: ReadingAll, ear: Ear) -> None:
    """Fields at the end."""
    decoder.interpret([*executed(), "1", "somebody"])
    assert [one[0] for one in ear.told] == ["execution"]


@pytest.mark.parametrize(
    ("field", "value"),
    [("shares", "ten"), ("shares", ""), ("price", "NaN"), ("price", "inf"), ("execId", " ")],
)
def test_what_is_needed(decoder: ReadingAll, ear: Ear, field: str, value: str) -> None:
    """It is passed on as it came."""
    message = executed(**{field: value})
    decoder.interpret(message)
    ((kind, name, fields, _),) = ear.told
    assert (kind, name, fields) == ("unreadable", "execDetails", message)


@pytest.mark.parametrize(
    ("message", "name"),
    [
        (["11"], "execDetails"),
        (["59", "1"], "commissionReport"),
        ([*COMMISSION[:3], "much", *COMMISSION[4:]], "commissionReport"),
        (["3", "five", *STATUS[2:]], "orderStatus"),
        ([*STATUS[:3], "all", *STATUS[4:]], "orderStatus"),
        (["5", "1", "2"], "openOrder"),
        (["101", "1"], "completedOrder"),
        (["61", "3", "DU1"], "position"),
    ],
)
def test_what_makes_no_sense(decoder: ReadingAll, ear: Ear, message: list[str], name: str) -> None:
    """Of orders and executions nothing is swallowed."""
    decoder.interpret(message)
    assert [one[:2] for one in ear.told] == [("unreadable", name)]


@pytest.mark.parametrize("message", [[], [""], ["what"], ["999"], ["9", "1"]])
def test_of_other_things(decoder: ReadingAll, ear: Ear, message: list[str]) -> None:
    """The log has them; they end nothing."""
    decoder.interpret(message)
    assert ear.told == []


def test_a_listener_that_fails(
    decoder: ReadingAll, ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What could be read and not be taken in is unreadable, too."""

    def fail(*_: object) -> None:
        raise KeyError("???")

    monkeypatch.setattr(ear, "execution", fail)
    decoder.interpret(executed(side="???"))
    assert [one[:2] for one in ear.told] == [("unreadable", "execDetails")]


def test_a_cost_and_a_status(decoder: ReadingAll, ear: Ear) -> None:
    """To the last digit; a cost that TWS has left out is none."""
    decoder.interpret(list(COMMISSION))
    decoder.interpret(list(STATUS))
    decoder.interpret([*COMMISSION[:3], "1.7976931348623157E308", *COMMISSION[4:]])
    assert ear.told == [
        ("commission", "0000e0d5.6b0d0ddb.01.01", Decimal("1.05"), "USD"),
        ("status", 5, "Filled", Decimal("0.1"), 900),
    ]
