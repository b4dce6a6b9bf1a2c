"""The simulated Binance's orders: every type, balances, fees, market data and its ledger."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from .binance_client import SYMBOL, RunningVenue

# How an eight-place number of a BTC or USDT balance begins the day.
BTC, USDT = Decimal(100), Decimal(10_000_000)


@pytest.fixture
def venue() -> Iterator[RunningVenue]:
    """A venue with a market of 99 and 101."""
    with RunningVenue() as venue:
        yield venue


def _state(venue: RunningVenue, order: Any) -> tuple[str, str]:
    found = venue.get("order", symbol=SYMBOL, orderId=order["orderId"])
    return found["status"], found["executedQty"]


def _totals(venue: RunningVenue) -> tuple[Decimal, Decimal]:
    btc, usdt = (sum(map(Decimal, venue.balance(asset))) for asset in ("BTC", "USDT"))
    return Decimal(btc) - BTC, Decimal(usdt) - USDT


def test_market_buy(venue: RunningVenue) -> None:
    """A MARKET BUY fills at the ask; its fee comes out of what it bought."""
    order = venue.order(type="MARKET", quantity="2", newClientOrderId="mine")
    assert (order["status"], order["executedQty"], order["cummulativeQuoteQty"]) == (
        "FILLED",
        "2.00000000",
        "202.00000000",
    )
    (fill,) = order["fills"]
    assert fill["commission"] == "0.00200000"
    assert fill["commissionAsset"] == "BTC"
    assert isinstance(order["orderId"], int)
    assert isinstance(fill["tradeId"], int)
    assert _totals(venue) == (Decimal("1.998"), Decimal(-202))


def test_market_sell(venue: RunningVenue) -> None:
    """A MARKET SELL fills at the bid; its fee comes out of what it was paid."""
    order = venue.order(type="MARKET", side="SELL", quantity="2")
    assert order["fills"][0]["commissionAsset"] == "USDT"
    assert _totals(venue) == (Decimal(-2), Decimal("197.802"))


def test_spend(venue: RunningVenue) -> None:
    """`quoteOrderQty` buys as much as it can, on the symbol's grid."""
    order = venue.order(type="MARKET", quoteOrderQty="1000")
    assert order["executedQty"] == "9.90099000"
    assert order["origQuoteOrderQty"] == "1000.00000000"
    assert Decimal(order["cummulativeQuoteQty"]) <= 1000


def test_limit_rests(venue: RunningVenue) -> None:
    """A LIMIT order rests with its money locked, fills at its own price, and gets it back."""
    order = venue.order(quantity="1", price="95")
    assert (order["status"], order["fills"]) == ("NEW", [])
    assert venue.balance("USDT") == ("9999905.00000000", "95.00000000")
    venue.price("96", "97")
    assert _state(venue, order) == ("NEW", "0.00000000")
    venue.price("93", "94")
    assert _state(venue, order) == ("FILLED", "1.00000000")
    (trade,) = venue.get("myTrades", symbol=SYMBOL)
    assert (trade["price"], trade["isMaker"], trade["isBuyer"]) == ("95.00000000", True, True)
    assert venue.balance("USDT") == ("9999905.00000000", "0.00000000")


def test_limit_takes(venue: RunningVenue) -> None:
    """A LIMIT order through the market takes at the market's price."""
    order = venue.order(quantity="1", price="105")
    assert order["status"] == "FILLED"
    assert order["fills"][0]["price"] == "101.00000000"
    assert venue.balance("USDT") == ("9999899.00000000", "0.00000000")


@pytest.mark.parametrize(
    ("time_in_force", "size", "status", "filled"),
    [
        ("GTC", "1", "PARTIALLY_FILLED", "1.00000000"),
        ("IOC", "1", "EXPIRED", "1.00000000"),
        ("FOK", "1", "EXPIRED", "0.00000000"),
        ("FOK", "3", "FILLED", "3.00000000"),
    ],
)
def test_times_in_force(
    venue: RunningVenue, time_in_force: str, size: str, status: str, filled: str
) -> None:
    """What a thin market does to each time in force."""
    venue.control("POST", "liquidity", {"symbol": SYMBOL, "size": size})
    order = venue.order(quantity="3", price="105", timeInForce=time_in_force)
    assert (order["status"], order["executedQty"]) == (status, filled)


