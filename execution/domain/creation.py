"""Step 1's decision: a valid request, its instrument and its route become an order."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from execution.domain.capabilities import CAPABILITIES, shortfall
from execution.domain.errors import RequestRefused
from execution.domain.identity import venue_order_id
from execution.domain.instruments import Instrument
from execution.domain.lifecycle import Step
from execution.domain.orders import AttemptState, Order
from execution.domain.ports import Attempt
from execution.domain.requests import OrderRequest
from execution.domain.routing import Route, Verdict
from execution.domain.trading_rules import Terms, TradingRules, fit
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
    rules: TradingRules | None = None,
) -> dict[str, dict[str, Any]]:
    """The columns of a new order and of its first attempt: `{"order": …, "attempt": …}`.

    What the broker cannot do at all is REJECTED here, with the reason, and never rerouted. `rules`
    are those of the broker asked for, as far as they are known; the terms are fitted to them.
    `default_account` is our name of the account that is meant where none is named.
    """
    tif = request.effective_time_in_force(instrument.asset_class)
    reason = (
        _cannot(request, instrument, route, tif)
        or _expired(request, now)
        or (route.reason if route.verdict is Verdict.REJECT else None)
    )
    terms = terms_of(request)
    asked = account = request.account or default_account
    if reason is None and route.accounts is not None:
        try:
            account = route.accounts.real(asked, default_account)
        except RequestRefused as refusal:
            reason = str(refusal)
    if reason is None and rules is not None:
        try:
            terms = fit(terms, rules, None, route.requested_broker, reduces=request.reduce_only)
        except RequestRefused as refusal:
            reason = str(refusal)
    state = OrderState.REJECTED if reason else OrderState.PENDING
    order = {
        "order_id": order_id,
        "client_order_id": request.client_order_id,
        "symbol": instrument.symbol,
        "asset_class": instrument.asset_class,
        "side": request.side,
        "order_type": request.order_type,
        "quantity": terms.quantity,
        "requested_quantity": request.quantity,
        "limit_price": terms.limit_price,
        "stop_price": terms.stop_price,
        "trail_amount": terms.trail_amount,
        "trail_percent": terms.trail_percent,
        "take_profit_price": request.take_profit_price,
        "stop_loss_price": request.stop_loss_price,
        "time_in_force": tif,
        "expires_at": request.expires_at,
        "outside_rth": request.outside_rth,
        "post_only": request.post_only,
        "reduce_only": request.reduce_only,
        "reference_price": request.reference_price,
        "on_failure": request.on_failure,
        "environment": environment,
        "account": asked,
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
    if account != asked:
        attempt["account"] = account
    return {"order": order, "attempt": attempt}


def as_order(made: dict[str, dict[str, Any]], instrument: Instrument) -> Order:
    """The order that step 2 will insert for what `make_order` returned."""
    columns, attempt = made["order"], made["attempt"]
    created_at = columns["created_at"]
    return Order(
        **{name: columns[name] for name in Order.__slots__ if name in columns},
        instrument=instrument,
        filled_quantity=Decimal(0),
        average_price=None,
        parent_order_id=None,
        role=None,
        version=1,
        step=int(Step.PERSIST_ORDER),
        due_at=None,
        resends=0,
        updated_at=created_at,
        read_at=created_at,
        unapplied=0,
        unfinished=0,
        attempt=AttemptState(
            attempt_id=attempt["attempt_id"],
            attempt_no=1,
            account=attempt.get("account", columns["account"]),
            venue_order_id=attempt["venue_order_id"],
            broker_order_id=None,
            quantity=columns["quantity"],
            filled_quantity=Decimal(0),
            state=OrderState.PENDING,
            intent_at=None,
            send_by=None,
            lease_owner=None,
            lease_until=None,
            watcher=None,
            reported_state=None,
            reported_quantity=None,
            reported_reason=None,
            replacement=None,
            closes=None,
            created_at=created_at,
        ),
    )


def terms_of(order: OrderRequest | Attempt, quantity: Decimal | None = None) -> Terms:
    """What of an order a venue's rules are about; for another `quantity` where one is given."""
    return Terms(
        side=order.side,
        order_type=order.order_type,
        quantity=order.quantity if quantity is None else quantity,
        limit_price=order.limit_price,
        stop_price=order.stop_price,
        trail_amount=order.trail_amount,
        trail_percent=order.trail_percent,
    )


def _cannot(
    request: OrderRequest, instrument: Instrument, route: Route, tif: TimeInForce
) -> str | None:
    """Why the broker asked for, or the one that takes its place, does not offer such an order."""
    for broker in dict.fromkeys((route.requested_broker, route.broker)):
        reason = shortfall(broker, instrument.asset_class, request.order_type, tif)
        if reason is not None:
            return reason
        can = CAPABILITIES[broker]
        if request.is_bracket and not can.brackets:
            return f"take_profit_price, stop_loss_price: {broker} does not take brackets"
        if request.post_only and not can.post_only:
            return f"post_only: {broker} does not take such orders"
        if request.trail_amount is not None and not can.trail_amounts:
            return f"trail_amount: {broker} trails by trail_percent only"
    return None


def _expired(request: OrderRequest, now: datetime) -> str | None:
    """Why a GTD order comes too late; None when it does not."""
    if request.expires_at is not None and request.expires_at <= now:
        return f"expires_at: {request.expires_at.isoformat()} has passed"
    return None
