"""What is written of several looks at once, and the edges of a trade."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import pytest

from execution.domain.paper.matching import match
from execution.domain.paper.trading import Matched, PaperFill, one_of_each_group
from execution.domain.vocabulary import OrderState, OrderType, TimeInForce

from .test_paper_matching import CLOSE, NOON, RULES, after, new, quote

FILL = PaperFill(Decimal(1), Decimal(100), NOON)
ONE, OTHER = uuid4(), uuid4()


def looked(name: str, group: UUID | None, *fills: PaperFill) -> Matched:
    """A look at an order of a group."""
    return Matched(new(OrderType.LIMIT, venue_order_id=name, one_cancels_other=group), fills)


def written(*changes: Matched) -> str:
    """The names of what may be written at once."""
    return "".join(change.order.venue_order_id for change in one_of_each_group(changes))


def test_of_a_group_the_first_that_fills() -> None:
    """What it covers the others no longer cover, those before it neither."""
    looks = (
        *(looked("a", ONE), looked("b", ONE, FILL), looked("c", ONE, FILL, FILL)),
        *(looked("d", OTHER), looked("e", OTHER)),
        *(looked("f", None, FILL), looked("g", None, FILL), looked("h", None)),
    )
    assert written(*looks) == "bdefgh"


def test_groups_do_not_mix() -> None:
    """Each has its first."""
    looks = (looked("a", ONE, FILL), looked("b", OTHER, FILL), looked("c", ONE), looked("d", OTHER))
    assert written(*looks) == "ab"


def test_nothing_of_nothing() -> None:
    """Without a look there is nothing to write."""
    assert one_of_each_group([]) == []


def test_a_fill_at_the_close_has_its_time() -> None:
    """The time of an execution is the look's."""
    order = new(OrderType.MARKET_ON_CLOSE, closes_at=CLOSE)
    late = CLOSE + timedelta(seconds=7)
    (fill,) = match(order, quote("99", "101", CLOSE), late, RULES).fills
    assert fill.executed_at == late


@pytest.mark.parametrize(("seconds", "note"), [(10, None), (10.001, "priced 10 s after the close")])
def test_a_late_closing_price_is_noted(seconds: float, note: str | None) -> None:
    """Up to the age of a fresh quote it is the close's."""
    order = new(OrderType.MARKET_ON_CLOSE, closes_at=CLOSE)
    at = CLOSE + timedelta(seconds=seconds)
    assert match(order, quote("99", "101", at), at, RULES).order.reason == note


@pytest.mark.parametrize("tif", [TimeInForce.IOC, TimeInForce.FOK])
def test_a_market_without_size(tif: TimeInForce) -> None:
    """What meets a price but no size says so."""
    order = new(OrderType.MARKET, time_in_force=tif)
    ended = match(order, quote("99", "101"), NOON, replace(RULES, depth=Decimal(0)))
    assert (ended.order.state, ended.fills) == (OrderState.CANCELLED, ())
    assert ended.order.reason == f"{tif}: nothing could be filled at 99 / 101"


def test_a_trail_at_rest_is_the_very_same() -> None:
    """The same market again is nothing to write."""
    order = new(OrderType.TRAILING_STOP, trail_amount=Decimal(5))
    first = match(order, quote("99", "101"), NOON, RULES).order
    assert match(first, quote("99", "101", after(1)), after(1), RULES).order is first
