"""An order read from the database: what it says of itself, and what its venue is given."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest

from execution.domain.vocabulary import BrokerName
from tests.unit.an_order import READ, an_order


def test_an_attempt_is_the_order_s_terms_and_its_own_names() -> None:
    """Every term of the order reaches the venue; quantity, names and times are the attempt's."""
    order = an_order(outside_rth=True, reduce_only=True)
    given = asdict(order.for_venue())
    whole, current = asdict(order), asdict(order.attempt)
    own = {
        *("attempt_id", "venue_order_id", "broker_order_id", "quantity", "created_at", "send_by"),
        *("closes", "account"),
    }
    assert {name: given[name] for name in own} == {name: current[name] for name in own}
    also = {"one_cancels_other": None, "group_filled": None, "rerouted": False}
    assert {name: given[name] for name in also} == also
    terms = given.keys() - own - also.keys()
    assert {name: given[name] for name in terms} == {name: whole[name] for name in terms}
    assert all(given[name] is not None for name in terms)


def test_a_child_covers_its_parent_s_position() -> None:
    """It reduces risk, whatever it says, and is for what its group has left it."""
    group = uuid4()
    attempt = {
        "one_cancels_other": group,
        "reduced": Decimal(2),
        "group_filled": Decimal(3),
    }
    child = an_order(attempt, parent_order_id=uuid4())
    sent = child.for_venue()
    assert (sent.one_cancels_other, sent.group_filled) == (group, Decimal(3))
    assert sent.quantity == child.attempt.quantity - 2
    assert child.reduces_risk


@pytest.mark.parametrize("wish", [True, False])
def test_reduce_only_reduces_risk(wish: bool) -> None:  # noqa: FBT001
    """Without a parent it is as the producer says."""
    assert an_order(reduce_only=wish).reduces_risk is wish


def test_rerouted_is_elsewhere_than_asked() -> None:
    """An attempt at another broker than the one asked for stands in for it."""
    assert an_order(broker=BrokerName.PAPER).for_venue().rerouted is True


def test_remaining() -> None:
    """Time until what is due, by the clock the order was read by; what is late is due now."""
    assert an_order().remaining is None
    assert an_order(due_at=READ + timedelta(seconds=3)).remaining == timedelta(seconds=3)
    assert an_order(due_at=READ - timedelta(seconds=3)).remaining == timedelta(0)


def test_symbol() -> None:
    """The symbol is the instrument's."""
    assert an_order().symbol == "SPY"
