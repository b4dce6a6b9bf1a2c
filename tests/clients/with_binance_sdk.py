"""Trades by Binance's own binance-sdk-spot at the address given; prints JSON."""

from __future__ import annotations

import json
import sys
from typing import Any

from binance_common.configuration import ConfigurationRestAPI
from binance_common.errors import BadRequestError
from binance_sdk_spot.spot import Spot


def refused(call: Any, **parameters: Any) -> list[Any]:
    """The status and code of a request that is refused; it calls the code its status."""
    try:
        call(**parameters)
    except BadRequestError as error:
        return [400, error.status_code]
    return []


def main(url: str) -> None:
    """Markets, account, orders of each kind of end, trades, refusals."""
    configuration = ConfigurationRestAPI(
        api_key="simulated-key",
        api_secret="simulated-secret",  # noqa: S106 - the simulator's own
        base_path=url,
        timeout=10_000,
        retries=0,
    )
    api = Spot(config_rest_api=configuration).rest_api
    info = api.exchange_info(symbol="BTCUSDT").data()
    found: dict[str, Any] = {"symbol": info.symbols[0].base_asset}
    held = {one.asset: one.free for one in api.get_account().data().balances}
    found["balance"] = held["BTC"]
    resting = api.new_order(
        symbol="BTCUSDT",
        side="BUY",
        type="LIMIT",
        time_in_force="GTC",
        quantity=1,
        price=50000,
        new_client_order_id="rests",
    ).data()
    shown = api.get_order(symbol="BTCUSDT", orig_client_order_id="rests").data()
    found["resting"] = shown.status
    found["open"] = len(api.get_open_orders(symbol="BTCUSDT").data())
    ended = api.delete_order(symbol="BTCUSDT", order_id=resting.order_id).data()
    found["cancelled"] = ended.status
    bought = api.new_order(
        symbol="BTCUSDT",
        side="BUY",
        type="MARKET",
        quantity=0.5,
        new_order_resp_type="FULL",
    ).data()
    found["fills"] = [[fill.qty, fill.price] for fill in bought.fills]
    trades = api.my_trades(symbol="BTCUSDT", order_id=bought.order_id).data()
    found["trades"] = [[trade.qty, trade.price] for trade in trades]
    found["all"] = [order.status for order in api.all_orders(symbol="BTCUSDT").data()]
    found["count"] = [one.count for one in api.rate_limit_order().data()]
    found["no symbol"] = refused(api.get_order, symbol="NOSUCH", order_id=1)
    found["no order"] = refused(api.get_order, symbol="BTCUSDT", order_id=77)
    found["no money"] = refused(
        api.new_order, symbol="ETHUSDT", side="SELL", type="MARKET", quantity=2000
    )
    print(json.dumps(found))  # noqa: T201 - its answer


if __name__ == "__main__":
    main(sys.argv[1])
