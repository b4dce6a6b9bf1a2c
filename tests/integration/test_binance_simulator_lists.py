"""The simulated Binance's cancel-replace and order lists: what each part does to the others."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from .binance_client import LIMIT, SYMBOL, RunningVenue

RESTING = LIMIT | {"quantity": "1", "price": "95"}


@pytest.fixture
def venue() -> Iterator[RunningVenue]:
    """A venue with a market of 99 and 101."""
    with RunningVenue() as venue:
        yield venue


def _replace(venue: RunningVenue, mode: str, **changes: Any) -> tuple[int, Any]:
    fields = RESTING | {"cancelReplaceMode": mode, "price": "96"} | changes
    reply = venue.ask("POST", "order/cancelReplace", fields)
    return reply.status, reply.body


def test_replace(venue: RunningVenue) -> None:
    """Cancel and new order, both told; the new one may take the old one's id."""
    venue.order(quantity="1", price="95", newClientOrderId="mine")
    status, body = _replace(
        venue, "STOP_ON_FAILURE", cancelOrigClientOrderId="mine", newClientOrderId="mine"
    )
    assert (status, body["cancelResult"], body["newOrderResult"]) == (200, "SUCCESS", "SUCCESS")
    assert body["cancelResponse"]["status"] == "CANCELED"
    assert body["newOrderResponse"]["price"] == "96.00000000"
    assert [order["state"] for order in venue.ledger()["orders"]] == ["CANCELLED", "SUBMITTED"]


@pytest.mark.parametrize(
    ("mode", "is_open", "changes", "expected", "inner"),
    [
        ("STOP_ON_FAILURE", False, {}, (400, -2022, "FAILURE", "NOT_ATTEMPTED"), (-2011, None)),
        ("ALLOW_FAILURE", False, {}, (409, -2021, "FAILURE", "SUCCESS"), (-2011, None)),
        (
            "STOP_ON_FAILURE",
            True,
            {"quantity": "200000"},
            (409, -2021, "SUCCESS", "FAILURE"),
            (None, -2010),
        ),
        (
            "ALLOW_FAILURE",
            False,
            {"quantity": "200000"},
            (400, -2022, "FAILURE", "FAILURE"),
            (-2011, -2010),
        ),
    ],
)
def test_replace_fails(  # noqa: PLR0917 - a table
    venue: RunningVenue,
    mode: str,
    is_open: bool,  # noqa: FBT001 - a table
    changes: dict[str, str],
    expected: tuple[int, int, str, str],
    inner: tuple[int | None, int | None],
) -> None:
    """What went wrong of the two is nested in the answer, each with its own code."""
    order = venue.order(quantity="1", price="95")
    if not is_open:
        venue.delete("order", symbol=SYMBOL, orderId=order["orderId"])
    price = {"price": "450"} if changes else {}
    # Far more than there is money for, but within every filter.
    changes = {"quantity": "8000", "side": "SELL"} if changes else {}
    status, body = _replace(venue, mode, cancelOrderId=order["orderId"], **changes, **price)
    data = body["data"]
    assert (status, body["code"], data["cancelResult"], data["newOrderResult"]) == expected
    assert data["cancelResponse"].get("code") == inner[0]
    assert (data["newOrderResponse"] or {}).get("code") == inner[1]


def test_replace_screened_first(venue: RunningVenue) -> None:
    """What fails a filter cancels nothing."""
    order = venue.order(quantity="1", price="95")
    status, body = _replace(
        venue, "STOP_ON_FAILURE", cancelOrderId=order["orderId"], quantity="0.000001"
    )
    assert (status, body["code"]) == (400, -1013)
    assert len(venue.get("openOrders", symbol=SYMBOL)) == 1


OCO = {
    "symbol": SYMBOL,
    "side": "SELL",
    "quantity": "1",
    "aboveType": "LIMIT_MAKER",
    "abovePrice": "110",
    "belowType": "STOP_LOSS",
    "belowStopPrice": "90",
    "newOrderRespType": "RESULT",
}


