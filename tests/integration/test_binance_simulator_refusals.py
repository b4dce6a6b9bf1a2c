"""What the simulated Binance refuses, in which words; its limits and its clock."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from .binance_client import KEY, LIMIT, SECRET, SYMBOL, Reply, RunningVenue

MARKET = {"symbol": SYMBOL, "side": "BUY", "type": "MARKET", "quantity": "1"}
RESTING = LIMIT | {"quantity": "1", "price": "95"}
INSUFFICIENT = (400, -2010, "Account has insufficient balance for requested action.")


@pytest.fixture
def venue() -> Iterator[RunningVenue]:
    """A venue with a market of 99 and 101."""
    with RunningVenue() as venue:
        yield venue


@pytest.mark.parametrize(
    ("key", "secret", "status", "code"),
    [(None, SECRET, 401, -2014), ("other", SECRET, 401, -2015), (KEY, "other", 400, -1022)],
)
def test_keys(venue: RunningVenue, key: str | None, secret: str, status: int, code: int) -> None:
    """No key, another's key, another secret."""
    reply = venue.ask("GET", "account", key=key, secret=secret)
    assert (reply.status, reply.body["code"]) == (status, code)


def test_signature_over_query_and_body(venue: RunningVenue) -> None:
    """Parameters may be split between query and body; the signature is over both as they came."""
    query = "symbol=BTCUSDT&side=BUY&type=MARKET"
    body = f"quantity=1&timestamp={int(time.time() * 1000)}"
    signature = hmac.new(SECRET.encode(), (query + body).encode(), hashlib.sha256).hexdigest()
    with requests.post(
        f"{venue.url}/api/v3/order?{query}",
        data=f"{body}&signature={signature}",
        headers={"X-MBX-APIKEY": KEY, "Content-Type": "application/x-www-form-urlencoded"},
        timeout=5,
    ) as reply:
        assert reply.json()["status"] == "FILLED"


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"symbol": None}, -1102, "Mandatory parameter 'symbol' was not sent"),
        ({"symbol": "BTCEUR"}, -1121, "Invalid symbol."),
        ({"symbol": "btcusdt"}, -1100, "Illegal characters found in parameter 'symbol'"),
        ({"type": "LIMITED"}, -1116, "Invalid orderType."),
        ({"quantity": "0.000001"}, -1013, "Filter failure: LOT_SIZE"),
        ({"quantity": "0.0000000001"}, -1111, "Parameter 'quantity' has too much precision."),
        ({"quantity": "0.01"}, -1013, "Filter failure: NOTIONAL"),
        ({"price": "95.001"}, -1013, "Filter failure: PRICE_FILTER"),
        ({"price": "1000"}, -1013, "Filter failure: PERCENT_PRICE_BY_SIDE"),
        ({"side": "SELL", "quantity": "101"}, *INSUFFICIENT[1:]),
        ({"quantity": "8000", "price": "1000.01"}, -1013, "Filter failure: PERCENT_PRICE"),
        ({"recvWindow": "60001"}, -1131, "recvWindow must be less than 60000"),
        ({"timestamp": "1"}, -1021, "Timestamp for this request is outside of the recvWindow."),
        ({"newOrderRespType": "SHORT"}, -1130, "Data sent for parameter 'newOrderRespType'"),
        ({"reduceOnly": "true"}, -1104, "Not all sent parameters were read; read '9'"),
    ],
)
def test_refused_orders(
    venue: RunningVenue, changes: dict[str, str | None], code: int, words: str
) -> None:
    """Each refusal has Binance's code and words, is counted, and leaves nothing behind."""
    mine = {"newClientOrderId": "mine"}
    status, told, message = venue.refused("POST", "order", **(RESTING | mine | changes))
    assert (status, told) == (400, code)
    assert message.startswith(words)
    ledger = venue.ledger()
    assert ledger["orders"] == []
    assert ledger["refusals"] == [{"venue_order_id": "mine", "code": str(code)}]


