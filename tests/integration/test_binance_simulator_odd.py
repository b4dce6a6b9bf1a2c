"""What the simulated Binance does that is rare: delays, halts, delistings, resets, odd words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.venues import BinanceVenue

from .binance_client import KEY, SECRET, SYMBOL, RestClient, RunningVenue

MARKET = {"symbol": SYMBOL, "side": "BUY", "type": "MARKET", "quantity": "1"}


@pytest.fixture
def venue() -> Iterator[RunningVenue]:
    """A venue with a market of 99 and 101."""
    with RunningVenue() as venue:
        yield venue


@pytest.mark.parametrize("fields", [{"type": "MARKET", "quantity": "1"}, {"price": "95"}])
def test_taken_and_shown_by_no_query(venue: RunningVenue, fields: dict[str, Any]) -> None:
    """Nothing of it in orders and trades for a while; the account shows what it did to it."""
    before = [venue.balance(asset) for asset in ("BTC", "USDT")]
    venue.arm("invisible", seconds=0.5)
    with pytest.raises(requests.ConnectionError):
        venue.order(newClientOrderId="unseen", **({"quantity": "1"} | fields))
    named = {"symbol": SYMBOL, "origClientOrderId": "unseen"}
    assert venue.refused("GET", "order", **named)[1] == -2013
    assert venue.refused("DELETE", "order", **named)[1] == -2011
    for path in ("allOrders", "openOrders", "myTrades"):
        assert venue.get(path, symbol=SYMBOL) == []
    assert [venue.balance(asset) for asset in ("BTC", "USDT")] != before
    if "price" in fields:
        assert [one["count"] for one in venue.get("rateLimit/order")] == [1, 1]
        assert (
            "Duplicate"
            in venue.refused("POST", "order", **(MARKET | {"newClientOrderId": "unseen"}))[2]
        )
    while venue.ask("GET", "order", named).status != 200:
        """It is shown in the end."""
    assert venue.get("order", **named)["clientOrderId"] == "unseen"


def test_before_the_venue(venue: RunningVenue) -> None:
    """A page of the firewall, or JSON that says that nobody is served there."""
    venue.arm("shut_out", on="submit", times=1)
    with pytest.raises(requests.JSONDecodeError):
        venue.ask("POST", "order", MARKET)
    venue.arm("shut_out", on="submit", status=451)
    status, code, words = venue.refused("POST", "order", **MARKET)
    assert (status, code) == (451, 0)
    assert "restricted location" in words
    assert venue.ledger()["orders"] == []


def test_a_status_that_nobody_knows(venue: RunningVenue) -> None:
    """In whatever shows the order, as often as it is wanted."""
    venue.order(quantity="1", price="95", newClientOrderId="odd")
    venue.arm("strange_status", code="SUSPENDED", times=2, venue_order_id="odd")
    assert venue.get("openOrders", symbol=SYMBOL)[0]["status"] == "SUSPENDED"
    assert venue.get("allOrders", symbol=SYMBOL)[0]["status"] == "SUSPENDED"
    assert venue.get("openOrders", symbol=SYMBOL)[0]["status"] == "NEW"


@pytest.mark.parametrize("status", ["HALT", "BREAK", "CANCEL_ONLY", "NEVER_HEARD_OF"])
def test_not_traded_now(venue: RunningVenue, status: str) -> None:
    """New orders are refused, cancels pass, and other symbols go on."""
    venue.order(quantity="1", price="95", newClientOrderId="rests")
    venue.control("POST", "symbols", {"symbol": SYMBOL, "status": status})
    assert venue.refused("POST", "order", **MARKET)[1:] == (-2010, "Market is closed.")
    (told,) = venue.public("exchangeInfo", symbol=SYMBOL)["symbols"]
    assert told["status"] == status
    cancelled = venue.delete("order", symbol=SYMBOL, origClientOrderId="rests")
    assert cancelled["status"] == "CANCELED"


def test_delisted(venue: RunningVenue) -> None:
    """-1121 for whatever names it, alone or among others; it is in no list."""
    venue.order(type="MARKET", quantity="1")
    venue.control("POST", "symbols", {"symbol": SYMBOL, "listed": False})
    for path in ("myTrades", "allOrders", "openOrders"):
        assert venue.refused("GET", path, symbol=SYMBOL)[1] == -1121
    assert venue.refused("POST", "order", **MARKET)[1] == -1121
    several = {"symbols": f'["ETHUSDT","{SYMBOL}"]'}
    assert venue.refused("GET", "ticker/bookTicker", **several)[1] == -1121
    listed = {one["symbol"] for one in venue.public("exchangeInfo")["symbols"]}
    assert SYMBOL not in listed
    assert "ETHUSDT" in listed


def test_a_reset_begins_anew(tmp_path: Path) -> None:
    """Orders, trades and balances go, ids begin anew, keys and prices stay; after a restart too."""
    process = BinanceVenue(tmp_path)
    process.options = (*process.options, "--api-key", KEY, "--api-secret", SECRET)
    process.start()
    client = RestClient(process.url, process.control_url)
    try:
        client.price("99", "101")
        first = client.order(type="MARKET", quantity="1")
        client.control("POST", "reset", {})
        assert client.get("allOrders", symbol=SYMBOL) == []
        assert client.balance("BTC")[0] == "10000.00000000"
        again = client.order(type="MARKET", quantity="2")
        assert again["orderId"] == first["orderId"] == 1
        assert again["fills"][0]["tradeId"] == 1
        process.restart("simulator")
        (order,) = client.get("allOrders", symbol=SYMBOL)
        assert order["origQty"] == "2.00000000"
    finally:
        client.close()
        process.stop()


@pytest.mark.parametrize("mode", ["NONE", "TRANSFER"])
def test_a_prevention_mode_that_is_not_allowed(venue: RunningVenue, mode: str) -> None:
    """ExchangeInfo says which modes a symbol allows: none of the others is taken."""
    (told,) = venue.public("exchangeInfo", symbol=SYMBOL)["symbols"]
    assert mode not in told["allowedSelfTradePreventionModes"]
    fields = MARKET | {"selfTradePreventionMode": mode}
    assert venue.refused("POST", "order", **fields)[1] == -1130
    assert venue.ledger()["orders"] == []


def test_by_hand_each_is_its_own(venue: RunningVenue) -> None:
    """A trade without an id is of no order that was placed by hand before it."""
    placed = {"symbol": "BTC-USDT", "side": "BUY", "type": "MARKET", "quantity": "1"}
    venue.control("POST", "orders", placed)
    sold = {"symbol": "BTC-USDT", "side": "SELL", "quantity": "2", "price": "100"}
    venue.control("POST", "executions", sold)
    orders = venue.get("allOrders", symbol=SYMBOL)
    assert [(one["side"], one["executedQty"]) for one in orders] == [
        ("BUY", "1.00000000"),
        ("SELL", "2.00000000"),
    ]


def test_why_it_expired(venue: RunningVenue) -> None:
    """`expiryReason`, in the answer to the order and to whoever asks."""
    venue.control("POST", "liquidity", {"symbol": "BTC-USDT", "size": "0"})
    market = venue.order(type="MARKET", quantity="1")
    assert market["expiryReason"] == "INSUFFICIENT_LIQUIDITY"
    for tif in ("IOC", "FOK"):
        found = venue.post(
            "order",
            **MARKET
            | {"type": "LIMIT", "price": "101", "timeInForce": tif, "newOrderRespType": "FULL"},
        )
        assert tif in found["expiryReason"]
    shown = venue.get("allOrders", symbol=SYMBOL)
    assert [one["status"] for one in shown] == ["EXPIRED"] * 3
    assert all("expiryReason" in one for one in shown)