@pytest.mark.parametrize("time_in_force", ["IOC", "FOK"])
def test_away_from_the_market(venue: RunningVenue, time_in_force: str) -> None:
    """IOC and FOK never rest."""
    order = venue.order(quantity="3", price="95", timeInForce=time_in_force)
    assert (order["status"], order["fills"]) == ("EXPIRED", [])
    assert venue.balance("USDT")[1] == "0.00000000"


def test_more_comes(venue: RunningVenue) -> None:
    """What a thin market left fills when there is more, in as many trades as slices."""
    venue.control("POST", "liquidity", {"symbol": "BTC-USDT", "size": "1"})
    order = venue.order(quantity="4", price="105")
    venue.control("POST", "liquidity", {"symbol": SYMBOL, "size": None, "slice": "2"})
    assert _state(venue, order) == ("FILLED", "4.00000000")
    trades = venue.get("myTrades", symbol=SYMBOL, orderId=order["orderId"])
    assert [trade["qty"] for trade in trades] == ["1.00000000", "2.00000000", "1.00000000"]
    assert len({trade["id"] for trade in trades}) == 3


def test_market_without_liquidity(venue: RunningVenue) -> None:
    """A MARKET order takes what there is and expires; where there is no market, at once."""
    venue.control("POST", "liquidity", {"symbol": SYMBOL, "size": "1"})
    assert venue.order(type="MARKET", quantity="2")["status"] == "EXPIRED"
    nothing = venue.order(symbol="ETHUSDT", type="MARKET", quantity="2")
    assert (nothing["status"], nothing["executedQty"]) == ("EXPIRED", "0.00000000")
    refusal = venue.refused(
        "POST", "order", symbol="ETHUSDT", side="BUY", type="MARKET", quoteOrderQty="100"
    )
    assert refusal == (400, -2010, "Order book liquidity is less than symbol minimum quantity.")


def test_post_only(venue: RunningVenue) -> None:
    """LIMIT_MAKER rests, or is refused where it would take."""
    order = venue.order(type="LIMIT_MAKER", quantity="1", price="100.99")
    assert order["status"] == "NEW"
    refusal = venue.refused(
        "POST", "order", symbol=SYMBOL, side="BUY", type="LIMIT_MAKER", quantity="1", price="101"
    )
    assert refusal == (400, -2010, "Order would immediately match and take.")


@pytest.mark.parametrize(
    ("kind", "side", "stop", "before", "after", "price"),
    [
        ("STOP_LOSS", "SELL", "90", ("91", "93"), ("89", "91"), "89"),
        ("STOP_LOSS", "BUY", "110", ("107", "109"), ("109", "111"), "111"),
        ("TAKE_PROFIT", "SELL", "110", ("109", "111"), ("110", "112"), "110"),
        ("TAKE_PROFIT", "BUY", "90", ("90", "91"), ("88", "90"), "90"),
    ],
)
def test_stops(  # noqa: PLR0917 - a table
    venue: RunningVenue,
    kind: str,
    side: str,
    stop: str,
    before: tuple[str, str],
    after: tuple[str, str],
    price: str,
) -> None:
    """A stop waits, off the book, until the market is there; then it trades at the market."""
    order = venue.order(type=kind, side=side, quantity="1", stopPrice=stop)
    assert (order["status"], order["workingTime"]) == ("NEW", -1)
    venue.price(*before)
    assert not venue.get("order", symbol=SYMBOL, orderId=order["orderId"])["isWorking"]
    venue.price(*after)
    assert _state(venue, order) == ("FILLED", "1.00000000")
    (trade,) = venue.get("myTrades", symbol=SYMBOL)
    assert Decimal(trade["price"]) == Decimal(price)


