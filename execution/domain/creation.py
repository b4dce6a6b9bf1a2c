"""Step 1's decision: a valid request, its instrument and its route become an order."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from execution.domain.capabilities import CAPABILITIES, shortfall
from execution.domain.identity import venue_order_id
from execution.domain.instruments import Instrument
from execution.domain.requests import OrderRequest
from execution.domain.routing import Route, Verdict
from execution.domain.vocabulary import Environment, OrderState, TimeInForce


def make_order(
    request: OrderRequest,
    instrument: Instrument,
    route: Route,
    *,
    order_id: UUID,
    attempt_id: UUID,
    environment: Environment,
    default_account: str,
    now: datetime,
) -> dict[str, dict[str, Any]]:
    """The columns of a new order and of its first attempt: `{"order": …, "attempt": …}`.

    What the broker cannot do at all is REJECTED here, with the reason, and never rerouted.
    """
    tif = request.effective_time_in_force(instrument.asset_class)
    reason = (
        _cannot(request, instrument, route, tif)
        or _expired(request, now)
        or (route.reason if route.verdict is Verdict.REJECT else None)
    )
    state = OrderState.REJECTED if reason else OrderState.PENDING
    order = {
        "order_id": order_id,
        "client_order_id": request.client_order_id,
        "symbol": instrument.symbol,
        "asset_class": instrument.asset_class,
        "side": request.side,
        "order_type": request.order_type,
        "quantity": request.quantity,
        "requested_quantity": request.quantity,
        "limit_price": request.limit_price,
        "stop_price": request.stop_price,
        "trail_amount": request.trail_amount,
        "trail_percent": request.trail_percent,
        "take_profit_price": request.take_profit_price,
        "stop_loss_price": request.stop_loss_price,
        "time_in_force": tif,
        "expires_at": request.expires_at,
        "outside_rth": request.outside_rth,
        "reduce_only": request.reduce_only,
        "reference_price": request.reference_price,
        "on_failure": request.on_failure,
        "environment": environment,
        "account": request.account or default_account,
        "requested_broker": route.requested_broker,
        "broker": route.broker,
        "execution_mode": route.execution_mode,
        "state": state,
        "reason": reason,
        "route_reason": route.reason,
        "strategy": request.strategy,
        "created_at": now,
    }
    attempt = {"attempt_id": attempt_id, "venue_order_id": venue_order_id(order_id, 1)}
    return {"order": order, "attempt": attempt}


def _cannot(
    request: OrderRequest, instrument: Instrument, route: Route, tif: TimeInForce
) -> str | None:
    """Why the broker asked for, or the one that takes its place, does not offer such an order."""
    for broker in dict.fromkeys((route.requested_broker, route.broker)):
        reason = shortfall(broker, instrument.asset_class, request.order_type, tif)
        if reason is not None:
            return reason
        if request.is_bracket and not CAPABILITIES[broker].brackets:
            return f"take_profit_price, stop_loss_price: {broker} does not take brackets"
    return None


def _expired(request: OrderRequest, now: datetime) -> str | None:
    """Why a GTD order comes too late; None when it does not."""
    if request.expires_at is not None and request.expires_at <= now:
        return f"expires_at: {request.expires_at.isoformat()} has passed"
    return None