def _states(venue: RunningVenue) -> list[str]:
    return [order["status"] for order in venue.get("allOrders", symbol=SYMBOL)]


@pytest.mark.parametrize(
    ("market", "states"),
    [(("110", "112"), ["FILLED", "EXPIRED"]), (("90", "91"), ["EXPIRED", "FILLED"])],
)
def test_oco(venue: RunningVenue, market: tuple[str, str], states: list[str]) -> None:
    """Whichever leg of an OCO executes ends the other; both lock their money once."""
    placed = venue.post("orderList/oco", **OCO)
    assert placed["contingencyType"] == "OCO"
    assert [report["status"] for report in placed["orderReports"]] == ["NEW", "NEW"]
    assert venue.balance("BTC") == ("99.00000000", "1.00000000")
    venue.price(*market)
    assert _states(venue) == states
    assert venue.balance("BTC") == ("99.00000000", "0.00000000")
    found = venue.get("orderList", orderListId=placed["orderListId"])
    assert found["listOrderStatus"] == "ALL_DONE"
    assert venue.get("openOrderList") == []


def test_oco_in_part(venue: RunningVenue) -> None:
    """The first part of a limit leg's fill ends the stop; the rest works on."""
    venue.control("POST", "liquidity", {"symbol": SYMBOL, "size": "0.4"})
    venue.post("orderList/oco", **OCO)
    venue.price("110", "112")
    assert _states(venue) == ["PARTIALLY_FILLED", "EXPIRED"]
    assert venue.balance("BTC")[1] == "0.60000000"


def test_reached_stop_decides(venue: RunningVenue) -> None:
    """A stop leg that is reached ends the limit leg, although it only rests itself."""
    stop = {"belowType": "STOP_LOSS_LIMIT", "belowPrice": "95", "belowTimeInForce": "GTC"}
    venue.post("orderList/oco", **(OCO | stop))
    venue.price("90", "91")
    assert _states(venue) == ["EXPIRED", "NEW"]
    assert venue.balance("BTC")[1] == "1.00000000"


@pytest.mark.parametrize("by_leg", [True, False])
def test_cancel_oco(venue: RunningVenue, by_leg: bool) -> None:  # noqa: FBT001
    """A cancel of the list, or of one of its orders, is a cancel of all."""
    placed = venue.post("orderList/oco", **OCO, listClientOrderId="list")
    if by_leg:
        order_id = placed["orders"][1]["orderId"]
        answer = venue.delete("order", symbol=SYMBOL, orderId=order_id)
    else:
        answer = venue.delete("orderList", symbol=SYMBOL, listClientOrderId="list")
    assert answer["listOrderStatus"] == "ALL_DONE"
    assert [report["status"] for report in answer["orderReports"]] == ["CANCELED", "CANCELED"]
    assert _states(venue) == ["CANCELED", "CANCELED"]
    assert venue.balance("BTC")[1] == "0.00000000"
    assert len(venue.get("allOrderList")) == 1


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"aboveType": "MARKET", "abovePrice": None}, -1158),
        ({"abovePrice": "100"}, -2010),
        ({"belowStopPrice": "102"}, -2010),
        ({"belowType": "LIMIT_MAKER", "belowStopPrice": None, "belowPrice": "90"}, -1168),
        ({"side": "BUY"}, -1165),
        ({"belowType": "TAKE_PROFIT"}, -1199),
        ({"aboveType": "STOP_LOSS", "aboveStopPrice": "110", "abovePrice": None}, -1197),
        ({"quantity": "101"}, -2010),
        ({"aboveClientOrderId": "one", "belowClientOrderId": "one"}, -2010),
    ],
)
def test_refused_oco(venue: RunningVenue, changes: dict[str, str | None], code: int) -> None:
    """Legs of the wrong kind, on the wrong side, or without the money."""
    assert venue.refused("POST", "orderList/oco", **(OCO | changes))[:2] == (400, code)
    assert _states(venue) == []


