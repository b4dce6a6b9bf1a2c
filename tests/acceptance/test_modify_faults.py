"""A modify that the venue refuses, and one whose answer is lost."""

from __future__ import annotations

from decimal import Decimal

from tests.acceptance.test_cancel_modify import LIVE, command, modify, resting
from tests.fleet import Fleet


def test_modify_that_the_venue_refuses(fleet: Fleet) -> None:
    """The venue's reason is the modify's; the order stays as it was."""
    order = resting(fleet, LIVE)
    fleet.venue.arm("reject", on="modify", code="10", reason="no changes now", scope="ORDER")
    refused = command(fleet, modify(fleet, order, quantity="4"))
    assert (refused["outcome"], refused["reason"]) == (
        "REFUSED",
        "the venue refused: no changes now",
    )
    after = fleet.await_state(order["client_order_id"], "SUBMITTED")
    assert after["quantity"] == Decimal(3)


def test_modify_whose_reply_is_lost(fleet: Fleet) -> None:
    """It was made, which nobody knows: it is asked for again, and is made once."""
    order = resting(fleet, LIVE)
    fleet.venue.arm("drop_reply", on="modify")
    done = command(fleet, modify(fleet, order, quantity="4"))
    assert done["outcome"] == "DONE"
    after = fleet.await_state(order["client_order_id"], "SUBMITTED")
    assert after["quantity"] == Decimal(4)
    (held,) = [held for held in fleet.venue.orders() if held["quantity"] == "4"]
    assert held["symbol"] == LIVE