def test_insufficient_funds(venue: RunningVenue) -> None:
    """Nothing is sold that is not held, and locked money is spent once."""
    assert venue.refused("POST", "order", **(MARKET | {"side": "SELL", "quantity": "100.5"})) == (
        INSUFFICIENT
    )
    venue.order(side="SELL", quantity="60", price="105")
    assert venue.refused("POST", "order", **(MARKET | {"side": "SELL", "quantity": "41"})) == (
        INSUFFICIENT
    )
    venue.order(type="MARKET", side="SELL", quantity="40")
    venue.control("POST", "balances", {"USDT": "100"})
    assert venue.refused("POST", "order", **MARKET) == INSUFFICIENT


def test_duplicate_ids(venue: RunningVenue) -> None:
    """A client id is one order's as long as that is open, and then free again."""
    mine = {"newClientOrderId": "mine"}
    first = venue.order(quantity="1", price="95", **mine)
    refusal = venue.refused("POST", "order", **RESTING, **mine)
    assert refusal == (400, -2010, "Duplicate order sent.")
    venue.price("1000", "1001", "ETHUSDT")
    venue.order(symbol="ETHUSDT", quantity="1", price="900", **mine)
    venue.price("93", "94")
    second = venue.order(quantity="1", price="50", **mine)
    assert second["orderId"] > first["orderId"]
    found = venue.get("order", symbol=SYMBOL, origClientOrderId="mine")
    assert found["orderId"] == second["orderId"]


@pytest.mark.parametrize(
    ("method", "path", "parameters", "code"),
    [
        ("GET", "order", {"symbol": SYMBOL, "orderId": 7}, -2013),
        ("GET", "order", {"symbol": SYMBOL, "origClientOrderId": "mine"}, -2013),
        ("GET", "order", {"symbol": SYMBOL}, -1102),
        ("DELETE", "order", {"symbol": SYMBOL, "origClientOrderId": "mine"}, -2011),
        ("DELETE", "order", {"symbol": SYMBOL}, -1102),
        ("DELETE", "order", {"symbol": SYMBOL, "orderId": 7, "cancelRestrictions": "X"}, -1145),
        ("GET", "allOrders", {}, -1102),
        ("GET", "myTrades", {"symbol": "X"}, -1121),
        ("PUT", "order/amend/keepPriority", {"symbol": SYMBOL, "orderId": 7, "newQty": 1}, -2038),
        ("GET", "orderList", {"orderListId": 7}, -2013),
        ("DELETE", "orderList", {"symbol": SYMBOL, "orderListId": 7}, -2011),
        ("GET", "account", {"symbol": SYMBOL}, -1104),
    ],
)
def test_unknown(
    venue: RunningVenue, method: str, path: str, parameters: dict[str, Any], code: int
) -> None:
    """What is not there, and what is not said."""
    assert venue.refused(method, path, **parameters)[:2] == (400, code)


def test_two_ids(venue: RunningVenue) -> None:
    """Both ids must name one order."""
    order = venue.order(quantity="1", price="95", newClientOrderId="mine")
    both = {"symbol": SYMBOL, "orderId": order["orderId"]}
    assert venue.get("order", **both, origClientOrderId="mine")["orderId"] == order["orderId"]
    assert venue.refused("GET", "order", **both, origClientOrderId="other")[1] == -2039


def test_public_refusals(venue: RunningVenue) -> None:
    """Market data is refused in its own words."""
    for path, parameters, code in (
        ("depth", {}, -1102),
        ("depth", {"symbol": "X"}, -1121),
        ("klines", {"symbol": SYMBOL, "interval": "7m"}, -1120),
        ("ticker/price", {"symbol": SYMBOL, "side": "BUY"}, -1101),
        ("ticker/price", {"symbols": "BTCUSDT"}, -1100),
        ("ticker/price", {"symbols": '["BTCUSDT","BTCUSDT"]'}, -1151),
        ("ticker/24hr", {"symbol": SYMBOL, "type": "TINY"}, -1139),
    ):
        reply = venue.ask("GET", path, parameters, signed=False, key=None)
        assert (reply.status, reply.body["code"]) == (400, code), path


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/sapi/v1/margin/allPairs", 404),
        ("GET", "/fapi/v1/exchangeInfo", 404),
        ("PATCH", "/api/v3/order", 405),
    ],
)
def test_elsewhere(venue: RunningVenue, method: str, path: str, status: int) -> None:
    """Other products are cleanly not there."""
    with requests.request(method, f"{venue.url}{path}", timeout=5) as reply:
        assert reply.status_code == status
        assert reply.json()["path"] == path


