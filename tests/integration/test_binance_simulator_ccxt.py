"""The simulated Binance as ccxt, a client that knows nothing of it, sends to it and reads it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import ccxt.async_support as ccxt
import pytest

from .binance_client import KEY, SECRET, RunningVenue

PAIR = "BTC/USDT"
Case = Callable[[Any], Awaitable[None]]


@pytest.fixture
def venue() -> Iterator[RunningVenue]:
    """A venue with a market of 99 and 101."""
    with RunningVenue() as venue:
        yield venue


def _run(venue: RunningVenue, case: Case, **changes: Any) -> None:
    """Run a case with an exchange whose every address is the venue's."""

    async def run() -> None:
        exchange = ccxt.binance(
            {
                "apiKey": KEY,
                "secret": SECRET,
                "enableRateLimit": False,
                "options": {
                    "fetchMarkets": {"types": ["spot"]},
                    "fetchMargins": False,
                    "fetchCurrencies": False,
                    "warnOnFetchOpenOrdersWithoutSymbol": False,
                },
                **changes,
            }
        )
        exchange.has["fetchCurrencies"] = False
        exchange.urls["api"] = {
            name: venue.url + "/" + url.split("/", 3)[3]
            for name, url in exchange.urls["api"].items()
        }
        try:
            await case(exchange)
        finally:
            await exchange.close()

    asyncio.run(run())


def test_markets(venue: RunningVenue) -> None:
    """Precision and limits are read from the filters; every symbol is a spot market that trades."""

    async def case(exchange: Any) -> None:
        markets = await exchange.load_markets()
        market = markets[PAIR]
        assert (market["precision"]["price"], market["precision"]["amount"]) == (0.01, 0.00001)
        assert market["limits"]["cost"]["min"] == 5
        assert market["limits"]["market"]["max"] == 120
        assert all(market["spot"] and market["active"] for market in markets.values())
        assert len(markets) >= 12

    _run(venue, case)


def test_other_products(venue: RunningVenue) -> None:
    """What ccxt asks for by default beyond spot is cleanly not there."""

    async def case(exchange: Any) -> None:
        with pytest.raises(ccxt.ExchangeNotAvailable, match="404"):
            await exchange.load_markets()

    _run(venue, case, options={})


@pytest.mark.parametrize(
    ("kind", "side", "price", "parameters", "status"),
    [
        ("market", "buy", None, {}, "closed"),
        ("market", "buy", None, {"cost": 50}, "closed"),
        ("market", "sell", None, {}, "closed"),
        ("limit", "buy", 95, {}, "open"),
        ("limit", "buy", 105, {"timeInForce": "IOC"}, "closed"),
        ("limit", "buy", 95, {"timeInForce": "FOK"}, "expired"),
        ("limit", "buy", 95, {"postOnly": True}, "open"),
        ("market", "sell", None, {"stopLossPrice": 90}, "open"),
        ("market", "sell", None, {"takeProfitPrice": 110}, "open"),
        ("limit", "sell", 89, {"stopLossPrice": 90}, "open"),
        ("limit", "sell", 110, {"takeProfitPrice": 109}, "open"),
        (
            "market",
            "sell",
            None,
            {"trailingPercent": 1, "stopLossOrTakeProfit": "stopLoss"},
            "open",
        ),
        ("STOP_LOSS", "buy", None, {"stopPrice": 110}, "open"),
    ],
)
def test_order_types(  # noqa: PLR0917 - a table
    venue: RunningVenue,
    kind: str,
    side: str,
    price: float | None,
    parameters: dict[str, Any],
    status: str,
) -> None:
    """Every order type goes out as ccxt sends it and is read back the same."""

    async def case(exchange: Any) -> None:
        placed = await exchange.create_order(
            PAIR, kind, side, 0.5, price, {"clientOrderId": "mine", **parameters}
        )
        assert placed["clientOrderId"] == "mine"
        found = await exchange.fetch_order(None, PAIR, {"origClientOrderId": "mine"})
        assert (found["id"], found["status"]) == (placed["id"], status)
        assert found["side"] == side
        trades = await exchange.fetch_my_trades(PAIR, params={"orderId": placed["id"]})
        assert bool(trades) is (status == "closed")
        opened = {order["id"] for order in await exchange.fetch_open_orders()}
        assert opened == ({placed["id"]} if status == "open" else set())
        if status == "open":
            cancelled = await exchange.cancel_order(placed["id"], PAIR)
            assert cancelled["status"] == "canceled"

    _run(venue, case)


