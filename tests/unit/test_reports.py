"""What a venue's report of an execution must have."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from execution.domain.reports import Execution, ReportKind
from execution.domain.vocabulary import Side


def execution(quantity: str, kind: ReportKind) -> Execution:
    """An execution of so much."""
    return Execution(
        execution_id="1",
        symbol="EURUSD",
        side=Side.BUY,
        quantity=Decimal(quantity),
        price=Decimal("1.1"),
        executed_at=datetime(2026, 11, 30, tzinfo=UTC),
        kind=kind,
    )


@pytest.mark.parametrize("quantity", ["0", "-1", "NaN"])
def test_an_execution_of_nothing_is_none(quantity: str) -> None:
    """It is not booked: once in the books it would be there for ever."""
    with pytest.raises((ValueError, ArithmeticError)):
        execution(quantity, ReportKind.TRADE)


def test_a_bust_may_be_of_nothing() -> None:
    """What it is about is named by the execution that it takes back."""
    assert execution("0", ReportKind.BUST).quantity == 0