@pytest.mark.parametrize("kind", ["STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"])
def test_stop_limits(venue: RunningVenue, kind: str) -> None:
    """A stop with a limit that was reached is a limit order for good."""
    side, stop, there, back = (
        ("BUY", "110", ("112", "114"), ("99", "101"))
        if kind == "STOP_LOSS_LIMIT"
        else ("SELL", "110", ("111", "113"), ("115", "117"))
    )
    order = venue.order(
        type=kind, side=side, quantity="1", stopPrice=stop, price="112.5", timeInForce="GTC"
    )
    venue.price(*there)
    found = venue.get("order", symbol=SYMBOL, orderId=order["orderId"])
    assert (found["status"], found["isWorking"]) == ("NEW", True)
    venue.price(*back)
    assert _state(venue, order) == ("FILLED", "1.00000000")


def test_trailing_stop(venue: RunningVenue) -> None:
    """A trailing stop follows the market up and sells when it has come down by its delta."""
    order = venue.order(type="STOP_LOSS", side="SELL", quantity="1", trailingDelta="1000")
    assert order["trailingDelta"] == 1000
    venue.price("200", "202")
    venue.price("181", "183")
    assert _state(venue, order) == ("NEW", "0.00000000")
    venue.price("180", "182")
    assert _state(venue, order) == ("FILLED", "1.00000000")


def test_stop_too_late(venue: RunningVenue) -> None:
    """A stop that is reached already is refused."""
    refusal = venue.refused(
        "POST", "order", symbol=SYMBOL, side="SELL", type="STOP_LOSS", quantity="1", stopPrice="99"
    )
    assert refusal == (400, -2010, "Order would trigger immediately.")


@pytest.mark.parametrize(
    ("kind", "asked", "keys"),
    [
        ("MARKET", None, {"fills", "status"}),
        ("LIMIT_MAKER", None, set()),
        ("LIMIT_MAKER", "RESULT", {"status"}),
        ("MARKET", "ACK", set()),
    ],
)
def test_answers(venue: RunningVenue, kind: str, asked: str | None, keys: set[str]) -> None:
    """ACK, RESULT and FULL, and what a type gives when nothing is asked for."""
    price = {"price": "95"} if kind == "LIMIT_MAKER" else {}
    order = venue.order(type=kind, quantity="1", newOrderRespType=asked, **price)
    assert order.keys() & {"fills", "status"} == keys


def test_iceberg(venue: RunningVenue) -> None:
    """The book shows the tip of an iceberg; the order is told whole."""
    order = venue.order(quantity="10", price="95", icebergQty="1")
    assert order["icebergQty"] == "1.00000000"
    depth = venue.public("depth", symbol=SYMBOL)
    assert ["95.00000000", "1.00000000"] in depth["bids"]


def test_strategy_and_self_trade_prevention(venue: RunningVenue) -> None:
    """What a client calls its strategy, and its STP mode, come back."""
    order = venue.order(
        quantity="1",
        price="95",
        strategyId="7",
        strategyType="1000001",
        selfTradePreventionMode="EXPIRE_BOTH",
    )
    found = venue.get("order", symbol=SYMBOL, orderId=order["orderId"])
    assert (found["strategyId"], found["strategyType"]) == (7, 1000001)
    assert found["selfTradePreventionMode"] == "EXPIRE_BOTH"


def test_fees_in_bnb() -> None:
    """Fees are paid in BNB at a discount while there is BNB, then as ever."""
    with RunningVenue(bnb_fees=True, balances={"USDT": USDT, "BNB": Decimal("0.0001")}) as venue:
        venue.price("500", "500", "BNBUSDT")
        order = venue.order(type="MARKET", quantity="0.5")
        (fill,) = order["fills"]
        # 0.5 BTC at a mid of 100 are 0.1 BNB; of these 0.1 %, less a quarter.
        assert (fill["commission"], fill["commissionAsset"]) == ("0.00007500", "BNB")
        (fill,) = venue.order(type="MARKET", quantity="0.5")["fills"]
        assert (fill["commission"], fill["commissionAsset"]) == ("0.00050000", "BTC")


