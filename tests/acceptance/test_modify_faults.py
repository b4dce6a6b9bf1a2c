"""Changes and cancels that the venue refuses, loses, or does not answer."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from tests.acceptance.test_cancel_modify import LIVE, LOW, cancel, command, modify, resting
from tests.fleet import Fleet, wait_until


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


def pending(fleet: Fleet, external_id: str) -> dict[str, Any]:
    """A command as it stands, once it is recorded."""
    statement = "SELECT * FROM order_commands WHERE external_id = %s"
    (row,) = wait_until(lambda: fleet.query(statement, external_id), what="the command")
    return dict(row)


def test_a_refused_change_of_price(fleet: Fleet) -> None:
    """The quantity that the venue shows is right all the while; the price is not."""
    order = resting(fleet, LIVE)
    fleet.venue.arm("reject", on="modify", code="10", reason="price out of range", scope="ORDER")
    refused = command(fleet, modify(fleet, order, quantity="3", limit_price="50000"))
    assert (refused["outcome"], refused["sends"]) == ("REFUSED", 1)
    assert refused["reason"] == "the venue refused: price out of range"
    after = fleet.await_state(order["client_order_id"], "SUBMITTED")
    assert after["limit_price"] == order["limit_price"] == Decimal(LOW[LIVE])


def test_a_change_of_price_whose_reply_is_lost(fleet: Fleet) -> None:
    """The venue shows the new price: it was made, and is not sent again."""
    order = resting(fleet, LIVE)
    fleet.venue.arm("drop_reply", on="modify")
    done = command(fleet, modify(fleet, order, limit_price="50000"))
    assert (done["outcome"], done["sends"]) == ("DONE", 1)
    assert fleet.order(order["client_order_id"])["limit_price"] == 50000  # type: ignore[index]


def test_a_change_that_never_arrives(fleet: Fleet) -> None:
    """It is sent again after a while, sparingly; how it stands shows; in the end it is refused."""
    order = resting(fleet, LIVE)
    name = order["client_order_id"]
    before = fleet.venue.fired("drop_request")
    fleet.venue.arm("drop_request", on="modify", times=100)
    chosen = modify(fleet, order, limit_price="50000")
    wait_until(lambda: pending(fleet, chosen)["sends"] == 2, what="the second send")
    looks = pending(fleet, chosen)["resends"]
    wait_until(lambda: pending(fleet, chosen)["resends"] > looks, what="another look")
    assert fleet.venue.fired("drop_request") == before + 2
    shown = json.loads(fleet.cli("show", name, "--json").stdout)["commands"]
    assert [(one["outcome"], one["sends"]) for one in shown] == [("PENDING", 2)]
    assert shown[0]["reason"] == "BINANCE shows limit_price 60000 instead of 50000"
    fleet.query(
        """UPDATE order_commands SET sent_at = sent_at - interval '3 minutes',
            due_at = clock_timestamp() WHERE external_id = %s RETURNING 1""",
        chosen,
    )
    refused = command(fleet, chosen)
    assert refused["outcome"] == "REFUSED"
    assert refused["reason"] == "sent 2 times: BINANCE shows limit_price 60000 instead of 50000"
    assert fleet.order(name)["limit_price"] == 60000  # type: ignore[index]


def test_a_cancel_that_the_venue_leaves_pending(fleet: Fleet) -> None:
    """It goes out twice at most within a minute, is visible, and ends when the venue obeys."""
    order = resting(fleet, LIVE)
    name = order["client_order_id"]
    before = fleet.venue.fired("drop_request")
    fleet.venue.arm("drop_request", on="cancel", times=100)
    chosen = cancel(fleet, name)
    wait_until(lambda: pending(fleet, chosen)["sends"] == 2, what="the second send")
    looks = pending(fleet, chosen)["resends"]
    wait_until(lambda: pending(fleet, chosen)["resends"] >= looks + 2, what="further looks")
    assert fleet.venue.fired("drop_request") == before + 2
    assert pending(fleet, chosen)["reason"] == "asked of BINANCE, and not cancelled yet"
    fleet.venue.control("DELETE", "faults")
    fleet.query(
        """UPDATE order_commands SET sent_at = sent_at - interval '1 minute',
            last_send_at = last_send_at - interval '1 minute', due_at = clock_timestamp()
        WHERE external_id = %s RETURNING 1""",
        chosen,
    )
    assert command(fleet, chosen)["outcome"] == "DONE"
    fleet.await_state(name, "CANCELLED")


def test_a_cancel_that_the_venue_refuses(fleet: Fleet) -> None:
    """Once may be a crossing; what is refused a second time is refused, and the order works on."""
    order = resting(fleet, LIVE)
    fleet.venue.arm("reject", on="cancel", code="10", reason="no cancels now", times=100)
    refused = command(fleet, cancel(fleet, order["client_order_id"]))
    assert (refused["outcome"], refused["sends"]) == ("REFUSED", 2)
    assert refused["reason"] == "the venue refused: no cancels now"
    assert fleet.await_state(order["client_order_id"], "SUBMITTED")
