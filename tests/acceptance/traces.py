"""All that orders leave in the database, for two ways of doing the same to be held together."""

from __future__ import annotations

import json
import re
from typing import Any

from tests.fleet import Fleet

_TABLES = {
    "order_requests": "client_order_id",
    "orders": "client_order_id",
    "order_attempts": "order_id, attempt_no",
    # Whether step 5 finds an order still waiting depends on how fast its venue is.
    "order_events": "order_id, at",
    "events": "stream, order_id, event_no",
    "execution_reports": "order_id, executed_at, execution_id, kind",
    "fills": "order_id, executed_at, execution_id",
    "positions": "account, broker, symbol",
    "paper_positions": "account, broker, symbol",
}
# Counters of one database, and what differs with the moment in which a venue is asked.
_OWN = {
    *("event_no", "report_id", "fill_id", "last_fill_id", "sequence", "payload_hash"),
    *("version", "resends", "spec"),
    "end_cause",  # of a bracket's child: our cancel may come before its book covers it
}
_CHILDREN = ("-STOP_LOSS", "-TAKE_PROFIT")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


def traces(fleet: Fleet) -> dict[str, list[Any]]:
    """All rows of a fleet's database by table, with its ids by common names and without times."""
    names = _names(fleet)
    found = {}
    for table, order in _TABLES.items():
        rows = fleet.query(f"SELECT to_jsonb(t) AS row FROM {table} t ORDER BY {order}")
        kept = [_common(row["row"], names) for row in rows if row["row"].get("step") != "waiting"]
        # As `end_cause`: whether we ask for a child's cancel before its book ends it.
        kept = [row for row in kept if not _intends_cancel(row)]
        for row in kept:
            if str(row.get("order_id")).endswith(_CHILDREN):
                # As `end_cause`: the book may have ended it before we ask for its cancel.
                row.pop("cancel_asked_at", None)
        # Rows of one order stay in their order; orders come by their names.
        found[table] = sorted(kept, key=lambda row: str(row.get("order_id")))
    return found


def _intends_cancel(row: dict[str, Any]) -> bool:
    return row.get("step") == "bracket" and "cancels" in (row.get("detail") or {})


def _names(fleet: Fleet) -> dict[str, str]:
    """What ids are called in both databases: by the order's name, and their number."""
    names = {}
    for row in fleet.query("SELECT order_id, client_order_id, parent_order_id, role FROM orders"):
        parent = fleet.query(
            "SELECT client_order_id FROM orders WHERE order_id = %s", row["parent_order_id"]
        )
        name = f"{parent[0]['client_order_id']}-{row['role']}" if parent else row["client_order_id"]
        names[str(row["order_id"])] = f"order of {name}"
        names[row["client_order_id"]] = name
        attempts = fleet.query(
            "SELECT * FROM order_attempts WHERE order_id = %s ORDER BY attempt_no", row["order_id"]
        )
        for attempt in attempts:
            number = attempt["attempt_no"]
            names[str(attempt["attempt_id"])] = f"attempt {number} of {name}"
            names[attempt["venue_order_id"]] = f"venue order {number} of {name}"
            names.setdefault(attempt["broker_order_id"] or "", f"broker order {number} of {name}")
        fills = fleet.query(
            "SELECT execution_id FROM fills WHERE order_id = %s ORDER BY executed_at",
            row["order_id"],
        )
        for number, fill in enumerate(fills):
            names[fill["execution_id"]] = f"execution {number} of {name}"
    names.pop("", None)
    return names


def _common(row: dict[str, Any], names: dict[str, str]) -> Any:
    text = json.dumps({name: value for name, value in row.items() if name not in _OWN})

    def named(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: named(item) for key, item in value.items() if key not in _OWN}
        if isinstance(value, list):
            return [named(item) for item in value]
        if not isinstance(value, str):
            return value
        return names.get(value) or _TIME.sub("TIME", _UUID.sub("UUID", value))

    return named(json.loads(text))