@pytest.mark.parametrize(
    ("offset", "words"), [(6000, "outside of the recvWindow"), (-2000, "1000ms ahead")]
)
def test_clock_skew(venue: RunningVenue, offset: int, words: str) -> None:
    """A venue whose clock is off refuses what is timed by the true one, and says its own time."""
    venue.control("POST", "clock", {"offset_ms": offset})
    status, code, message = venue.refused("POST", "order", **MARKET)
    assert (status, code) == (400, -1021)
    assert words in message
    ahead = venue.public("time")["serverTime"] - time.time() * 1000
    assert abs(ahead - offset) < 500
    venue.ask("POST", "order", MARKET | {"timestamp": venue.public("time")["serverTime"]})
    assert len(venue.ledger()["orders"]) == 1


def test_late(venue: RunningVenue) -> None:
    """The receive window counts when a request is processed: what stood still is refused."""
    venue.arm("delay", seconds=0.2)
    refusal = venue.refused("POST", "order", **MARKET, recvWindow=100)
    assert refusal[:2] == (400, -1021)
    assert venue.ledger()["orders"] == []


def test_weight() -> None:
    """Weights are told with every answer; beyond the limit 429, and 418 for who goes on."""
    noon = datetime(2026, 1, 2, 12, 0, 15, tzinfo=UTC)
    with RunningVenue(clock=lambda: noon, weight_limit=50, ban_after=1, ban_seconds=30) as venue:

        def ask(path: str, **parameters: str) -> Reply:
            return venue.ask("GET", path, parameters, signed=False, key=None)

        used = [ask("exchangeInfo"), ask("depth", symbol=SYMBOL), ask("exchangeInfo")]
        assert [reply.headers["X-MBX-USED-WEIGHT-1M"] for reply in used] == ["20", "25", "45"]
        refused = [ask("exchangeInfo"), ask("ping"), ask("ping")]
        assert [(reply.status, reply.body["code"]) for reply in refused] == [
            (429, -1003),
            (418, -1003),
            (418, -1003),
        ]
        assert [reply.headers["Retry-After"] for reply in refused] == ["45", "30", "30"]


def test_order_count() -> None:
    """Unfilled orders are counted, told, and limited."""
    with RunningVenue(order_limit_10s=2, order_limit_day=2) as venue:
        reply = venue.ask("POST", "order", RESTING)
        assert reply.headers["X-MBX-ORDER-COUNT-1D"] == "1"
        venue.order(type="MARKET", quantity="1")
        assert venue.get("rateLimit/order")[1]["count"] == 1
        venue.order(quantity="1", price="95")
        assert venue.refused("POST", "order", **RESTING)[:2] == (429, -1015)


def test_too_many_orders() -> None:
    """MAX_NUM_ORDERS and MAX_NUM_ALGO_ORDERS are per symbol, and can be set."""
    with RunningVenue(max_orders=2, max_algo_orders=1) as venue:
        stop = {"type": "STOP_LOSS", "side": "SELL", "quantity": "1", "stopPrice": "90"}
        venue.order(**stop)
        more = {"symbol": SYMBOL, **stop}
        assert venue.refused("POST", "order", **more)[2] == "Filter failure: MAX_NUM_ALGO_ORDERS"
        venue.order(quantity="1", price="95")
        assert venue.refused("POST", "order", **RESTING)[2] == "Filter failure: MAX_NUM_ORDERS"
