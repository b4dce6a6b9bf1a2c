"""The judge of reversals: what executions of one moment prove, and what they only allow."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from tests.oracle.ledger import Booked
from tests.oracle.reducing import _through

REDUCER = "exit"


def booked(side: str, quantity: str, reducer: str | None = None) -> tuple[Booked, str | None]:
    """An execution of the moment."""
    amount = Decimal(quantity)
    item = Booked(frozenset(), "x", "SPY", side, amount, Decimal(1), None, None, None, None)
    return item, reducer


@pytest.mark.parametrize(
    ("held", "together", "certain", "possible"),
    [
        # Long for a while within the second, and short before and after it.
        ("-9", [booked("BUY", "37"), booked("SELL", "36"), booked("SELL", "1", REDUCER)], "0", "1"),
        ("-9", [booked("SELL", "1", REDUCER)], "1", "1"),
        ("5", [booked("SELL", "8", REDUCER)], "3", "3"),
        ("5", [booked("SELL", "4"), booked("SELL", "5", REDUCER)], "0", "4"),
        ("-5", [booked("BUY", "4"), booked("BUY", "5", REDUCER)], "0", "4"),
        ("-5", [booked("BUY", "5", REDUCER)], "0", "0"),
    ],
)
def test_one_moment(
    held: str, together: list[tuple[Booked, str | None]], certain: str, possible: str
) -> None:
    """No order of theirs excuses what is certain; some order allows what is possible."""
    case: Any = SimpleNamespace(base_of=lambda _: None)
    for excusing, expected in ((True, certain), (False, possible)):
        beyond: defaultdict[str, Decimal] = defaultdict(Decimal)
        _through(case, Decimal(held), together, beyond, excusing=excusing)
        assert beyond[REDUCER] == Decimal(expected)
