"""What the venue holds, in the words of every simulator's `GET /ledger`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from simulators.binance.records import Order, Trade
from simulators.binance.symbols import SYMBOLS
from simulators.decimals import plain

_STATES = {
    "NEW": "SUBMITTED",
    "PENDING_NEW": "SUBMITTED",
    "CANCELED": "CANCELLED",
}
_TYPES = {
    "LIMIT_MAKER": "LIMIT",
    "STOP_LOSS": "STOP",
    "STOP_LOSS_LIMIT": "STOP_LIMIT",
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HUNDRED = Decimal(100)


def ledger_order(order: Order) -> dict[str, Any]:
    """An order. Ids of orders are unique within a symbol only; `type` is Binance's own word."""
    trailing = order.trailing_delta
    return {
        "broker_order_id": str(order.order_id),
        "venue_order_id": order.given_id or order.client_order_id,
        "symbol": SYMBOLS[order.symbol].dashed,
        "side": order.side,
        "order_type": "TRAILING_STOP" if trailing else _TYPES.get(order.type, order.type),
        "quantity": plain(order.quantity),
        "time_in_force": order.time_in_force,
        "accepted_at": _time(order.created),
        "limit_price": plain(order.price) if order.price else None,
        "stop_price": None if order.stop_price is None else plain(order.stop_price),
        "trail_amount": None,
        "trail_percent": None if trailing is None else plain(trailing / _HUNDRED),
        "expires_at": None,
        "state": _STATES.get(order.status, order.status),
        "filled_quantity": plain(order.executed),
        "reason": order.reason,
        "triggered": order.is_contingent and order.is_working,
        "type": order.type,
        "order_list_id": order.order_list_id,
    }


def ledger_execution(trade: Trade, order: Order) -> dict[str, Any]:
    """A trade of an order. Its id is unique within its symbol only."""
    return {
        "execution_id": str(trade.trade_id),
        "sequence": trade.sequence,
        "symbol": SYMBOLS[trade.symbol].dashed,
        "side": trade.side,
        "quantity": plain(trade.quantity),
        "price": plain(trade.price),
        "executed_at": _time(trade.time),
        "kind": "TRADE",
        "venue_order_id": order.given_id,
        "broker_order_id": str(trade.order_id),
        "commission": plain(trade.commission),
        "commission_currency": trade.commission_asset,
        "corrects": None,
    }


def _time(milliseconds: int) -> str:
    return (_EPOCH + timedelta(milliseconds=milliseconds)).isoformat()