OTO = {
    "symbol": SYMBOL,
    "workingType": "LIMIT",
    "workingSide": "BUY",
    "workingPrice": "95",
    "workingQuantity": "2",
    "workingTimeInForce": "GTC",
    "pendingType": "LIMIT",
    "pendingSide": "SELL",
    "pendingPrice": "105",
    "pendingQuantity": "1",
    "pendingTimeInForce": "GTC",
}


def test_oto(venue: RunningVenue) -> None:
    """The pending order waits off the book until the working one is filled whole."""
    placed = venue.post("orderList/oto", **OTO)
    assert [report["status"] for report in placed["orderReports"]] == ["NEW", "PENDING_NEW"]
    venue.control("POST", "liquidity", {"symbol": SYMBOL, "size": "1"})
    venue.price("93", "94")
    assert _states(venue) == ["PARTIALLY_FILLED", "PENDING_NEW"]
    venue.control("POST", "liquidity", {"symbol": SYMBOL, "size": None})
    assert _states(venue) == ["FILLED", "NEW"]
    venue.price("105", "106")
    assert _states(venue) == ["FILLED", "FILLED"]


def test_oto_at_once(venue: RunningVenue) -> None:
    """A working order that fills at once is told so, and the pending one as pending still."""
    placed = venue.post("orderList/oto", **(OTO | {"workingPrice": "101"}))
    assert [report["status"] for report in placed["orderReports"]] == ["FILLED", "PENDING_NEW"]
    assert _states(venue) == ["FILLED", "NEW"]


def test_oto_without_its_working_order(venue: RunningVenue) -> None:
    """When the working order ends unfilled, so does what waited for it."""
    placed = venue.post("orderList/oto", **OTO)
    venue.delete("order", symbol=SYMBOL, orderId=placed["orders"][0]["orderId"])
    assert _states(venue) == ["CANCELED", "CANCELED"]


def test_oto_that_expires(venue: RunningVenue) -> None:
    """A working order that may not rest takes the pending one with it."""
    venue.post("orderList/oto", **(OTO | {"workingTimeInForce": "IOC"}))
    assert _states(venue) == ["EXPIRED", "EXPIRED"]


def test_oto_without_the_money(venue: RunningVenue) -> None:
    """A pending order that cannot be paid for when its time comes expires."""
    venue.post("orderList/oto", **(OTO | {"pendingQuantity": "103"}))
    venue.price("93", "94")
    assert _states(venue) == ["FILLED", "EXPIRED"]


OTOCO = {name: value for name, value in OTO.items() if not name.startswith("pending")} | {
    "pendingSide": "SELL",
    "pendingQuantity": "1",
    "pendingAboveType": "LIMIT_MAKER",
    "pendingAbovePrice": "110",
    "pendingBelowType": "STOP_LOSS_LIMIT",
    "pendingBelowStopPrice": "90",
    "pendingBelowPrice": "89",
    "pendingBelowTimeInForce": "GTC",
}


@pytest.mark.parametrize(
    ("market", "states"),
    [
        (("110", "112"), ["FILLED", "FILLED", "EXPIRED"]),
        (("89.50", "90"), ["FILLED", "EXPIRED", "FILLED"]),
    ],
)
def test_otoco(venue: RunningVenue, market: tuple[str, str], states: list[str]) -> None:
    """A bracket: filled, its take profit and its stop loss work, and one ends the other."""
    venue.post("orderList/otoco", **OTOCO)
    assert _states(venue) == ["NEW", "PENDING_NEW", "PENDING_NEW"]
    venue.price("94", "95")
    assert _states(venue) == ["FILLED", "NEW", "NEW"]
    assert Decimal(venue.balance("BTC")[1]) == 1
    venue.price(*market)
    assert _states(venue) == states
    assert Decimal(venue.balance("BTC")[1]) == 0


def test_duplicate_list(venue: RunningVenue) -> None:
    """A list's id is free again when the list is done."""
    venue.post("orderList/oto", **OTO, listClientOrderId="list")
    assert venue.refused("POST", "orderList/oto", **OTO, listClientOrderId="list")[1] == -2010
    venue.delete("orderList", symbol=SYMBOL, listClientOrderId="list")
    venue.post("orderList/oto", **OTO, listClientOrderId="list")
