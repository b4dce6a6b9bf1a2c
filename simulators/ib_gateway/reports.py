"""Executions and orders that the control port makes up."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from simulators.control import text_of
from simulators.decimals import parse_decimal
from simulators.ib_gateway.contracts import Contract
from simulators.ib_gateway.records import TWS_TYPES, Order, Trade
from simulators.records import read_time

if TYPE_CHECKING:
    from simulators.ib_gateway.gateway import IbGateway
    from simulators.ib_gateway.register import Register

_KINDS = frozenset({"TRADE", "CORRECTION", "BUST"})


def book(gateway: IbGateway, order: Order | None, body: dict[str, Any]) -> Trade:
    """Book an execution as told, however odd, and tell it. ValueError when it makes no sense.

    Without a known order it belongs to nobody's: client 0, no order id, a permId of its own.
    """
    register = gateway.register
    contract = (
        register.contract_of(order)
        if order is not None
        else gateway.catalogue.by_ticker(text_of(body, "symbol"))
    )
    trade = _trade(register, order, contract, body)
    if register.trade(trade.execution_id) is not None:
        raise ValueError(f"there is an execution {trade.execution_id} already")
    register.record(trade)
    if order is not None:
        register.refresh(order)
        trade.cumulative_quantity = order.filled_quantity
        trade.average_price = order.average_price
    register.tell_execution(trade)
    if order is not None:
        if order.is_working and not order.leaves:
            register.complete(order)
        register.tell_status(order)
    if trade.charges is not None:
        gateway.matcher.charge(order, trade)
    register.commit()
    return trade


def manual_order(gateway: IbGateway, body: dict[str, Any]) -> Order:
    """The order that a person makes at TWS. ValueError when it cannot be made."""
    register = gateway.register
    contract = gateway.catalogue.by_ticker(text_of(body, "symbol"))
    perm_id = register.new_perm_id()
    order_type = body.get("order_type", "MARKET")
    if order_type not in TWS_TYPES or body.get("side") not in {"BUY", "SELL"}:
        raise ValueError(f"side must be BUY or SELL and order_type one of {', '.join(TWS_TYPES)}")
    return Order(
        broker_order_id=str(perm_id),
        venue_order_id=body.get("order_ref", ""),
        symbol=contract.ticker,
        side=body["side"],
        order_type=order_type,
        quantity=parse_decimal(body.get("quantity"), "quantity"),
        time_in_force=body.get("time_in_force", "DAY"),
        accepted_at=register.clock(),
        limit_price=_optional(body, "limit_price"),
        stop_price=_optional(body, "stop_price"),
        perm_id=perm_id,
        account=body.get("account", register.options.accounts[0]),
        con_id=contract.con_id,
        exchange=contract.exchange,
        currency=contract.currency,
    )


def next_correction(register: Register, execution_id: str) -> str:
    """The id of the next correction of an execution: its last number goes up."""
    head, dot, last = execution_id.rpartition(".")
    if not dot or not last.isdigit():
        head, last = execution_id, "01"
    number = int(last) + 1
    while register.trade(f"{head}.{number:02d}") is not None:
        number += 1
    return f"{head}.{number:02d}"


def _trade(
    register: Register, order: Order | None, contract: Contract, body: dict[str, Any]
) -> Trade:
    kind = body.get("kind", "TRADE")
    corrects = body.get("corrects")
    if kind not in _KINDS or (kind != "TRADE") != isinstance(corrects, str):
        raise ValueError("kind must be TRADE, or CORRECTION or BUST with what it corrects")
    execution_id = body.get("execution_id")
    if execution_id is None:
        execution_id = (
            next_correction(register, corrects) if corrects else register.new_execution_id()
        )
    side = order.side if order is not None else text_of(body, "side")
    if side not in {"BUY", "SELL"}:
        raise ValueError(f"side must be BUY or SELL, not {side!r}")
    quantity, price = (parse_decimal(body.get(name), name) for name in ("quantity", "price"))
    executed_at = register.clock()
    if "executed_at" in body:
        executed_at = read_time(body["executed_at"], "executed_at")
    return Trade(
        execution_id=execution_id,
        sequence=len(register.trades) + 1,
        symbol=contract.ticker,
        side=side,
        quantity=quantity,
        price=price,
        executed_at=executed_at.replace(microsecond=0),
        kind=kind,
        venue_order_id=(order.venue_order_id if order else body.get("venue_order_id")) or None,
        broker_order_id=order.broker_order_id if order else _stranger(body),
        corrects=corrects,
        perm_id=order.perm_id if order else int(_stranger(body)),
        account=order.account if order else body.get("account", register.options.accounts[0]),
        client_id=order.client_id if order else 0,
        order_id=order.order_id if order else 0,
        con_id=contract.con_id,
        sec_type=contract.sec_type,
        exchange=contract.exchanges[-1],
        currency=contract.currency,
        multiplier=contract.factor,
        cumulative_quantity=quantity,
        average_price=price,
        charges=_optional(body, "commission"),
    )


def _stranger(body: dict[str, Any]) -> str:
    """The permId of an order that this gateway does not know: as told, else none."""
    told = str(body.get("broker_order_id", "0"))
    if not told.isdigit():
        raise ValueError(f"broker_order_id is a permId, digits only, not {told!r}")
    return told


def _optional(body: dict[str, Any], name: str) -> Decimal | None:
    return None if body.get(name) is None else parse_decimal(body[name], name)
