"""How the simulated Binance reads a request: orders by type, and what it says of the malformed."""

from __future__ import annotations

from decimal import Decimal
from urllib.parse import urlencode

import pytest

from simulators.binance.entry import Leg
from simulators.binance.errors import ApiError
from simulators.binance.parameters import Parameters
from simulators.binance.records import Order

LIMIT = {"side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "1", "price": "9.50"}
MAKER = {"side": "SELL", "type": "LIMIT_MAKER", "quantity": "1", "price": "9.50"}
MARKET = {"side": "BUY", "type": "MARKET", "quantity": "1"}
STOP = {"side": "SELL", "type": "STOP_LOSS", "quantity": "1", "stopPrice": "9"}
STOP_LIMIT = LIMIT | {"type": "STOP_LOSS_LIMIT", "stopPrice": "9"}
PROFIT = STOP | {"type": "TAKE_PROFIT"}
PROFIT_LIMIT = STOP_LIMIT | {"type": "TAKE_PROFIT_LIMIT"}


def _read(fields: dict[str, str]) -> Order:
    parameters = Parameters("", urlencode(fields))
    order = Leg(parameters).read("BTCUSDT", 1)
    parameters.finish()
    return order


def _without(fields: dict[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in fields.items() if key != name}


@pytest.mark.parametrize(
    "fields",
    [
        LIMIT,
        LIMIT | {"icebergQty": "0.5", "strategyId": "7", "strategyType": "1000000"},
        LIMIT | {"timeInForce": "FOK", "selfTradePreventionMode": "DECREMENT"},
        MAKER,
        MARKET,
        _without(MARKET, "quantity") | {"quoteOrderQty": "100"},
        STOP,
        _without(STOP, "stopPrice") | {"trailingDelta": "100"},
        STOP | {"trailingDelta": "100"},
        STOP_LIMIT,
        PROFIT,
        PROFIT_LIMIT | {"timeInForce": "IOC"},
    ],
)
def test_every_type(fields: dict[str, str]) -> None:
    """Each type is read with what it needs and may have."""
    order = _read(fields | {"newClientOrderId": "mine"})
    assert (order.type, order.side, order.client_order_id) == (
        fields["type"],
        fields["side"],
        "mine",
    )
    assert order.price == Decimal(fields.get("price", "0"))


def test_own_id() -> None:
    """Without a client id the venue makes one of 22 letters and digits, a new one each time."""
    first, second = _read(LIMIT), _read(LIMIT)
    assert first.given_id is None
    assert first.client_order_id != second.client_order_id
    assert len(first.client_order_id) == 22
    assert first.client_order_id.isalnum()


@pytest.mark.parametrize(
    ("fields", "code", "words"),
    [
        (_without(LIMIT, "side"), -1102, "'side' was not sent"),
        (_without(LIMIT, "type"), -1102, "'type' was not sent"),
        (_without(LIMIT, "timeInForce"), -1102, "'timeInForce' was not sent"),
        (_without(LIMIT, "price"), -1102, "'price' was not sent"),
        (_without(LIMIT, "quantity"), -1102, "'quantity' was not sent"),
        (_without(MARKET, "quantity"), -1102, "'quantity' or 'quoteOrderQty' must be sent"),
        (_without(STOP, "stopPrice"), -1102, "'stopPrice' or 'trailingDelta' must be sent"),
        (_without(STOP_LIMIT, "price"), -1102, "'price' was not sent"),
        (LIMIT | {"side": "HOLD"}, -1117, "Invalid side."),
        (LIMIT | {"type": "STOP"}, -1116, "Invalid orderType."),
        (LIMIT | {"timeInForce": "DAY"}, -1115, "Invalid timeInForce."),
        (LIMIT | {"price": ""}, -1105, "'price' was empty"),
        (LIMIT | {"price": "-1"}, -1100, "found in parameter 'price'; legal range"),
        (LIMIT | {"quantity": "1e-5"}, -1100, "found in parameter 'quantity'; legal range"),
        (LIMIT | {"quantity": "0"}, -1013, "Invalid quantity."),
        (LIMIT | {"price": "0.0"}, -1013, "Invalid price."),
        (LIMIT | {"quantity": "0.000000001"}, -1111, "'quantity' has too much precision"),
        (LIMIT | {"newClientOrderId": "a.b"}, -1100, "'newClientOrderId'; legal range"),
        (LIMIT | {"newClientOrderId": "x" * 37}, -1100, "'newClientOrderId'; legal range"),
        (LIMIT | {"strategyType": "999999"}, -1134, "less than 1000000"),
        (LIMIT | {"selfTradePreventionMode": "BOTH"}, -1130, "'selfTradePreventionMode'"),
        (LIMIT | {"stopPrice": "9"}, -1106, "'stopPrice' sent when not required"),
        (LIMIT | {"quoteOrderQty": "9"}, -1106, "'quoteOrderQty' sent when not required"),
        (LIMIT | {"timeInForce": "IOC", "icebergQty": "0.5"}, -2010, "Unsupported order"),
        (LIMIT | {"icebergQty": "1"}, -2010, "IcebergQty exceeds QTY"),
        (MARKET | {"price": "9"}, -1106, "'price' sent when not required"),
        (MARKET | {"timeInForce": "GTC"}, -1106, "'timeInForce' sent when not required"),
        (MARKET | {"quoteOrderQty": "9"}, -1128, "Combination"),
        (MARKET | {"icebergQty": "0.5"}, -1106, "'icebergQty' sent when not required"),
        (MAKER | {"timeInForce": "GTC"}, -1106, "'timeInForce' sent when not required"),
        (STOP | {"price": "9"}, -1106, "'price' sent when not required"),
        (LIMIT | {"newClientOrderID": "mine"}, -1104, "read '5' parameter.s. but was sent '6'"),
    ],
)
def test_refused(fields: dict[str, str], code: int, words: str) -> None:
    """What is missing, malformed or too much is named, under its own code."""
    with pytest.raises(ApiError, match=words) as error:
        _read(fields)
    assert error.value.code == code


def test_twice() -> None:
    """A parameter sent twice is refused; in query and body at once, the query's counts."""
    with pytest.raises(ApiError, match="Duplicate values") as error:
        Parameters("side=BUY&side=SELL")
    assert error.value.code == -1101
    assert Parameters("side=BUY", "side=SELL").text("side") == "BUY"


def test_eight_places() -> None:
    """Zeros beyond the eighth place are no precision."""
    assert Parameters("quantity=0.100000000000").decimal("quantity") == Decimal("0.1")
