"""An order as the lifecycle reads it, made without a database."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from execution.domain.instruments import Instrument
from execution.domain.orders import AttemptState, Order
from execution.domain.vocabulary import (
    AssetClass,
    BrokerName,
    ExecutionMode,
    OnFailure,
    OrderState,
    OrderType,
    Side,
    TimeInForce,
)

CAME = datetime(2026, 1, 2, 12, tzinfo=UTC)
READ = CAME + timedelta(hours=1)
ORDER_ID = UUID("01890a5d-ac96-774b-bcce-b302099a8057")

_ATTEMPT = AttemptState(
    attempt_id=UUID("01890a5d-ac96-774b-bcce-b302099a8058"),
    attempt_no=2,
    account="DU1",
    venue_order_id="v-2",
    broker_order_id="b-2",
    quantity=Decimal(7),
    filled_quantity=Decimal(0),
    state=OrderState.SUBMITTED,
    intent_at=CAME,
    send_by=CAME + timedelta(seconds=10),
    lease_owner=None,
    lease_until=None,
    watcher=None,
    reported_state=None,
    reported_quantity=None,
    reported_reason=None,
    replacement=None,
    closes="100001",
    created_at=CAME + timedelta(seconds=1),
)
_ORDER = Order(
    order_id=ORDER_ID,
    client_order_id="mine",
    instrument=Instrument("SPY", AssetClass.EQUITY, "USD"),
    side=Side.BUY,
    order_type=OrderType.LIMIT,
    quantity=Decimal(10),
    time_in_force=TimeInForce.GTD,
    limit_price=Decimal("600.5"),
    stop_price=Decimal(599),
    trail_amount=Decimal("1.5"),
    trail_percent=Decimal("0.2"),
    expires_at=CAME + timedelta(days=1),
    outside_rth=False,
    post_only=False,
    reduce_only=False,
    reference_price=Decimal(601),
    on_failure=OnFailure.PAPER,
    environment="practice",
    account="main",
    requested_broker=BrokerName.IBKR,
    broker=BrokerName.IBKR,
    execution_mode=ExecutionMode.LIVE,
    state=OrderState.SUBMITTED,
    reason=None,
    filled_quantity=Decimal(0),
    average_price=None,
    strategy=None,
    take_profit_price=None,
    stop_loss_price=None,
    parent_order_id=None,
    role=None,
    version=5,
    step=4,
    due_at=None,
    resends=0,
    created_at=CAME,
    updated_at=CAME,
    read_at=READ,
    unapplied=0,
    unfinished=0,
    attempt=_ATTEMPT,
)


def an_order(attempt: dict[str, Any] | None = None, **changes: Any) -> Order:
    """A limit order for 10 SPY that works at IBKR by its second attempt, for 7; with changes."""
    return replace(_ORDER, attempt=replace(_ATTEMPT, **(attempt or {})), **changes)
