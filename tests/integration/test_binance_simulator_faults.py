"""The simulated Binance's faults: what it does wrong on purpose, and what it holds afterwards."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from .binance_client import SYMBOL, RunningVenue

MARKET = {"symbol": SYMBOL, "side": "BUY", "type": "MARKET", "quantity": "1"}


@pytest.fixture
def venue() -> Iterator[RunningVenue]:
    """A venue with a market of 99 and 101."""
    with RunningVenue() as venue:
        yield venue


def _eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline, "did not come true within 5 s"
        time.sleep(0.01)


@pytest.mark.parametrize(("kind", "taken"), [("drop_request", 0), ("drop_reply", 1)])
def test_dropped(venue: RunningVenue, kind: str, taken: int) -> None:
    """The connection drops, before the order is taken or after."""
    venue.arm(kind)
    with pytest.raises(requests.ConnectionError):
        venue.order(type="MARKET", quantity="1")
    assert len(venue.ledger()["orders"]) == taken
    assert venue.fired(kind) == 1
    venue.order(type="MARKET", quantity="1")


@pytest.mark.parametrize(
    ("options", "status", "code", "words"),
    [
        ({}, 500, -1000, "An unknown error occurred"),
        ({"status": 504}, 504, -1007, "Timeout waiting for response from backend server."),
        ({"status": 503, "code": "-1006"}, 503, -1006, "An unexpected response"),
        ({"status": 502, "code": "-9000", "reason": "odd"}, 502, -9000, "odd"),
    ],
)
def test_error_after_accepting(
    venue: RunningVenue, options: dict[str, Any], status: int, code: int, words: str
) -> None:
    """The venue takes the order and answers with an error, whichever is wanted."""
    venue.arm("error_reply", **options)
    told_status, told, message = venue.refused("POST", "order", **MARKET)
    assert (told_status, told) == (status, code)
    assert message.startswith(words)
    assert len(venue.ledger()["orders"]) == 1


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, (400, -2010, "rejected by an armed fault")),
        ({"code": "-2010"}, (400, -2010, "rejected by an armed fault")),
        ({"code": "-1013", "reason": "Filter failure: X"}, (400, -1013, "Filter failure: X")),
        ({"code": "-2015", "status": 401, "reason": "no"}, (401, -2015, "no")),
    ],
)
def test_rejects(
    venue: RunningVenue, options: dict[str, Any], expected: tuple[int, int, str]
) -> None:
    """The venue refuses with any code and words."""
    venue.arm("reject", **options)
    assert venue.refused("POST", "order", **MARKET)[:2] == expected[:2]
    if "reason" in options:
        venue.arm("reject", **options)
        assert venue.refused("POST", "order", **MARKET) == expected
    ledger = venue.ledger()
    assert ledger["orders"] == []
    assert ledger["refusals"][0]["code"] == str(expected[1])


def test_malformed(venue: RunningVenue) -> None:
    """The venue takes the order and answers with what is no JSON."""
    venue.arm("malformed")
    with pytest.raises(requests.JSONDecodeError):
        venue.order(type="MARKET", quantity="1")
    assert len(venue.ledger()["orders"]) == 1


@pytest.mark.parametrize("status", [429, 418])
def test_rate_limited(venue: RunningVenue, status: int) -> None:
    """The venue takes nothing and says when to come back."""
    venue.arm("rate_limit", status=status, seconds=7, on="any")
    reply = venue.ask("GET", "account")
    assert (reply.status, reply.body["code"]) == (status, -1003)
    assert reply.headers["Retry-After"] == "7"
    assert ("banned" in reply.body["msg"]) is (status == 418)


def test_unavailable(venue: RunningVenue) -> None:
    """The venue says that it is not serving anybody."""
    venue.arm("unavailable")
    assert venue.refused("POST", "order", **MARKET)[:2] == (503, -1008)
    assert venue.ledger()["orders"] == []


def test_disconnects(venue: RunningVenue) -> None:
    """Every connection drops, and the port stays shut for a while."""
    venue.arm("disconnect", seconds=0.2)
    with pytest.raises(requests.ConnectionError):
        venue.public("ping")
    with pytest.raises(requests.ConnectionError):
        venue.public("ping")

    def back() -> bool:
        try:
            return bool(venue.public("ping") == {})
        except requests.ConnectionError:
            return False

    _eventually(back)


def test_late_reply(venue: RunningVenue) -> None:
    """The order is taken while its answer is still on the way."""
    venue.arm("delay_reply", seconds=0.3)
    url = f"{venue.url}/api/v3/ping"
    venue.arm("delay_reply", seconds=0.3, on="query")
    with pytest.raises(requests.ReadTimeout):
        requests.get(url, timeout=(10, 0.1))
    venue.order(type="MARKET", quantity="1")
    assert venue.fired("delay_reply") == 2


def test_held_until_cleared(venue: RunningVenue) -> None:
    """An order that could fill does not, until it is let go."""
    venue.arm("hold_fills", symbol="BTCUSDT")
    order = venue.order(type="MARKET", quantity="1")
    assert (order["status"], order["executedQty"]) == ("NEW", "0.00000000")
    venue.price("98", "100")
    assert venue.get("openOrders", symbol=SYMBOL)[0]["orderId"] == order["orderId"]
    venue.control("DELETE", "faults")
    found = venue.get("order", symbol=SYMBOL, orderId=order["orderId"])
    assert found["status"] == "FILLED"


def test_held_for_a_while(venue: RunningVenue) -> None:
    """A hold of some seconds ends by itself; an IOC order is not ended by it."""
    venue.arm("hold_fills", seconds=0.1, venue_order_id="mine")
    order = venue.order(quantity="1", price="105", timeInForce="IOC", newClientOrderId="mine")
    assert order["status"] == "NEW"

    def filled() -> bool:
        found = venue.get("order", symbol=SYMBOL, orderId=order["orderId"])
        return bool(found["status"] == "FILLED")

    _eventually(filled)


def test_trade_before_status(venue: RunningVenue) -> None:
    """A trade is listed while its order does not show it, once."""
    order = venue.order(type="MARKET", quantity="1")
    venue.arm("fill_before_status", symbol="BTC-USDT")
    query = {"symbol": SYMBOL, "orderId": order["orderId"]}
    lagging = venue.get("order", **query)
    assert (lagging["status"], lagging["executedQty"]) == ("NEW", "0.00000000")
    assert len(venue.get("myTrades", **query)) == 1
    assert venue.get("order", **query)["status"] == "FILLED"


def test_answer_before_status(venue: RunningVenue) -> None:
    """The answer to a new order may lag, too."""
    venue.arm("fill_before_status")
    order = venue.order(type="MARKET", quantity="1")
    assert (order["status"], order["fills"]) == ("NEW", [])
    assert venue.get("order", symbol=SYMBOL, orderId=order["orderId"])["status"] == "FILLED"


def test_listed_twice(venue: RunningVenue) -> None:
    """A trade may be listed twice, under one id."""
    venue.order(type="MARKET", quantity="1", newClientOrderId="mine")
    venue.arm("duplicate_report", venue_order_id="mine")
    first, second = venue.get("myTrades", symbol=SYMBOL)
    assert first == second
    assert len(venue.get("myTrades", symbol=SYMBOL)) == 1


@pytest.mark.parametrize(
    ("operation", "method", "path", "parameters"),
    [
        ("cancel", "DELETE", "order", {"origClientOrderId": "mine"}),
        ("query", "GET", "order", {"origClientOrderId": "mine"}),
        (
            "modify",
            "POST",
            "order/cancelReplace",
            MARKET
            | {
                "cancelReplaceMode": "ALLOW_FAILURE",
                "cancelOrigClientOrderId": "mine",
                "newClientOrderId": "next",
            },
        ),
    ],
)
def test_operations(
    venue: RunningVenue, operation: str, method: str, path: str, parameters: dict[str, str]
) -> None:
    """A fault strikes the operation that it was armed on, and the order that it names."""
    venue.order(quantity="1", price="95", newClientOrderId="other")
    order = venue.order(quantity="1", price="95", newClientOrderId="mine")
    venue.arm("reject", on=operation, code="-9000", reason="struck", venue_order_id="mine")
    venue.get("openOrders", symbol=SYMBOL)
    assert venue.refused(method, path, **({"symbol": SYMBOL} | parameters))[2] == "struck"
    venue.arm("reject", on="cancel", code="-9000", reason="struck", venue_order_id="mine")
    struck = venue.refused("DELETE", "order", symbol=SYMBOL, orderId=order["orderId"])
    assert struck[2] == "struck"


def test_order_ids_do_not_confuse(venue: RunningVenue) -> None:
    """A fault for one symbol leaves another's order of the same number alone."""
    venue.price("1000", "1001", "ETHUSDT")
    venue.arm("hold_fills", symbol="ETHUSDT")
    assert venue.order(type="MARKET", quantity="1")["status"] == "FILLED"
    assert venue.order(symbol="ETHUSDT", type="MARKET", quantity="1")["status"] == "NEW"


def test_cannot_be_armed(venue: RunningVenue) -> None:
    """A fault for a symbol that does not trade here could never fire."""
    body = {"kind": "reject", "symbol": "SPY"}
    assert "does not trade here" in venue.control("POST", "faults", body, status=400)["error"]
    venue.control("POST", "prices", {"symbol": "SPY", "bid": "1", "ask": "1"}, status=400)
    venue.control("POST", "liquidity", {"symbol": "ETHUSDT", "size": "1"}, status=400)
    venue.control("POST", "clock", {"offset_ms": "1"}, status=400)
