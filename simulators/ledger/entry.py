"""Reads a submitted order and refuses what makes no sense, before the book sees it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from simulators.decimals import parse_decimal
from simulators.ledger.records import Order, Refusal
from simulators.records import read_time

_CHOICES = {
    "side": frozenset({"BUY", "SELL"}),
    "order_type": frozenset({"MARKET", "LIMIT", "STOP", "STOP_LIMIT", "TRAILING_STOP"}),
    "time_in_force": frozenset({"DAY", "GTC", "IOC", "FOK", "GTD"}),
}
_PRICES = ("limit_price", "stop_price", "trail_amount", "trail_percent")
_NEEDS = {
    "LIMIT": ("limit_price",),
    "STOP": ("stop_price",),
    "STOP_LIMIT": ("stop_price", "limit_price"),
}


def read_order(body: Mapping[str, Any], broker_order_id: str, now: datetime) -> Order:
    """The order a submit describes. Refusal when it came after `valid_until` or is malformed."""
    try:
        order = _read_order(body, broker_order_id, now)
    except ValueError as error:
        raise Refusal("bad_order", str(error)) from None
    return order


def read_change(body: Mapping[str, Any]) -> dict[str, Decimal]:
    """What a modify changes, by field. Refusal when it changes nothing or is malformed."""
    try:
        change = {
            name: _positive(body[name], name)
            for name in ("quantity", "limit_price", "stop_price")
            if body.get(name) is not None
        }
    except ValueError as error:
        raise Refusal("bad_order", str(error)) from None
    if not change:
        raise Refusal("bad_order", "a modify names quantity, limit_price or stop_price")
    return change


def _read_order(body: Mapping[str, Any], broker_order_id: str, now: datetime) -> Order:
    _check_fence(body.get("valid_until"), now)
    texts: dict[str, Any] = {
        name: body.get(name) for name in ("venue_order_id", "symbol", *_CHOICES)
    }
    for name, value in texts.items():
        if not isinstance(value, str) or not value:
            raise ValueError(f"{name} must be a string, not {value!r}")
        if name in _CHOICES and value not in _CHOICES[name]:
            raise Refusal("unsupported", f"{name} {value!r} is not offered here")
    prices: dict[str, Any] = {
        name: _positive(body[name], name) for name in _PRICES if body.get(name) is not None
    }
    expires_at = body.get("expires_at")
    order = Order(
        broker_order_id=broker_order_id,
        quantity=_positive(body.get("quantity"), "quantity"),
        accepted_at=now,
        expires_at=None if expires_at is None else read_time(expires_at, "expires_at"),
        account=body.get("account"),
        **texts,
        **prices,
    )
    for name in _NEEDS.get(order.order_type, ()):
        if name not in prices:
            raise ValueError(f"a {order.order_type} order needs {name}")
    if order.order_type == "TRAILING_STOP" and not prices.keys() & {
        "trail_amount",
        "trail_percent",
    }:
        raise ValueError("a TRAILING_STOP order needs trail_amount or trail_percent")
    if order.time_in_force == "GTD" and order.expires_at is None:
        raise ValueError("a GTD order needs expires_at")
    return order


def _check_fence(valid_until: object, now: datetime) -> None:
    """The fence: by this venue's clock, what comes after `valid_until` is refused for good."""
    if valid_until is not None and now > read_time(valid_until, "valid_until"):
        raise Refusal("too_late", f"came at {now.isoformat()}, valid until {valid_until}")


def _positive(value: object, name: str) -> Decimal:
    number = parse_decimal(value, name)
    if number <= 0:
        raise ValueError(f"{name} must be above 0, not {value}")
    return number
