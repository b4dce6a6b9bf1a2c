"""The life of a command: NEW, LEASED, then DONE, FAILED or UNKNOWN. Every change is a statement.

All functions are to be called in a transaction; times are milliseconds UTC. See PROTOCOL.md.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from typing import Any

from mt4_bridge.errors import IdReused, TooLate
from mt4_bridge.magic import magic_of
from mt4_bridge.wire import Record

_OFFERED = (
    "FROM commands WHERE stage IN ('LEASED', 'NEW') "
    "OR (stage = 'UNKNOWN' AND reported_by IS NOT :terminal)"
)
_OUTCOMES = frozenset({"DONE", "FAILED", "UNKNOWN"})


def submit(
    connection: sqlite3.Connection, kind: str, body: Mapping[str, Any], valid_until: int, now: int
) -> sqlite3.Row:
    """Take a new command, or give the one that this id already is.

    Raises IdReused when that one says something else, TooLate when nothing may be sent any more.
    """
    command_id, text = body["id"], canonical(body)
    known = get(connection, command_id)
    if known is not None:
        if (known["kind"], known["body"]) != (kind, text):
            raise IdReused(f"{command_id} is a {known['kind']} that says something else")
        return known
    if valid_until <= now:
        raise TooLate(f"{command_id} was valid until {body['valid_until']}")
    connection.execute(
        "INSERT INTO commands (id, sequence, kind, body, magic, symbol, stage, valid_until, "
        "created_at) VALUES (?, (SELECT coalesce(max(sequence), 0) + 1 FROM commands), "
        "?, ?, ?, ?, 'NEW', ?, ?)",
        (command_id, kind, text, magic_of(command_id), body.get("symbol"), valid_until, now),
    )
    return _known(connection, command_id)


def canonical(body: Mapping[str, Any]) -> str:
    """A body as text that is the same for the same content."""
    return json.dumps(body, sort_keys=True, separators=(",", ":"))


def get(connection: sqlite3.Connection, command_id: str) -> sqlite3.Row | None:
    """The command of that id."""
    row: sqlite3.Row | None = connection.execute(
        "SELECT * FROM commands WHERE id = ?", (command_id,)
    ).fetchone()
    return row


def overdue(connection: sqlite3.Connection, now: int) -> bool:
    """True when `expire` has something to do."""
    return bool(
        connection.execute(
            "SELECT 1 FROM commands WHERE stage IN ('NEW', 'LEASED') AND valid_until <= ? LIMIT 1",
            (now,),
        ).fetchone()
    )


def expire(connection: sqlite3.Connection, now: int) -> list[str]:
    """Settle what its time has settled; the ids.

    A command that was never leased has not been sent and never will be. One that was leased may
    have been: its outcome is unknown until the terminal tells it.
    """
    never = connection.execute(
        "UPDATE commands SET stage = 'FAILED', sent = 'NO', code = 'expired', class = 'FINAL', "
        "reason = 'no terminal took it while it was valid; it was never sent', settled_at = :now "
        "WHERE stage = 'NEW' AND valid_until <= :now RETURNING id",
        {"now": now},
    ).fetchall()
    unknown = connection.execute(
        "UPDATE commands SET stage = 'UNKNOWN', code = 'unreported', "
        "reason = 'a terminal took it and has not said what became of it' "
        "WHERE stage = 'LEASED' AND valid_until <= ? RETURNING id",
        (now,),
    ).fetchall()
    return [str(row["id"]) for row in [*never, *unknown]]


def waiting(connection: sqlite3.Connection, terminal: str) -> bool:
    """True when `lease` has something to offer."""
    found = connection.execute(f"SELECT 1 {_OFFERED} LIMIT 1", {"terminal": terminal}).fetchone()
    return found is not None


def lease(
    connection: sqlite3.Connection, terminal: str, now: int
) -> tuple[sqlite3.Row, str, str] | None:
    """The command to offer to `terminal`, its mode and who had it before; it is LEASED now.

    Oldest first, those that a terminal may hold already before new ones. A command whose outcome
    this terminal itself has called unknown is its own to look for.
    """
    row = connection.execute(
        f"SELECT * {_OFFERED} ORDER BY stage = 'NEW', leases, sequence LIMIT 1",
        {"terminal": terminal},
    ).fetchone()
    if row is None:
        return None
    holder = row["leased_to"] or terminal
    runs = row["stage"] != "UNKNOWN" and holder == terminal and row["valid_until"] > now
    connection.execute(
        "UPDATE commands SET stage = CASE stage WHEN 'NEW' THEN 'LEASED' ELSE stage END, "
        "leases = leases + 1, leased_at = coalesce(leased_at, :now), "
        "leased_to = coalesce(leased_to, :terminal) WHERE id = :id",
        {"now": now, "terminal": terminal, "id": row["id"]},
    )
    return _known(connection, row["id"]), "RUN" if runs else "LOOK", holder


def settle(
    connection: sqlite3.Connection, terminal: str, result: Record, now: int
) -> tuple[bool, str]:
    """Write down a RESULT; whether it changed anything, and the command's id.

    Nothing takes DONE back, and a refusal only gives way to DONE: what happened, happened. A
    result of a command that the bridge has forgotten changes nothing. Malformed when it makes no
    sense.
    """
    command_id, outcome = result.text("id"), result.text("outcome")
    if outcome not in _OUTCOMES:
        outcome = "UNKNOWN"
    sent = result.text("sent", "MAYBE")
    ticket = result.integer("ticket", 0) or None
    changed = connection.execute(
        "UPDATE commands SET stage = :outcome, sent = :sent, code = :code, class = :class, "
        "reason = :reason, ticket = coalesce(:ticket, ticket), protected = :protected, "
        "reported_by = :terminal, "
        "settled_at = CASE WHEN :outcome = 'UNKNOWN' THEN NULL ELSE :now END "
        "WHERE id = :id AND (stage IN ('NEW', 'LEASED', 'UNKNOWN') OR :outcome = 'DONE')",
        {
            "id": command_id,
            "outcome": outcome,
            "sent": sent if sent in {"YES", "NO"} else "MAYBE",
            "code": result.fields.get("code"),
            "class": result.fields.get("class"),
            "reason": result.fields.get("reason"),
            "ticket": ticket,
            "protected": result.integer("protected") if "protected" in result.fields else None,
            "terminal": terminal,
            "now": now,
        },
    ).rowcount
    if outcome == "DONE" and ticket is not None:
        # The close was told as a ticket, perhaps before anybody said whose it was.
        connection.execute(
            "UPDATE executions SET command_id = ? WHERE execution_id = ? AND command_id IS NULL "
            "AND (SELECT kind FROM commands WHERE id = ?) = 'CLOSE'",
            (command_id, f"C{ticket}", command_id),
        )
    return changed > 0, command_id


def settle_by_ticket(connection: sqlite3.Connection, command_id: str, now: int) -> bool:
    """A ticket of this PLACE is there: it happened, whatever has been reported so far."""
    row = connection.execute(
        "SELECT min(root) AS root FROM tickets WHERE command_id = ?", (command_id,)
    ).fetchone()
    changed = connection.execute(
        "UPDATE commands SET stage = 'DONE', sent = 'YES', code = NULL, class = NULL, "
        "reason = NULL, ticket = :ticket, settled_at = :now "
        "WHERE id = :id AND kind = 'PLACE' AND stage IN ('LEASED', 'UNKNOWN', 'FAILED')",
        {"ticket": row["root"], "id": command_id, "now": now},
    ).rowcount
    return changed > 0


def _known(connection: sqlite3.Connection, command_id: str) -> sqlite3.Row:
    row = get(connection, command_id)
    if row is None:
        raise KeyError(command_id)
    return row