def test_cancel(venue: RunningVenue) -> None:
    """A cancel ends an order, gives its money back, and answers under an id of its own."""
    order = venue.order(quantity="1", price="95", newClientOrderId="mine")
    cancelled = venue.delete("order", symbol=SYMBOL, origClientOrderId="mine")
    assert (cancelled["status"], cancelled["origClientOrderId"]) == ("CANCELED", "mine")
    assert cancelled["clientOrderId"] != "mine"
    assert venue.balance("USDT") == ("10000000.00000000", "0.00000000")
    again = venue.refused("DELETE", "order", symbol=SYMBOL, orderId=order["orderId"])
    assert again == (400, -2011, "Unknown order sent.")


def test_cancel_restrictions(venue: RunningVenue) -> None:
    """A cancel may be restricted to orders that have traded, or have not."""
    order = {"symbol": SYMBOL, "orderId": venue.order(quantity="1", price="95")["orderId"]}
    refusal = venue.refused("DELETE", "order", **order, cancelRestrictions="ONLY_PARTIALLY_FILLED")
    assert refusal == (400, -2011, "Order was not canceled due to cancel restrictions.")
    venue.delete("order", **order, cancelRestrictions="ONLY_NEW")


def test_cancel_all(venue: RunningVenue) -> None:
    """All open orders of a symbol end at once; without any it is an error."""
    for price in ("94", "95"):
        venue.order(quantity="1", price=price)
    cancelled = venue.delete("openOrders", symbol=SYMBOL)
    assert [order["status"] for order in cancelled] == ["CANCELED", "CANCELED"]
    assert venue.refused("DELETE", "openOrders", symbol=SYMBOL)[1] == -2011


def test_amend(venue: RunningVenue) -> None:
    """An order is made smaller in place, under a new client id or the one it has."""
    order = venue.order(quantity="5", price="95", newClientOrderId="mine")
    path = "order/amend/keepPriority"
    amended = venue.ask(
        "PUT", path, {"symbol": SYMBOL, "orderId": order["orderId"], "newQty": "3"}
    ).body["amendedOrder"]
    assert (amended["orderId"], amended["qty"]) == (order["orderId"], "3.00000000")
    assert amended["origClientOrderId"] == "mine"
    assert venue.balance("USDT")[1] == "285.00000000"
    more = {"symbol": SYMBOL, "orderId": order["orderId"], "newQty": "4"}
    assert venue.refused("PUT", path, **more)[1] == -2038
    (told,) = venue.get("order/amendments", symbol=SYMBOL, orderId=order["orderId"])
    assert (told["origQty"], told["newQty"]) == ("5.00000000", "3.00000000")
    assert venue.ledger()["orders"][0]["venue_order_id"] == "mine"


def test_test_order(venue: RunningVenue) -> None:
    """A test order is checked and not taken."""
    order = {"symbol": SYMBOL, "side": "BUY", "type": "MARKET", "quantity": "1"}
    assert venue.post("order/test", **order) == {}
    rates = venue.post("order/test", **order, computeCommissionRates="true")
    assert rates["standardCommissionForOrder"]["taker"] == "0.00100000"
    assert venue.refused("POST", "order/test", **(order | {"quantity": "0.00001"}))[1] == -1013
    assert venue.ledger()["orders"] == []


def test_queries(venue: RunningVenue) -> None:
    """Open orders of one symbol and of all, all orders, and trades by id, order and time."""
    venue.price("1000", "1001", "ETHUSDT")
    resting = venue.order(quantity="1", price="95")
    other = venue.order(symbol="ETHUSDT", quantity="1", price="900")
    filled = venue.order(type="MARKET", quantity="1")
    assert [order["orderId"] for order in venue.get("openOrders", symbol=SYMBOL)] == [
        resting["orderId"]
    ]
    assert {order["symbol"] for order in venue.get("openOrders")} == {SYMBOL, "ETHUSDT"}
    assert other["orderId"] == resting["orderId"]
    ids = [order["orderId"] for order in venue.get("allOrders", symbol=SYMBOL)]
    assert ids == [resting["orderId"], filled["orderId"]]
    assert len(venue.get("allOrders", symbol=SYMBOL, orderId=filled["orderId"])) == 1
    (trade,) = venue.get("myTrades", symbol=SYMBOL)
    assert venue.get("myTrades", symbol=SYMBOL, fromId=trade["id"] + 1) == []
    assert venue.get("myTrades", symbol=SYMBOL, startTime=trade["time"]) == [trade]
    assert venue.get("myTrades", symbol=SYMBOL, endTime=trade["time"] - 1) == []
    too_long = venue.refused("GET", "myTrades", symbol=SYMBOL, startTime=1, endTime=100_000_000)
    assert too_long[1] == -1127


