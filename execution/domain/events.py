"""The JSON messages of the `orders` and `fills` streams, without the sequence they get later."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from execution.domain.decimals import plain
from execution.domain.identity import event_id

SCHEMA = 1
ORDERS = "orders"
FILLS = "fills"


class OrderEventType(StrEnum):
    """Types on `orders` besides one per state."""

    ACCEPTED = "ACCEPTED"
    REFUSED = "REFUSED"
    REROUTED = "REROUTED"
    OVERFILLED = "OVERFILLED"
    CANCEL_REQUESTED = "CANCEL_REQUESTED"
    CANCEL_REFUSED = "CANCEL_REFUSED"
    MODIFIED = "MODIFIED"
    MODIFY_REFUSED = "MODIFY_REFUSED"


@dataclass(frozen=True, slots=True)
class Event:
    """One message of a stream; `payload` lacks `sequence`, which publishing assigns."""

    event_id: UUID
    stream: str
    type: str
    order_id: UUID | None
    payload: dict[str, Any]


def timestamp(moment: datetime) -> str:
    """ISO 8601 in UTC with microseconds and `Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def order_event(
    kind: str,
    *,
    key: object,
    at: datetime,
    client_order_id: str | None,
    order_id: UUID | None = None,
    symbol: str | None = None,
    broker: str | None = None,
    execution_mode: str | None = None,
    state: str | None = None,
    reason: str | None = None,
    step: str | None = None,
    alone: bool = False,
) -> Event:
    """A message of `orders`; `key` (the order's version, or the request's id) makes it unique.

    So does the order, unless the key is `alone`: a command's id is, whose order may not exist yet.
    """
    identity = event_id(ORDERS, None if alone else order_id, kind, key)
    payload = {
        "schema": SCHEMA,
        "event_id": str(identity),
        "type": kind,
        "order_id": None if order_id is None else str(order_id),
        "client_order_id": client_order_id,
        "symbol": symbol,
        "broker": broker,
        "execution_mode": execution_mode,
        "state": state,
        "reason": reason,
        "step": step,
        "at": timestamp(at),
    }
    return Event(identity, ORDERS, kind, order_id, payload)


@dataclass(frozen=True, slots=True)
class FillFacts:
    """What a FILL message says; the names are the message's own."""

    order_id: UUID | None
    client_order_id: str | None
    symbol: str
    asset_class: str | None
    side: str
    broker: str
    requested_broker: str | None
    environment: str
    account: str
    execution_mode: str
    execution_id: str
    last_quantity: Decimal
    last_price: Decimal
    cumulative_quantity: Decimal | None
    leaves_quantity: Decimal | None
    average_price: Decimal | None
    currency: str | None
    multiplier: Decimal
    commission: Decimal | None
    commission_currency: str | None
    order_state: str | None
    executed_at: datetime
    strategy: str | None


def fill_event(kind: str, facts: FillFacts, revision: int = 0) -> Event:
    """A message of `fills`: FILL, COMMISSION, CORRECTION or BUST; `revision` counts the latter."""
    identity = event_id(
        FILLS,
        kind,
        facts.broker,
        facts.environment,
        facts.account,
        facts.symbol,
        facts.side,
        facts.execution_id,
        0 if kind == "FILL" else revision,
    )
    payload: dict[str, Any] = {"schema": SCHEMA, "event_id": str(identity), "type": kind}
    for name in FillFacts.__slots__:
        value = getattr(facts, name)
        if isinstance(value, Decimal):
            value = plain(value)
        elif isinstance(value, datetime):
            value = timestamp(value)
        elif isinstance(value, UUID):
            value = str(value)
        payload[name] = value
    return Event(identity, FILLS, kind, facts.order_id, payload)
