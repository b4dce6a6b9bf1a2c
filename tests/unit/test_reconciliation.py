"""Open orders and positions at a venue against ours."""

from __future__ import annotations

from decimal import Decimal
from uuid import uuid4

from execution.domain.reconciliation import (
    FOREIGN_ORDER,
    POSITION_BREAK,
    STILL_OPEN,
    Known,
    compare_orders,
    compare_positions,
)
from execution.domain.reports import VenueOrder, VenuePosition
from execution.domain.vocabulary import OrderState, Side


def working(broker_order_id: str, venue_order_id: str | None) -> VenueOrder:
    """An order that works at the venue."""
    return VenueOrder(
        broker_order_id=broker_order_id,
        state=OrderState.SUBMITTED,
        symbol="SPY",
        side=Side.BUY,
        quantity=Decimal(3),
        venue_order_id=venue_order_id,
    )


def test_orders() -> None:
    """Ours that work here are no break; ours that are over are; so is what is not ours."""
    over = Known(uuid4(), "over", OrderState.CANCELLED)
    ours = {"a": Known(uuid4(), "open", OrderState.SUBMITTED), "b": over}
    venue = [working("1", "a"), working("2", "b"), working("3", "c"), working("4", None)]
    found = compare_orders(venue, ours)
    assert [(one.kind, one.key, one.order_id) for one in found] == [
        (STILL_OPEN, "2", over.order_id),
        (FOREIGN_ORDER, "3", None),
        (FOREIGN_ORDER, "4", None),
    ]
    assert "order over is CANCELLED" in found[0].message


def test_positions() -> None:
    """What either side has and the other has not, exactly; zero is nothing."""
    venue = [VenuePosition(name, Decimal(held)) for name, held in (("A", "1"), ("B", "0.1"))]
    held = {"A": Decimal("1.0"), "B": Decimal("0.10000001"), "C": Decimal(-2), "D": Decimal(0)}
    ours = {("DU1", symbol): quantity for symbol, quantity in held.items()}
    found = compare_positions(venue, ours, "DU1")
    assert [(one.kind, one.key) for one in found] == [(POSITION_BREAK, "B"), (POSITION_BREAK, "C")]
    assert found[1].message == "C: the venue holds 0, our executions add up to -2"


def test_nothing_is_zero() -> None:
    """A symbol that only one side knows of counts as zero on the other, and zero is no break."""
    venue = [VenuePosition("A", Decimal(0)), VenuePosition("B", Decimal(1))]
    (found,) = compare_positions(venue, {("DU1", "C"): Decimal(0)}, "DU1")
    assert (found.kind, found.key) == (POSITION_BREAK, "B")
    assert found.message == "B: the venue holds 1, our executions add up to 0"
    assert len(compare_positions([], {("DU1", "A"): Decimal(1)}, "DU1")) == 1


def test_an_alert_says_what_works_there() -> None:
    """Side, quantity, symbol and the venue's own id: enough to look for it."""
    (foreign,) = compare_orders([working("77", "c")], {})
    assert foreign.message == "BUY 3 SPY (77) works at the venue and is no order of ours"