def test_fees(venue: RunningVenue) -> None:
    """Fees are read from the answer and from the trades, in what was received."""

    async def case(exchange: Any) -> None:
        order = await exchange.create_order(PAIR, "market", "sell", 0.5)
        (trade,) = await exchange.fetch_my_trades(PAIR)
        fee = {"cost": 0.0495, "currency": "USDT"}
        assert order["fees"] == [fee]
        assert trade["fee"] == fee
        assert (trade["order"], trade["takerOrMaker"]) == (order["id"], "taker")
        assert (await exchange.fetch_order(order["id"], PAIR))["fee"] is None
        balance = await exchange.fetch_balance()
        assert (balance["BTC"]["free"], balance["info"]["uid"]) == (99.5, 1000)

    _run(venue, case)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"amount": 1000}, ccxt.InsufficientFunds),
        ({"params": {"clientOrderId": "known"}}, ccxt.InvalidOrder),
        ({"params": {"timestamp": 1}}, ccxt.InvalidNonce),
        ({"amount": 0.01}, ccxt.BadRequest),
        ({"params": {"timeInForce": "DAY"}}, ccxt.BadRequest),
        ({"params": {"clientOrderId": "not.good"}}, ccxt.BadRequest),
        ({"symbol": "ETH/USDT", "amount": 100_000}, ccxt.InvalidOrder),
    ],
)
def test_refusals(venue: RunningVenue, changes: dict[str, Any], error: type[Exception]) -> None:
    """Refusals are the errors that ccxt has for Binance's."""

    async def case(exchange: Any) -> None:
        order = {"symbol": PAIR, "type": "limit", "side": "sell", "amount": 1, "price": 110}
        await exchange.create_order(**order, params={"clientOrderId": "known"})
        with pytest.raises(error):
            await exchange.create_order(**(order | changes))

    _run(venue, case)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"apiKey": "other"}, ccxt.AuthenticationError),
        ({"secret": "other"}, ccxt.AuthenticationError),
    ],
)
def test_wrong_keys(venue: RunningVenue, changes: dict[str, str], error: type[Exception]) -> None:
    """A wrong key and a wrong secret are told apart from anything else."""

    async def case(exchange: Any) -> None:
        with pytest.raises(error):
            await exchange.fetch_balance()

    _run(venue, case, **changes)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"kind": "error_reply", "status": 504}, ccxt.RequestTimeout),
        ({"kind": "error_reply", "code": "-1006", "status": 503}, ccxt.OperationFailed),
        ({"kind": "error_reply", "code": "-1000"}, ccxt.OperationFailed),
        ({"kind": "drop_request"}, ccxt.NetworkError),
        ({"kind": "drop_reply"}, ccxt.NetworkError),
        ({"kind": "rate_limit", "seconds": 1}, ccxt.DDoSProtection),
        ({"kind": "rate_limit", "status": 418}, ccxt.DDoSProtection),
        ({"kind": "reject", "code": "-2015", "status": 401, "reason": "no"}, ccxt.ExchangeError),
    ],
)
def test_faults(venue: RunningVenue, fault: dict[str, Any], error: type[Exception]) -> None:
    """Faults are the errors that ccxt has for what happens on the way."""

    async def case(exchange: Any) -> None:
        await exchange.load_markets()
        venue.control("POST", "faults", fault)
        with pytest.raises(error):
            await exchange.create_order(PAIR, "market", "buy", 0.5)

    _run(venue, case)
    assert venue.fired(fault["kind"]) == 1


def test_malformed(venue: RunningVenue) -> None:
    """An answer that is no JSON is no error to ccxt, but an order of which it knows nothing."""

    async def case(exchange: Any) -> None:
        await exchange.load_markets()
        venue.arm("malformed")
        order = await exchange.create_order(PAIR, "market", "buy", 0.5)
        assert (order["id"], order["status"], order["clientOrderId"]) == (None, None, None)

    _run(venue, case)
    assert len(venue.ledger()["orders"]) == 1


def test_unknown_orders(venue: RunningVenue) -> None:
    """An order that is not there is OrderNotFound, to fetch and to cancel."""

    async def case(exchange: Any) -> None:
        for method in (exchange.fetch_order, exchange.cancel_order):
            with pytest.raises(ccxt.OrderNotFound):
                await method(None, PAIR, {"origClientOrderId": "nobody"})

    _run(venue, case)


def test_replace(venue: RunningVenue) -> None:
    """An edit is a cancel-replace; where nothing was to cancel, it fails."""

    async def case(exchange: Any) -> None:
        order = await exchange.create_order(PAIR, "limit", "buy", 0.5, 95)
        edited = await exchange.edit_order(order["id"], PAIR, "limit", "buy", 0.6, 96)
        assert (edited["amount"], edited["price"]) == (0.6, 96)
        with pytest.raises(ccxt.ExchangeError, match="-2022"):
            await exchange.edit_order(order["id"], PAIR, "limit", "buy", 0.7, 97)

    _run(venue, case)


def test_order_lists(venue: RunningVenue) -> None:
    """The raw endpoints of order lists take what the documents say."""

    async def case(exchange: Any) -> None:
        oco = {
            "symbol": "BTCUSDT",
            "side": "SELL",
            "quantity": "0.5",
            "aboveType": "LIMIT_MAKER",
            "abovePrice": "110",
            "belowType": "STOP_LOSS_LIMIT",
            "belowStopPrice": "90",
            "belowPrice": "89",
            "belowTimeInForce": "GTC",
        }
        placed = await exchange.private_post_orderlist_oco(oco)
        assert len(await exchange.fetch_open_orders(PAIR)) == 2
        query = {"orderListId": placed["orderListId"]}
        assert (await exchange.private_get_orderlist(query))["listOrderStatus"] == "EXECUTING"
        await exchange.private_delete_orderlist({"symbol": "BTCUSDT", **query})
        assert await exchange.fetch_open_orders(PAIR) == []

    _run(venue, case)


def test_market_data(venue: RunningVenue) -> None:
    """Ticker, book, candles and trades are read; the clock's difference is measured."""

    async def case(exchange: Any) -> None:
        await exchange.create_order(PAIR, "market", "buy", 0.5)
        ticker = await exchange.fetch_ticker(PAIR)
        assert (ticker["bid"], ticker["ask"], ticker["last"]) == (99, 101, 101)
        book = await exchange.fetch_order_book(PAIR)
        assert (book["bids"][0][0], book["asks"][0][0]) == (99, 101)
        assert (await exchange.fetch_ohlcv(PAIR, "1m"))[-1][4] == 101
        assert (await exchange.fetch_trades(PAIR))[-1]["amount"] == 0.5
        venue.control("POST", "clock", {"offset_ms": 3_600_000})
        assert abs(await exchange.load_time_difference() + 3_600_000) < 1000

    _run(venue, case)
