"""Orders, trades and order lists as Binance's JSON spells them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from simulators.binance.numbers import eight
from simulators.binance.records import ZERO, Order, OrderList, Trade

_FULL_BY_DEFAULT = frozenset({"MARKET", "LIMIT"})


def order_view(order: Order) -> dict[str, Any]:
    """An order as a query answers it."""
    return {
        "symbol": order.symbol,
        "orderId": order.order_id,
        "orderListId": order.order_list_id,
        "clientOrderId": order.client_order_id,
        "price": eight(order.price),
        "origQty": eight(order.quantity),
        "executedQty": eight(order.executed),
        "cummulativeQuoteQty": eight(order.quote_executed),
        "status": order.status,
        "timeInForce": order.time_in_force,
        "type": order.type,
        "side": order.side,
        "stopPrice": eight(order.stop_price or ZERO),
        **_trailing(order),
        "icebergQty": eight(order.iceberg_quantity or ZERO),
        "time": order.created,
        "updateTime": order.updated,
        "isWorking": order.is_working,
        "workingTime": order.working_time,
        "origQuoteOrderQty": eight(order.quote_quantity),
        **_strategy(order),
        **_expiry(order),
        "selfTradePreventionMode": order.stp_mode,
    }


def placed_view(order: Order, trades: Iterable[Trade], response_type: str | None) -> dict[str, Any]:
    """The answer to a new order: ACK, RESULT or FULL; None is what its type gives by default."""
    kind = response_type or ("FULL" if order.type in _FULL_BY_DEFAULT else "ACK")
    view: dict[str, Any] = {
        "symbol": order.symbol,
        "orderId": order.order_id,
        "orderListId": order.order_list_id,
        "clientOrderId": order.client_order_id,
        "transactTime": order.updated,
    }
    if kind == "ACK":
        return view
    view |= _figures(order) | {"workingTime": order.working_time}
    if kind == "FULL":
        view["fills"] = [
            {
                "price": eight(trade.price),
                "qty": eight(trade.quantity),
                "commission": eight(trade.commission),
                "commissionAsset": trade.commission_asset,
                "tradeId": trade.trade_id,
            }
            for trade in trades
        ]
    return view | {"selfTradePreventionMode": order.stp_mode}


def cancelled_view(order: Order, cancel_id: str) -> dict[str, Any]:
    """The answer to a cancel, which has a client id of its own."""
    return {
        "symbol": order.symbol,
        "origClientOrderId": order.client_order_id,
        "orderId": order.order_id,
        "orderListId": order.order_list_id,
        "clientOrderId": cancel_id,
        "transactTime": order.updated,
        **_figures(order),
        "selfTradePreventionMode": order.stp_mode,
    }


def amended_view(order: Order, before: str) -> dict[str, Any]:
    """The order in the answer to an amendment; `before` is the client id it had."""
    view = {
        "symbol": order.symbol,
        "orderId": order.order_id,
        "orderListId": order.order_list_id,
        "origClientOrderId": before,
        "clientOrderId": order.client_order_id,
        "price": eight(order.price),
        "qty": eight(order.quantity),
        "executedQty": eight(order.executed),
        "preventedQty": eight(ZERO),
        "quoteOrderQty": eight(order.quote_quantity),
        "cumulativeQuoteQty": eight(order.quote_executed),
        "status": order.status,
        "timeInForce": order.time_in_force,
        "type": order.type,
        "side": order.side,
    }
    if order.is_working:
        view["workingTime"] = order.working_time
    return view | {"selfTradePreventionMode": order.stp_mode}


def trade_view(trade: Trade) -> dict[str, Any]:
    """A trade of the account."""
    return {
        "symbol": trade.symbol,
        "id": trade.trade_id,
        "orderId": trade.order_id,
        "orderListId": trade.order_list_id,
        "price": eight(trade.price),
        "qty": eight(trade.quantity),
        "quoteQty": eight(trade.quote_quantity),
        "commission": eight(trade.commission),
        "commissionAsset": trade.commission_asset,
        "time": trade.time,
        "isBuyer": trade.side == "BUY",
        "isMaker": trade.is_maker,
        "isBestMatch": True,
    }


def list_view(order_list: OrderList, members: Iterable[Order]) -> dict[str, Any]:
    """An order list without the reports of its orders."""
    done = order_list.status == "ALL_DONE"
    return {
        "orderListId": order_list.order_list_id,
        "contingencyType": order_list.contingency,
        "listStatusType": "ALL_DONE" if done else "EXEC_STARTED",
        "listOrderStatus": order_list.status,
        "listClientOrderId": order_list.list_client_order_id,
        "transactionTime": order_list.created,
        "symbol": order_list.symbol,
        "orders": [
            {
                "symbol": order.symbol,
                "orderId": order.order_id,
                "clientOrderId": order.client_order_id,
            }
            for order in members
        ],
    }


def _figures(order: Order) -> dict[str, Any]:
    """What the answers to new orders and to cancels have in common."""
    return {
        "price": eight(order.price),
        "origQty": eight(order.quantity),
        "executedQty": eight(order.executed),
        "origQuoteOrderQty": eight(order.quote_quantity),
        "cummulativeQuoteQty": eight(order.quote_executed),
        "status": order.status,
        "timeInForce": order.time_in_force,
        "type": order.type,
        "side": order.side,
        **({} if order.stop_price is None else {"stopPrice": eight(order.stop_price)}),
        **_expiry(order),
        **_trailing(order),
        **({} if order.iceberg_quantity is None else {"icebergQty": eight(order.iceberg_quantity)}),
        **_strategy(order),
    }


def _trailing(order: Order) -> dict[str, Any]:
    if order.trailing_delta is None:
        return {}
    return {"trailingDelta": order.trailing_delta, "trailingTime": order.trailing_time}


def _expiry(order: Order) -> dict[str, str]:
    """`expiryReason`, in answers since March 2026, of an order that expired."""
    return {} if order.expiry_reason is None else {"expiryReason": order.expiry_reason}


def _strategy(order: Order) -> dict[str, Any]:
    named = {"strategyId": order.strategy_id, "strategyType": order.strategy_type}
    return {name: value for name, value in named.items() if value is not None}
