"""Executions by execId: corrections, busts, and costs whenever they come."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from execution.domain.reports import ReportKind
from workers.adapters.ibkr.fills import Fill, Fills, effective, revised

SPY = SimpleNamespace(conId=756733, symbol="SPY", secType="STK")
AT = datetime(2026, 11, 23, 15, 0, 1, tzinfo=UTC)


def told(execution_id: str, shares: float = 10.0, price: float = 99.1, **changes: Any) -> Any:
    """An execDetails message's execution."""
    values = {
        "execId": execution_id,
        "shares": shares,
        "price": price,
        "side": "BOT",
        "time": "20261123-15:00:01",
        "orderRef": "ref",
        "permId": 77,
        "acctNumber": "DU1",
    }
    return SimpleNamespace(**(values | changes))


def new_fills() -> Fills:
    """No executions yet; TWS's login is in Tokyo."""
    return Fills(ZoneInfo("Asia/Tokyo"), lambda: AT + timedelta(seconds=1))


def hear(fills: Fills, *executions: Any, before: bool = False) -> list[Fill]:
    """Those of them that are new."""
    heard = [fills.hear(SPY, one, "SPY", before=before) for one in executions]
    return [fill for fill in heard if fill is not None]


def test_once() -> None:
    """The same id twice is one execution."""
    fills = new_fills()
    (fill,) = hear(fills, told("a.b.01.01"), told("a.b.01.01"))
    (report,) = fill.reports()
    assert (report.kind, report.quantity, report.price) == (
        ReportKind.TRADE,
        Decimal("10.0"),
        Decimal("99.1"),
    )
    assert (report.venue_order_id, report.broker_order_id) == ("ref", "77")
    assert report.commission is None


def test_the_cost_that_comes_at_once_goes_with_the_trade() -> None:
    """One report; it is told the same way ever after."""
    fills = new_fills()
    (fill,) = hear(fills, told("a.b.01.01"))
    assert fills.cost("a.b.01.01", Decimal("1.05"), "USD") is fill
    for _ in range(2):
        (report,) = fill.reports()
        assert (report.commission, report.commission_currency) == (Decimal("1.05"), "USD")


def test_the_cost_that_comes_late_follows() -> None:
    """The trade is told as it was, and then what it cost."""
    fills = new_fills()
    (fill,) = hear(fills, told("a.b.01.01"))
    before = fill.reports()
    fills.cost("a.b.01.01", Decimal("1.05"), "USD")
    trade, cost = fill.reports()
    assert [trade] == before
    assert (cost.kind, cost.execution_id, cost.commission) == (
        ReportKind.COMMISSION,
        "a.b.01.01",
        Decimal("1.05"),
    )


def test_the_cost_that_comes_first_waits() -> None:
    """It belongs to the trade that follows."""
    fills = new_fills()
    assert fills.cost("a.b.01.01", Decimal(2), "USD") is None
    (fill,) = hear(fills, told("a.b.01.01"))
    assert fill.reports()[0].commission == 2


def test_a_credit_is_a_negative_cost() -> None:
    """And the same cost again is no news."""
    fills = new_fills()
    (fill,) = hear(fills, told("a.b.01.01"))
    assert fills.cost("a.b.01.01", Decimal("-0.2"), "USD") is fill
    assert fill.reports()[0].commission == Decimal("-0.2")
    assert fills.cost("a.b.01.01", Decimal("-0.2"), "USD") is None


def test_a_revised_cost_follows_by_itself() -> None:
    """The trade is told as it was told first, and what it costs now beside it."""
    fills = new_fills()
    (fill,) = hear(fills, told("a.b.01.01"))
    fills.cost("a.b.01.01", Decimal("1.05"), "USD")
    first = fill.reports()
    for revised_cost in (Decimal("0.80"), Decimal("1.05"), Decimal("0.75")):
        assert fills.cost("a.b.01.01", revised_cost, "USD") is fill
        reports = fill.reports()
        assert reports[:1] == first
        assert [one.commission for one in reports[1:]] == (
            [] if revised_cost == Decimal("1.05") else [revised_cost]
        )
        assert {one.kind for one in reports[1:]} <= {ReportKind.COMMISSION}


def test_what_was_there_before_the_connection_tells_its_cost_by_itself() -> None:
    """Another process may have told it before that was known, and died."""
    fills = new_fills()
    (fill,) = hear(fills, told("a.b.01.01"), before=True)
    fills.cost("a.b.01.01", Decimal(1), "USD")
    assert [report.kind for report in fill.reports()] == [ReportKind.TRADE]
    assert [report.kind for report in fill.told_again()] == [
        ReportKind.TRADE,
        ReportKind.COMMISSION,
    ]


def test_a_correction_corrects_the_latest_before_it() -> None:
    """A chain of them; the last one counts."""
    fills = new_fills()
    heard = hear(
        fills,
        told("a.b.01.01"),
        told("a.b.01.02", 8.0),
        told("a.b.01.03", 5.0),
        told("a.b.02.01", 1.0),
    )
    assert [(fill.execution.kind, fill.execution.corrects) for fill in heard] == [
        (ReportKind.TRADE, None),
        (ReportKind.CORRECTION, "a.b.01.01"),
        (ReportKind.CORRECTION, "a.b.01.02"),
        (ReportKind.TRADE, None),
    ]
    assert effective(heard) == 6
    assert revised(heard)
    assert not revised(heard[:1])


def test_a_correction_to_nothing_is_a_bust() -> None:
    """Of what was executed; nothing of it is filled."""
    fills = new_fills()
    heard = hear(fills, told("a.b.01.01"), told("a.b.01.02", 0.0, 0.0))
    bust = heard[-1].execution
    assert (bust.kind, bust.corrects) == (ReportKind.BUST, "a.b.01.01")
    assert bust.quantity == 10
    assert bust.price == Decimal("99.1")
    assert effective(heard) == 0


def test_a_correction_of_what_was_never_heard() -> None:
    """It names what it corrects all the same."""
    (fill,) = hear(new_fills(), told("a.b.01.02"))
    assert fill.execution.corrects == "a.b.01.01"


def test_what_a_correction_costs_is_told_by_itself() -> None:
    """A correction's report has no place for it."""
    fills = new_fills()
    _, fill = hear(fills, told("a.b.01.01"), told("a.b.01.02"))
    fills.cost("a.b.01.02", Decimal(3), "USD")
    assert [report.kind for report in fill.reports()] == [
        ReportKind.CORRECTION,
        ReportKind.COMMISSION,
    ]


def test_an_id_of_another_form_is_a_trade() -> None:
    """Nothing is read into it."""
    heard = hear(new_fills(), told("U+17_65"), told("plain"))
    assert [fill.execution.kind for fill in heard] == [ReportKind.TRADE] * 2


@pytest.mark.parametrize("written", ["", "20261123", "20261123 15:00:01 CST", "noon"])
def test_a_time_that_cannot_be_read_is_that_of_the_receipt(written: str) -> None:
    """The execution is there all the same, and says what TWS wrote."""
    (fill,) = hear(new_fills(), told("a.b.01.01", time=written))
    (report,) = fill.reports()
    assert report.executed_at == AT + timedelta(seconds=1)
    assert report.unread_time == written


def test_a_time_without_a_zone_is_the_logins() -> None:
    """Nine hours ahead of UTC in Tokyo."""
    (fill,) = hear(new_fills(), told("a.b.01.01", time="20261124  00:00:01"))
    assert (fill.execution.executed_at, fill.execution.unread_time) == (AT, None)
