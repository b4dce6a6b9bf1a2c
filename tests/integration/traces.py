"""All that orders leave in the database, for two ways of doing the same to be held together."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from sqlalchemy import text

from execution.domain.orders import Order
from execution.store.engine import Store

from .stored import START

_TABLES = (
    "order_requests",
    "orders",
    "order_attempts",
    "order_events",
    "events",
    "execution_reports",
    "fills",
    "positions",
    "paper_positions",
)
# What differs between any two orders: their ids, when things happened, and what serves a restart.
_OWN = {
    *("at", "spec", "received_at", "created_at", "updated_at", "due_at", "applied_at"),
    *("recorded_at", "announced_at", "positioned_at", "intent_at", "send_by", "lease_until"),
    *("event_no", "report_id", "fill_id", "last_fill_id", "sequence"),
}
_POSITIONS = {"positions", "paper_positions"}


def traces(store: Store, order: Order, account: str) -> dict[str, list[dict[str, Any]]]:
    """All that an order left, with its own ids by common names and without times."""
    names = {
        order.client_order_id: "CLIENT",
        str(order.order_id): "ORDER",
        str(order.attempt.attempt_id): "ATTEMPT",
        order.attempt.venue_order_id: "VENUE",
        account: "ACCOUNT",
    }
    found = {}
    with store.statement() as connection:
        for table in _TABLES:
            rows = connection.execute(text(f"SELECT to_jsonb(t) AS row FROM {table} t")).scalars()
            own = [account] if table in _POSITIONS else list(names)[:-1]
            mine = [row for row in rows if any(name in json.dumps(row) for name in own)]
            mine.sort(key=lambda row: row.get("event_no") or row.get("at") or "")
            found[table] = [_common(row, names) for row in mine]
    return found


def _common(row: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    kept = {name: value for name, value in row.items() if name not in _OWN}
    kept.pop("payload_hash", None)
    kept.pop("request_id", None)
    kept.pop("event_id", None)
    if isinstance(kept.get("payload"), dict):
        kept["payload"].pop("at", None)
        kept["payload"].pop("event_id", None)
        kept["payload"].pop("payload_hash", None)
    said = json.dumps(kept, sort_keys=True)
    for name, common in names.items():
        said = said.replace(name, common)
    result: dict[str, Any] = json.loads(said)
    return result


def comparable(order: Order | None) -> Order:
    """An order without the moment it was read."""
    assert order is not None
    return replace(order, read_at=START, updated_at=START)
