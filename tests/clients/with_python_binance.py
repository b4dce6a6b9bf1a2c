"""Trades by python-binance at the address given; prints what it understood as JSON."""

from __future__ import annotations

import json
import sys
from typing import Any

from binance.client import Client
from binance.exceptions import BinanceAPIException


def refused(call: Any, **parameters: Any) -> list[Any]:
    """The status and code of a request that is refused."""
    try:
        call(**parameters)
    except BinanceAPIException as error:
        return [error.status_code, error.code]
    return []


def main(url: str) -> None:
    """Markets, account, orders of each kind of end, trades, refusals."""
    client = Client("simulated-key", "simulated-secret", ping=False)
    client.API_URL = f"{url}/api"
    found: dict[str, Any] = {"symbol": client.get_symbol_info("BTCUSDT")["baseAsset"]}
    found["balance"] = client.get_asset_balance("BTC")["free"]
    found["book"] = client.get_orderbook_ticker(symbol="BTCUSDT")["bidPrice"]
    resting = client.create_order(
        symbol="BTCUSDT",
        side="BUY",
        type="LIMIT",
        timeInForce="GTC",
        quantity="1",
        price="50000",
        newClientOrderId="rests",
    )
    found["resting"] = client.get_order(symbol="BTCUSDT", origClientOrderId="rests")["status"]
    found["open"] = len(client.get_open_orders(symbol="BTCUSDT"))
    ended = client.cancel_order(symbol="BTCUSDT", orderId=resting["orderId"])
    found["cancelled"] = ended["status"]
    bought = client.order_market_buy(symbol="BTCUSDT", quantity="0.5", newClientOrderId="buys")
    found["fills"] = [[fill["qty"], fill["price"]] for fill in bought["fills"]]
    trades = client.get_my_trades(symbol="BTCUSDT", orderId=bought["orderId"])
    found["trades"] = [[trade["qty"], trade["price"]] for trade in trades]
    found["all"] = [order["status"] for order in client.get_all_orders(symbol="BTCUSDT")]
    found["count"] = [one["count"] for one in client.get_current_order_count()]
    found["no symbol"] = refused(client.get_order, symbol="NOSUCH", orderId=1)
    found["no order"] = refused(client.get_order, symbol="BTCUSDT", orderId=77)
    found["no money"] = refused(client.order_market_sell, symbol="ETHUSDT", quantity="2000")
    print(json.dumps(found))  # noqa: T201 - its answer


if __name__ == "__main__":
    main(sys.argv[1])
