"""How commands and what came of them are told: to clients as JSON, to the terminal as a COMMAND."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from mt4_bridge import commands
from mt4_bridge.clock import moment
from mt4_bridge.endings import end_of, server_expiration
from mt4_bridge.magic import magic_of
from mt4_bridge.tickets import of_command, side_of
from mt4_bridge.trees import MARKET_TYPES, state_of
from mt4_bridge.wire import plain

_TYPES = {
    ("MARKET", "BUY"): 0,
    ("MARKET", "SELL"): 1,
    ("LIMIT", "BUY"): 2,
    ("LIMIT", "SELL"): 3,
    ("STOP", "BUY"): 4,
    ("STOP", "SELL"): 5,
}
_ORDER_TYPES = {number: name for (name, _), number in _TYPES.items()}
_BEFORE_AN_OUTCOME = {"NEW": "PENDING", "LEASED": "SUBMITTING", "UNKNOWN": "UNKNOWN"}


def outcome(connection: sqlite3.Connection, command_id: str) -> tuple[int, dict[str, Any]]:
    """Status and body of the answer to a POST: 202 while the outcome is unknown."""
    row = commands.get(connection, command_id)
    if row is None:
        raise KeyError(command_id)
    body = command(connection, row)
    return (202 if body["outcome"] == "UNKNOWN" else 200), body


def command(connection: sqlite3.Connection, row: sqlite3.Row) -> dict[str, Any]:
    """A command, its outcome, and the order and executions that it made."""
    stage = row["stage"]
    reports = executions(
        connection.execute(
            "SELECT * FROM executions WHERE command_id = ? ORDER BY sequence", (row["id"],)
        ).fetchall()
    )
    filled = sum((Decimal(report["lots"]) for report in reports), Decimal(0))
    placed = _placed(connection, row, filled)
    return {
        "id": row["id"],
        "kind": row["kind"],
        "request": json.loads(row["body"]),
        "outcome": stage if stage in {"DONE", "FAILED"} else "UNKNOWN",
        "stage": stage,
        "sent": "NO" if stage == "NEW" else row["sent"],
        "code": row["code"],
        "error_class": row["class"],
        "reason": row["reason"],
        "protected": None if row["protected"] is None else bool(row["protected"]),
        "ticket": row["ticket"],
        "state": _state(row, placed),
        "filled_lots": plain(filled),
        "order": placed,
        "executions": reports,
        "created_at": text_of(row["created_at"]),
        "valid_until": text_of(row["valid_until"]),
        "leased_at": text_of(row["leased_at"]),
        "settled_at": text_of(row["settled_at"]),
    }


def executions(rows: Iterable[sqlite3.Row]) -> list[dict[str, Any]]:
    """Executions as clients see them."""
    return [
        {
            "execution_id": row["execution_id"],
            "sequence": row["sequence"],
            "order_id": row["command_id"],
            "ticket": row["ticket"],
            "position": row["root"],
            "symbol": row["symbol"],
            "side": row["side"],
            "lots": row["lots"],
            "price": row["price"],
            "executed_at": text_of(row["executed_at"]),
            "commission": row["commission"],
            "swap": row["swap"],
            "profit": row["profit"],
        }
        for row in rows
    ]


def ticket(row: sqlite3.Row) -> dict[str, Any]:
    """A ticket as clients see it."""
    return {
        "ticket": row["ticket"],
        "position": row["root"],
        "order_id": row["command_id"],
        "symbol": row["symbol"],
        "side": side_of(row["type"]),
        "order_type": _ORDER_TYPES[row["type"]],
        "lots": row["lots"],
        "open_price": row["open_price"],
        "open_time": text_of(row["open_time"]),
        "stop_loss": row["stop_loss"],
        "take_profit": row["take_profit"],
        "expires_at": text_of(row["expiration"]),
        "commission": row["commission"],
        "comment": row["comment"],
        "magic": row["magic"],
    }


def text_of(value: int | None) -> str | None:
    """A time as ISO 8601, or nothing."""
    return None if value is None else moment(value).isoformat()


def offer(
    connection: sqlite3.Connection, row: sqlite3.Row, mode: str, holder: str
) -> dict[str, object | None]:
    """The fields of a COMMAND. What a LOOK needs is the same as what a RUN needs."""
    body = json.loads(row["body"])
    fields: dict[str, object | None] = {
        "id": row["id"],
        "kind": row["kind"],
        "mode": mode,
        "lease": row["leases"],
        "leased_to": holder,
        "valid_until": row["valid_until"],
        "magic": row["magic"],
    }
    given = ("symbol", "lots", "price", "deviation", "stop_loss", "take_profit", "target")
    fields |= {name: body[name] for name in given if name in body}
    if "expires_at" in body:
        fields["expires"] = server_expiration(body, row["created_at"])
    if row["kind"] == "PLACE":
        fields["type"] = _TYPES[body["order_type"], body["side"]]
    elif body.get("order_id") is not None:
        fields["order"] = body["order_id"]
        fields["order_magic"] = magic_of(body["order_id"])
        fields["ticket"] = _named(connection, body)
    else:
        fields["ticket"] = body["ticket"]
    return fields


def _state(row: sqlite3.Row, placed: dict[str, Any] | None) -> str | None:
    """Where the order stands, in the words of FIX; None for a command that is no order."""
    is_order = row["kind"] == "PLACE" or (
        row["kind"] == "CLOSE" and json.loads(row["body"])["target"] == "POSITION"
    )
    if not is_order:
        return None
    if row["stage"] in _BEFORE_AN_OUTCOME:
        return _BEFORE_AN_OUTCOME[row["stage"]]
    if row["stage"] == "FAILED":
        return "REJECTED"
    return "FILLED" if placed is None else str(placed["state"])


def _placed(
    connection: sqlite3.Connection, row: sqlite3.Row, filled: Decimal
) -> dict[str, Any] | None:
    """What a PLACE made: its tickets with their parts and rests, and what is still open."""
    if row["kind"] != "PLACE" or row["ticket"] is None:
        return None
    parts = of_command(connection, row["id"])
    if not parts:
        return {"state": "SUBMITTED", "tickets": [row["ticket"]], "open_lots": None, "price": None}
    body = json.loads(row["body"])
    ends_at = end_of(connection, row["id"], body)
    pending = [part for part in parts if part["type"] not in MARKET_TYPES]
    working = [part for part in pending if part["close_time"] is None]
    still_open = (Decimal(part["lots"]) for part in parts if part["close_time"] is None)
    only_pending = pending[-1:] if len(pending) == len(parts) else []
    return {
        "state": state_of(parts, filled, Decimal(body.get("lots", 0)), ends_at),
        "tickets": [part["ticket"] for part in parts],
        "open_lots": plain(sum(still_open, Decimal(0))),
        "price": next((part["open_price"] for part in [*working, *only_pending]), None),
    }


def _named(connection: sqlite3.Connection, body: dict[str, Any]) -> int | None:
    """The ticket of an order that a command is about, as far as it is known: the open one."""
    parts = of_command(connection, body["order_id"])
    changes_pending = body.get("target") == "PENDING" or bool({"price", "expires_at"} & body.keys())
    fitting = [
        part["ticket"]
        for part in parts
        if part["close_time"] is None and (part["type"] not in MARKET_TYPES) == changes_pending
    ]
    roots = sorted({part["root"] for part in parts})
    return next(iter([*fitting, *roots]), None)