def test_account(venue: RunningVenue) -> None:
    """The account says whose it is and what its rates are; balances can be set."""
    account = venue.get("account")
    assert (account["uid"], account["accountType"]) == (1000, "SPOT")
    assert account["commissionRates"]["taker"] == "0.00100000"
    venue.control("POST", "balances", {"BTC": "0", "ADA": "1.5"})
    balances = {item["asset"]: item["free"] for item in venue.get("account")["balances"]}
    assert (balances["BTC"], balances["ADA"]) == ("0.00000000", "1.50000000")
    told = venue.get("account", omitZeroBalances="true")["balances"]
    assert "BTC" not in {item["asset"] for item in told}
    commission = venue.get("account/commission", symbol=SYMBOL)["standardCommission"]
    assert commission["maker"] == "0.00100000"


def test_market_data(venue: RunningVenue) -> None:
    """Tickers, book, trades and candles tell of one market and of our trades in it."""
    venue.order(type="MARKET", quantity="2")
    book = venue.public("ticker/bookTicker", symbol=SYMBOL)
    assert (book["bidPrice"], book["askPrice"]) == ("99.00000000", "101.00000000")
    assert venue.public("ticker/price", symbol=SYMBOL)["price"] == "101.00000000"
    assert len(venue.public("ticker/price")) == len(venue.public("ticker/bookTicker")) >= 12
    last = venue.public("trades", symbol=SYMBOL)[-1]
    assert (last["qty"], last["isBuyerMaker"]) == ("2.00000000", False)
    (candle,) = venue.public("klines", symbol=SYMBOL, interval="1d")
    assert candle[5] == "2.00001000"
    day = venue.public("ticker/24hr", symbol=SYMBOL)
    assert (day["lastPrice"], day["count"]) == ("101.00000000", 2)
    assert "bidPrice" not in venue.public("ticker/24hr", symbol=SYMBOL, type="MINI")
    assert venue.public("aggTrades", symbol=SYMBOL)[-1]["l"] == last["id"]
    assert venue.public("avgPrice", symbol=SYMBOL)["price"] == "100.00000000"
    several = venue.public("ticker/price", symbols='["BTCUSDT","ETHUSDT"]')
    assert [item["symbol"] for item in several] == ["BTCUSDT", "ETHUSDT"]


def test_depth_has_our_orders(venue: RunningVenue) -> None:
    """The book is what the market offers, and our orders behind it."""
    venue.order(quantity="2", price="95")
    venue.order(side="SELL", quantity="1", price="101.50")
    depth = venue.public("depth", symbol=SYMBOL, limit=5)
    assert depth["bids"][1] == ["95.00000000", "2.00000000"]
    assert [level[0] for level in depth["asks"]] == ["101.00000000", "101.50000000"]


def test_exchange_info(venue: RunningVenue) -> None:
    """Every symbol with its filters; some of them when asked for some."""
    info = venue.public("exchangeInfo")
    assert {"BTCUSDT", "ETHBTC", "BTCFDUSD", "USDCUSDT"} <= {
        entry["symbol"] for entry in info["symbols"]
    }
    assert {entry["rateLimitType"] for entry in info["rateLimits"]} == {
        "REQUEST_WEIGHT",
        "ORDERS",
        "RAW_REQUESTS",
    }
    (one,) = venue.public("exchangeInfo", symbol="ETHBTC")["symbols"]
    assert (one["baseAsset"], one["quoteAsset"]) == ("ETH", "BTC")


