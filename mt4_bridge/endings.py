"""Ends pending orders at the time that was asked for, whatever the trade server's clock says.

MT4 keeps an expiration on the server's own clock, which a change of the hour moves, and takes none
within the next ten minutes ("Order may not expire earlier than in 10 minutes", MetaTrader 4 help,
"Placing of Pending Orders", read in November 2026). So the bridge deletes such an order itself; the
server's expiration is for the time when bridge or terminal is away.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from mt4_bridge import commands
from mt4_bridge.bodies import Close
from mt4_bridge.clock import milliseconds, moment

_SHORTEST = 11 * 60_000
_VALID = 30_000
_AGAIN = 15_000


def server_expiration(body: Mapping[str, Any], created_at: int) -> int:
    """What the server is given as the end of an order: milliseconds UTC."""
    asked = milliseconds(datetime.fromisoformat(body["expires_at"]))
    return max(asked, created_at + _SHORTEST)


def end_of(connection: sqlite3.Connection, command_id: str, body: Mapping[str, Any]) -> int | None:
    """When the order of a PLACE is to end (milliseconds UTC), as it was changed last; or None."""
    changed = connection.execute(
        "SELECT body FROM commands WHERE kind = 'MODIFY' AND stage = 'DONE' "
        "AND json_extract(body, '$.order_id') = ? "
        "AND json_extract(body, '$.expires_at') IS NOT NULL ORDER BY sequence DESC LIMIT 1",
        (command_id,),
    ).fetchone()
    asked = (json.loads(changed["body"]) if changed else body).get("expires_at")
    return None if asked is None else milliseconds(datetime.fromisoformat(asked))


def due(connection: sqlite3.Connection, now: int) -> list[str]:
    """The orders that are pending beyond their end and that nothing is about to delete."""
    rows = connection.execute(
        "SELECT DISTINCT c.id, c.body FROM tickets t JOIN commands c ON c.id = t.command_id "
        "WHERE t.close_time IS NULL AND t.type > 1"
    ).fetchall()
    over = []
    for row in rows:
        end = end_of(connection, row["id"], json.loads(row["body"]))
        if end is not None and end <= now and not _is_ending(connection, row["id"], now):
            over.append(str(row["id"]))
    return over


def delete(connection: sqlite3.Connection, command_id: str, now: int) -> None:
    """Take a command of our own that deletes a pending order; in a transaction."""
    before = connection.execute(
        "SELECT count(*) FROM commands WHERE json_extract(body, '$.order_id') = ?", (command_id,)
    ).fetchone()[0]
    digest = hashlib.sha256(f"{command_id} {before}".encode()).hexdigest()
    body = Close(
        id=f"end-{digest[:20]}",
        valid_until=moment(now + _VALID),
        order_id=command_id,
        target="PENDING",
    )
    commands.submit(connection, "CLOSE", body.as_command(), now + _VALID, now)


def _is_ending(connection: sqlite3.Connection, command_id: str, now: int) -> bool:
    """Whether a deletion is under way, or was tried a moment ago."""
    return bool(
        connection.execute(
            "SELECT 1 FROM commands WHERE kind = 'CLOSE' "
            "AND json_extract(body, '$.order_id') = ? "
            "AND json_extract(body, '$.target') = 'PENDING' "
            "AND (stage IN ('NEW', 'LEASED', 'UNKNOWN') OR created_at > ?) LIMIT 1",
            (command_id, now - _AGAIN),
        ).fetchone()
    )
