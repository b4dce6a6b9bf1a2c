"""Rows to domain objects and back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from execution.domain.decimals import plain
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


def to_json(value: Any) -> Any:
    """A value as JSON holds it: decimals in plain text, times in ISO 8601, ids as text."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {key: to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    return str(value)


def instrument_to_json(instrument: Instrument) -> dict[str, Any]:
    """An instrument as the `instrument` column keeps it; attributes that are None are left out."""
    named = {name: getattr(instrument, name) for name in Instrument.__slots__}
    return {name: to_json(value) for name, value in named.items() if value is not None}


def instrument_from_json(row: Mapping[str, Any]) -> Instrument:
    """The inverse of `instrument_to_json`."""
    values = dict(row)
    values["asset_class"] = AssetClass(values["asset_class"])
    values["multiplier"] = Decimal(values["multiplier"])
    if "strike" in values:
        values["strike"] = Decimal(values["strike"])
    if "expiry" in values:
        values["expiry"] = date.fromisoformat(values["expiry"])
    return Instrument(**values)


def order_from_row(row: Mapping[str, Any]) -> Order:
    """An order and its current attempt from `orders` joined with `order_attempts` (prefix a_)."""
    attempt = AttemptState(
        attempt_id=row["a_attempt_id"],
        attempt_no=row["a_attempt_no"],
        account=row["a_account"],
        venue_order_id=row["a_venue_order_id"],
        broker_order_id=row["a_broker_order_id"],
        quantity=row["a_quantity"],
        filled_quantity=row["a_filled_quantity"],
        state=OrderState(row["a_state"]),
        intent_at=row["a_intent_at"],
        send_by=row["a_send_by"],
        lease_owner=row["a_lease_owner"],
        lease_until=row["a_lease_until"],
        watcher=row["a_watcher"],
        reported_state=OrderState(row["a_reported_state"]) if row["a_reported_state"] else None,
        reported_quantity=row["a_reported_quantity"],
        reported_reason=row["a_reported_reason"],
        replacement=row["a_replacement"],
        closes=row["a_closes"],
        channel=row["a_channel"],
        created_at=row["a_created_at"],
        reduced=row["a_reduced"],
        one_cancels_other=row["a_one_cancels_other"],
        group_filled=row["a_group_filled"],
    )
    return Order(
        order_id=row["order_id"],
        client_order_id=row["client_order_id"],
        instrument=instrument_from_json(row["instrument"]),
        side=Side(row["side"]),
        order_type=OrderType(row["order_type"]),
        quantity=row["quantity"],
        time_in_force=TimeInForce(row["time_in_force"]),
        limit_price=row["limit_price"],
        stop_price=row["stop_price"],
        trail_amount=row["trail_amount"],
        trail_percent=row["trail_percent"],
        expires_at=row["expires_at"],
        outside_rth=row["outside_rth"],
        post_only=row["post_only"],
        reduce_only=row["reduce_only"],
        reference_price=row["reference_price"],
        on_failure=OnFailure(row["on_failure"]),
        environment=row["environment"],
        account=row["account"],
        requested_broker=BrokerName(row["requested_broker"]),
        broker=BrokerName(row["broker"]),
        execution_mode=ExecutionMode(row["execution_mode"]),
        state=OrderState(row["state"]),
        reason=row["reason"],
        filled_quantity=row["filled_quantity"],
        average_price=row["average_price"],
        strategy=row["strategy"],
        take_profit_price=row["take_profit_price"],
        stop_loss_price=row["stop_loss_price"],
        parent_order_id=row["parent_order_id"],
        role=row["role"],
        version=row["version"],
        step=row["step"],
        due_at=row["due_at"],
        resends=row["resends"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        read_at=row["read_at"],
        unapplied=row["unapplied"],
        unfinished=row["unfinished"],
        attempt=attempt,
        standing=row["standing"],
    )