def test_ledger(venue: RunningVenue) -> None:
    """The ledger speaks every simulator's words: dashed symbols, plain numbers, our states."""
    venue.order(quantity="1", price="95", newClientOrderId="resting")
    venue.order(type="MARKET", quantity="0.5", newClientOrderId="filled")
    ledger = venue.ledger()
    resting, filled = ledger["orders"]
    assert (resting["venue_order_id"], resting["state"]) == ("resting", "SUBMITTED")
    assert (resting["symbol"], resting["quantity"], resting["limit_price"]) == (
        "BTC-USDT",
        "1",
        "95",
    )
    assert (filled["state"], filled["filled_quantity"]) == ("FILLED", "0.5")
    (execution,) = ledger["executions"]
    assert execution["venue_order_id"] == "filled"
    assert execution["broker_order_id"] == filled["broker_order_id"]
    assert (execution["price"], execution["commission_currency"]) == ("101", "BTC")
    assert Decimal(execution["commission"]) == Decimal("0.0005")


def test_by_hand(venue: RunningVenue) -> None:
    """What the owner trades by other means shows in the account, under no id of ours."""
    venue.control(
        "POST",
        "executions",
        {"symbol": "BTC-USDT", "side": "SELL", "quantity": "1", "price": "100"},
    )
    (order,) = venue.get("allOrders", symbol=SYMBOL)
    assert order["clientOrderId"].startswith("web_")
    assert order["status"] == "FILLED"
    assert _totals(venue) == (Decimal(-1), Decimal(100))
    assert venue.ledger()["executions"][0]["venue_order_id"] is None
    placed = venue.control(
        "POST", "orders", {"symbol": "BTC-USDT", "side": "BUY", "type": "MARKET", "quantity": "1"}
    )
    assert placed["state"] == "FILLED"


def test_odd_executions(venue: RunningVenue) -> None:
    """A trade after the cancel, and one too many, are booked as told; a bust is no such thing."""
    venue.order(quantity="1", price="95", newClientOrderId="late")
    venue.delete("order", symbol=SYMBOL, origClientOrderId="late")
    trade = {"venue_order_id": "late", "quantity": "1", "price": "95"}
    venue.control("POST", "executions", trade)
    order = venue.get("order", symbol=SYMBOL, origClientOrderId="late")
    assert (order["status"], order["executedQty"]) == ("CANCELED", "1.00000000")
    venue.control("POST", "executions", trade)
    assert venue.ledger()["orders"][0]["filled_quantity"] == "2"
    venue.control("POST", "executions", trade | {"kind": "BUST"}, status=400)
    assert len(venue.ledger()["executions"]) == 2


def test_ended_by_the_venue(venue: RunningVenue) -> None:
    """The venue may end an order, with a state and a reason."""
    venue.order(quantity="1", price="95", newClientOrderId="mine")
    venue.control(
        "POST", "orders/cancel", {"venue_order_id": "mine", "state": "EXPIRED", "reason": "gone"}
    )
    assert venue.get("order", symbol=SYMBOL, origClientOrderId="mine")["status"] == "EXPIRED"
    (order,) = venue.ledger()["orders"]
    assert (order["state"], order["reason"]) == ("EXPIRED", "gone")
    assert venue.balance("USDT")[1] == "0.00000000"


def test_halted(venue: RunningVenue) -> None:
    """A symbol that does not trade takes no orders, and says so in exchangeInfo."""
    venue.control("POST", "symbols", {"symbol": "BTC-USDT", "status": "HALT"})
    assert venue.public("exchangeInfo", symbol=SYMBOL)["symbols"][0]["status"] == "HALT"
    refusal = venue.refused("POST", "order", symbol=SYMBOL, side="BUY", type="MARKET", quantity="1")
    assert refusal == (400, -2010, "Market is closed.")


def test_two_thousand_orders() -> None:
    """Two thousand orders rest on ten symbols, are told in one answer, and fill where crossed."""
    with RunningVenue(order_limit_10s=10_000) as venue:
        symbols = [entry["symbol"] for entry in venue.public("exchangeInfo")["symbols"]][:10]
        venue.fill_up(symbols, 200)
        assert len(venue.get("openOrders")) == 2000
        more = {"symbol": symbols[0], "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
        refusal = venue.refused("POST", "order", **more, quantity="1", price="99")
        assert refusal[2] == "Filter failure: MAX_NUM_ORDERS"
        venue.price("98", "99", symbols[0])
        opened = venue.get("openOrders")
        assert {order["symbol"] for order in opened} == set(symbols[1:])
        assert len(opened) == 1800
