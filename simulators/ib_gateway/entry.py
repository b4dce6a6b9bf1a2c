"""Reads an order as TWS would: what it cannot take is refused here, with TWS's code."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from simulators.ib_gateway import times
from simulators.ib_gateway.codes import (
    CLOSE_TIF,
    FRACTION,
    INVALID,
    MIN_TICK,
    NO_ACCOUNT,
    NOT_THE_ORDER,
    OCA_REVISION,
    OCA_TYPE_REVISION,
    REJECTED,
    UNSUPPORTED_TYPE,
    ZERO_SIZE,
)
from simulators.ib_gateway.contracts import Contract
from simulators.ib_gateway.listings import RULES
from simulators.ib_gateway.options import GatewayOptions
from simulators.ib_gateway.records import ON_CLOSE, ORDER_TYPES, Order
from simulators.ib_gateway.requests import PlaceOrder

_TIFS = frozenset({"DAY", "GTC", "IOC", "FOK", "GTD", "OPG"})
_CHANGEABLE = (
    "quantity",
    "limit_price",
    "stop_price",
    "trail_amount",
    "trail_percent",
    "time_in_force",
    "expires_at",
    "good_till",
    "outside_rth",
)


def account_of(request: PlaceOrder, options: GatewayOptions) -> str:
    """The account an order is for. Refusal when it names none of several, or another."""
    if request.account in options.accounts:
        return request.account
    if request.account:
        raise INVALID.refusal("bG", f"The account code {request.account} is not valid.")
    if len(options.accounts) > 1:
        raise NO_ACCOUNT.refusal()
    return options.accounts[0]


def read_order(
    request: PlaceOrder,
    contract: Contract,
    *,
    client_id: int,
    perm_id: int,
    now: datetime,
    options: GatewayOptions,
) -> Order:
    """The order that a request describes. Refusal when TWS would not take it."""
    if request.action not in {"BUY", "SELL", "SSHORT"}:
        raise INVALID.refusal("bG", "Invalid order side")
    if request.order_type not in ORDER_TYPES or request.beyond:
        raise UNSUPPORTED_TYPE.refusal(request.beyond or request.order_type)
    order_type = ORDER_TYPES[request.order_type]
    tif = _time_in_force(request, order_type)
    quantity = _quantity(request, contract)
    _check_prices(request, contract)
    trailing = order_type == "TRAILING_STOP"
    order = Order(
        broker_order_id=str(perm_id),
        venue_order_id=request.order_ref,
        symbol=contract.ticker,
        side="BUY" if request.action == "BUY" else "SELL",
        order_type=order_type,
        quantity=quantity,
        time_in_force=tif,
        accepted_at=now,
        limit_price=request.limit_price if "LIMIT" in order_type else None,
        stop_price=request.trail_stop_price if trailing else _stop(request, order_type),
        trail_amount=(request.aux_price or None) if trailing else None,
        trail_percent=(request.trailing_percent or None) if trailing else None,
        perm_id=perm_id,
        account=account_of(request, options),
        client_id=client_id,
        order_id=request.order_id,
        con_id=contract.con_id,
        exchange=request.described.exchange or contract.exchange,
        currency=contract.currency,
        parent_id=request.parent_id,
        oca_group=request.oca_group,
        oca_type=request.oca_type or 3,
        outside_rth=request.outside_rth,
        good_till=request.good_till if tif == "GTD" else "",
    )
    if request.good_after:
        order.good_after = _time(request.good_after, options)
    if tif == "GTD":
        order.expires_at = _expiry(request, now, options)
    return order


def change(order: Order, wanted: Order) -> None:
    """Make an order what a second placeOrder of its id wants. Refusal leaves it as it was."""
    same = ("con_id", "side", "order_type", "account", "parent_id")
    if any(getattr(order, name) != getattr(wanted, name) for name in same):
        raise NOT_THE_ORDER.refusal()
    if wanted.quantity < order.filled_quantity:
        raise REJECTED.refusal("The order size is below what is filled already.")
    order.reduced_by = Decimal(0)
    if order.time_in_force == wanted.time_in_force == "DAY":
        wanted.expires_at = order.expires_at
    for name in _CHANGEABLE:
        if name == "stop_price" and (order.triggered or wanted.stop_price is None):
            continue
        setattr(order, name, getattr(wanted, name))


def check_group(order: Order, asked: str) -> None:
    """Refuse a change of a group's member: 10326 when it names a group, 10327 when it names none.

    TWS has its own group for a bracket's children: a change that names none is made.
    Sources: the codes' names in IB's table; field reports of changes refused either way
    (nautilus_trader #2978, September 2025; of 170 changes in April 2026 none was made).
    """
    if asked:
        raise OCA_REVISION.refusal()
    if order.oca_group and order.oca_group != order.family_group:
        raise OCA_TYPE_REVISION.refusal()


def _time_in_force(request: PlaceOrder, order_type: str) -> str:
    tif = request.tif or "DAY"
    if tif not in _TIFS:
        raise INVALID.refusal("bG", f"Invalid time in force: {tif}")
    if order_type in ON_CLOSE and tif != "DAY":
        raise CLOSE_TIF.refusal()
    return tif


def _quantity(request: PlaceOrder, contract: Contract) -> Decimal:
    if not request.quantity or request.quantity < 0:
        raise ZERO_SIZE.refusal()
    if request.quantity % 1 and contract.sec_type != "CASH":
        raise FRACTION.refusal()
    return request.quantity


def _check_prices(request: PlaceOrder, contract: Contract) -> None:
    """The prices that the type needs, each a multiple of the increment at that price."""
    needed = {
        "LMT": ("limit_price",),
        "LOC": ("limit_price",),
        "STP": ("aux_price",),
        "STP LMT": ("aux_price", "limit_price"),
    }.get(request.order_type, ())
    for name in needed:
        price = getattr(request, name)
        if price is None or price <= 0:
            raise INVALID.refusal("bG", f"Missing or invalid {name.replace('_', ' ')}")
        if price % RULES[contract.market_rule].increment(price):
            raise MIN_TICK.refusal()
    if request.order_type == "TRAIL":
        _check_trail(request, contract)


def _check_trail(request: PlaceOrder, contract: Contract) -> None:
    if not ((request.aux_price or 0) > 0) ^ ((request.trailing_percent or 0) > 0):
        raise INVALID.refusal("bG", "Specify either a trailing amount or a trailing percent")
    if request.aux_price and request.aux_price % contract.min_tick:
        raise MIN_TICK.refusal()
    if request.trail_stop_price and request.trail_stop_price % contract.min_tick:
        raise MIN_TICK.refusal()


def _stop(request: PlaceOrder, order_type: str) -> Decimal | None:
    return request.aux_price if order_type in {"STOP", "STOP_LIMIT"} else None


def _time(text: str, options: GatewayOptions, *, end_of_day: bool = False) -> datetime:
    try:
        return times.read(text, options.time_zone, end_of_day=end_of_day)
    except ValueError as error:
        raise INVALID.refusal("bG", str(error)) from None


def _expiry(request: PlaceOrder, now: datetime, options: GatewayOptions) -> datetime:
    if not request.good_till:
        raise INVALID.refusal("bG", "A GTD order needs goodTillDate")
    expires_at = _time(request.good_till, options, end_of_day=True)
    if expires_at <= now:
        raise INVALID.refusal("bG", "The good till date is in the past.")
    return expires_at
