"""The trading state: what it stops, what waits for it, and what a halt leaves behind."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest

from execution.domain.orders import Order
from execution.domain.risk.exposure import Held
from execution.domain.risk.trading_state import (
    EVERYWHERE,
    ScopeState,
    Stop,
    TradingState,
    stop,
)
from execution.domain.vocabulary import BrokerName, Side

from .an_order import CAME, an_order

FIRST = {"attempt_no": 1, "created_at": CAME}
CHILD = {"parent_order_id": uuid4(), "side": Side.SELL}
FLAT, LONG = Held(), Held(Decimal(10))


def state(name: str, scope: str = EVERYWHERE, reason: str | None = None) -> ScopeState:
    """A state of a scope."""
    return ScopeState(scope, TradingState(name), reason)


def test_active_stops_nothing() -> None:
    """Nor does it matter."""
    assert stop(an_order(), state("ACTIVE"), FLAT) is None
    assert not state("ACTIVE").matters


@pytest.mark.parametrize("held", [FLAT, LONG, None])
def test_halted_stops_every_order(held: Held | None) -> None:
    """Whatever it does to a position; the reason is the operator's."""
    order = an_order(FIRST, side=Side.SELL, reduce_only=True)
    found = stop(order, state("HALTED", reason="quotes look wrong"), held)
    assert found == Stop("HALTED (every broker): quotes look wrong")
    assert stop(order, state("HALTED", "IBKR"), held) == Stop("HALTED (IBKR)")


def test_a_child_waits_for_the_end_of_a_halt() -> None:
    """A position must not stay without its stop for good."""
    found = stop(an_order(FIRST, **CHILD), state("HALTED"), LONG)
    assert found is not None
    assert found.waits


def test_a_child_at_its_venue_is_kept_to_its_size() -> None:
    """The attempt that replaces one that was cancelled for it passes even a halt."""
    assert stop(an_order({"attempt_no": 2}, **CHILD), state("HALTED"), LONG) is None


@pytest.mark.parametrize(
    ("order", "held", "passes"),
    [
        (an_order(FIRST, side=Side.SELL), LONG, True),
        (an_order(FIRST, side=Side.SELL, quantity=Decimal(11)), LONG, False),
        (an_order(FIRST, side=Side.BUY), LONG, False),
        (an_order(FIRST, side=Side.SELL), Held(Decimal(10), Decimal(1)), False),
        (an_order(FIRST, side=Side.SELL, reduce_only=True), Held(Decimal(10), Decimal(1)), True),
        (an_order(FIRST, side=Side.SELL, reduce_only=True), FLAT, False),
        (an_order(FIRST, **CHILD), FLAT, True),
        (an_order(FIRST), None, True),
    ],
)
def test_reducing(order: Order, held: Held | None, passes: bool) -> None:  # noqa: FBT001
    """Only what brings the position nearer to zero passes; unknown is judged later."""
    found = stop(order, state("REDUCING"), held)
    assert (found is None) == passes
    if found is not None:
        assert found.reason == "REDUCING (every broker); only what reduces a position passes"
        assert not found.waits


def test_what_was_accepted_before_the_end_of_a_halt() -> None:
    """It goes out by surprise neither then nor later; what comes afterwards is sent."""
    ended = CAME + timedelta(minutes=1)
    over = ScopeState(EVERYWHERE, TradingState.ACTIVE, None, ended)
    assert over.matters
    found = stop(an_order(FIRST), over, LONG)
    assert found is not None
    assert found.reason.startswith(f"HALTED until {ended.isoformat()}: it was accepted before")
    assert stop(an_order(FIRST, created_at=ended), over, LONG) is None
    assert stop(an_order(FIRST, **CHILD), over, LONG) is None


def test_by_when_the_request_came() -> None:
    """One that no worker has made an order of during a halt is as old as its request."""
    ended = CAME + timedelta(minutes=1)
    over = ScopeState("IBKR", TradingState.ACTIVE, None, ended)
    fresh = an_order(FIRST, created_at=ended + timedelta(minutes=1))
    assert stop(fresh, over, LONG) is None
    found = stop(fresh, over, LONG, accepted_at=CAME)
    assert found is not None
    assert "(IBKR)" in found.reason


def test_a_new_attempt_of_an_order_that_was_live() -> None:
    """A change after the halt makes one; an order turned to paper after it is as old as it was."""
    ended = CAME + timedelta(minutes=1)
    over = ScopeState(EVERYWHERE, TradingState.ACTIVE, None, ended)
    later = {"attempt_no": 2, "created_at": ended}
    assert stop(an_order(later), over, LONG) is None
    assert stop(an_order(later, broker=BrokerName.PAPER), over, LONG) is not None


def test_scopes() -> None:
    """A broker's state is about what is there now."""
    assert state("HALTED").holds_for(an_order())
    assert state("HALTED", "IBKR").holds_for(an_order())
    assert not state("HALTED", "IBKR").holds_for(an_order(broker=BrokerName.PAPER))
