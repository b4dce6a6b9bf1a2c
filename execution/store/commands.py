"""`order_commands`: cancels and modifies, recorded before anything is done about them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

from execution.domain.commands import CommandKind, ModifyRequest, parse_modify
from execution.domain.decimals import plain
from execution.domain.errors import RequestRefused
from execution.domain.events import Event
from execution.domain.ports import Modification
from execution.domain.vocabulary import BrokerName
from execution.store import outbox
from execution.store.loading import CHANNEL
from execution.store.recovery import NEXT_TURN, overdue

PENDING = "PENDING"
DONE = "DONE"
REFUSED = "REFUSED"

_COLUMNS = """command_id, kind, client_order_id, external_id, payload, fitted, outcome, reason,
    ours, resends, sends, sent_at, clock_timestamp() - sent_at AS since_sent,
    clock_timestamp() - last_send_at AS since_last_send"""


@dataclass(frozen=True, slots=True)
class Command:
    """A cancel or modify as recorded; PENDING, DONE or REFUSED with the reason.

    `sent`: its intent is committed. `sends` counts how often it has set out for the venue, each
    counted before it does; `since_sent` and `since_last_send` are how long ago that was, by the
    database's clock. `fitted` are the terms of a modify as the venue takes them. `ours`: the
    service itself asked for it, no producer.
    """

    command_id: UUID
    kind: CommandKind
    client_order_id: str | None
    external_id: str | None
    payload: dict[str, Any]
    outcome: str
    reason: str | None
    sent: bool
    resends: int
    sends: int = 0
    since_sent: timedelta = timedelta(0)
    since_last_send: timedelta = timedelta(0)
    fitted: dict[str, Any] | None = None
    ours: bool = False

    @property
    def request(self) -> ModifyRequest:
        """A modify as it was asked for, fitted to its venue once it has set out."""
        return parse_modify(self.payload | (self.fitted or {}))

    def problem(self) -> str | None:
        """What is wrong with a modify that somebody has recorded by hand; None if nothing is."""
        try:
            asked = self.request
        except RequestRefused as refusal:
            return str(refusal)
        if asked.client_order_id != self.client_order_id:
            return "client_order_id: it is not the one that was recorded"
        return None

    @property
    def modification(self) -> Modification:
        """Its change."""
        return self.request.modification()


def record(
    connection: Connection,
    *,
    command_id: UUID,
    kind: CommandKind,
    client_order_id: str | None,
    external_id: str | None,
    payload: Mapping[str, Any],
    payload_hash: str,
    reason: str | None,
    due: timedelta,
    ours: bool = False,
) -> Command | None:
    """Record a command, REFUSED when there is a `reason`; None when its id is taken (`find`).

    Producers have no right to the column `ours`, so that it is named only where it is true.
    """
    row = connection.execute(
        text(
            f"""
            INSERT INTO order_commands (command_id, kind, client_order_id, external_id, payload,
                payload_hash, outcome, reason, due_at{", ours" if ours else ""})
            VALUES (:command_id, :kind, :client_order_id, :external_id, CAST(:payload AS jsonb),
                :payload_hash, :outcome, :reason, clock_timestamp() + :due
                {", true" if ours else ""})
            ON CONFLICT DO NOTHING RETURNING {_COLUMNS}
            """
        ),
        {
            "command_id": command_id,
            "kind": kind,
            "client_order_id": client_order_id,
            "external_id": external_id,
            "payload": json.dumps(payload),
            "payload_hash": payload_hash,
            "outcome": REFUSED if reason else PENDING,
            "reason": reason,
            "due": due,
        },
    ).one_or_none()
    return None if row is None else _command(row)


def find(
    connection: Connection,
    kind: CommandKind,
    client_order_id: str | None,
    external_id: str | None,
    payload_hash: str,
) -> Command | None:
    """The same command, recorded before."""
    row = connection.execute(
        text(
            f"""
            SELECT {_COLUMNS} FROM order_commands
            WHERE (kind, payload_hash) = (:kind, :payload_hash)
              AND client_order_id IS NOT DISTINCT FROM :client_order_id
              AND external_id IS NOT DISTINCT FROM :external_id
            """
        ),
        {
            "kind": kind,
            "client_order_id": client_order_id,
            "external_id": external_id,
            "payload_hash": payload_hash,
        },
    ).one_or_none()
    return None if row is None else _command(row)


def load(connection: Connection, command_id: UUID, *, lock: bool = False) -> Command | None:
    """A command by its id."""
    statement = f"SELECT {_COLUMNS} FROM order_commands WHERE command_id = :command_id"
    row = connection.execute(
        text(statement + (" FOR UPDATE" if lock else "")), {"command_id": command_id}
    ).one_or_none()
    return None if row is None else _command(row)


def cancel_mark(connection: Connection, client_order_id: str) -> Command | None:
    """The cancel that came before its order, if one did."""
    row = connection.execute(
        text(
            f"""
            SELECT {_COLUMNS} FROM order_commands
            WHERE client_order_id = :client_order_id AND kind = 'CANCEL' AND outcome = 'PENDING'
            ORDER BY received_at LIMIT 1 FOR UPDATE
            """
        ),
        {"client_order_id": client_order_id},
    ).one_or_none()
    return None if row is None else _command(row)


def settle(
    connection: Connection,
    command_id: UUID,
    outcome: str,
    reason: str | None,
    events: list[Event],
    *,
    unsent: bool = False,
) -> bool:
    """End a command. False when it was ended before.

    With `unsent` also when another worker has sent it since it was read.
    """
    row = connection.execute(
        text(
            f"""
            WITH settled AS (
                UPDATE order_commands SET outcome = :outcome, reason = :reason, due_at = NULL,
                    settled_at = clock_timestamp()
                WHERE command_id = :command_id AND outcome = 'PENDING'
                    AND (sent_at IS NULL OR NOT :unsent)
                RETURNING command_id
            ), told AS (
                {outbox.INSERT_EVENTS} WHERE EXISTS (SELECT FROM settled)
                ON CONFLICT (event_id) DO NOTHING
            )
            SELECT command_id FROM settled
            """
        ),
        {
            "command_id": command_id,
            "outcome": outcome,
            "reason": reason,
            "events": outbox.as_json(events),
            "unsent": unsent,
        },
    ).one_or_none()
    return row is not None


def another_under_way(connection: Connection, command: Command) -> bool:
    """Whether another change of the same order has set out and is not settled yet."""
    row = connection.execute(
        text(
            """
            SELECT 1 FROM order_commands
            WHERE client_order_id = :client_order_id AND kind = 'MODIFY' AND outcome = 'PENDING'
              AND sent_at IS NOT NULL AND command_id <> :command_id LIMIT 1
            """
        ),
        {"client_order_id": command.client_order_id, "command_id": command.command_id},
    ).one_or_none()
    return row is not None


def mark_sent(connection: Connection, command_id: UUID, fitted: Modification | None = None) -> None:
    """A modify sets out for its venue; from now on its version counts as checked."""
    terms = {} if fitted is None else {n: plain(getattr(fitted, n)) for n in fitted.names()}
    connection.execute(
        text(
            """
            UPDATE order_commands SET sent_at = clock_timestamp(), fitted = CAST(:fitted AS jsonb)
            WHERE command_id = :command_id
            """
        ),
        {"command_id": command_id, "fitted": json.dumps(terms) if terms else None},
    )


def sending(connection: Connection, command: Command) -> bool:
    """Count a send before it leaves. False: another worker has sent it, or it is settled."""
    row = connection.execute(
        text(
            """
            UPDATE order_commands SET sends = sends + 1, last_send_at = clock_timestamp(),
                sent_at = coalesce(sent_at, clock_timestamp())
            WHERE command_id = :command_id AND outcome = 'PENDING' AND sends = :sends
            RETURNING command_id
            """
        ),
        {"command_id": command.command_id, "sends": command.sends},
    ).one_or_none()
    return row is not None


def never_left(connection: Connection, command: Command) -> None:
    """Take back what `sending` counted: the venue provably did not receive it."""
    connection.execute(
        text(
            """
            UPDATE order_commands SET sends = sends - 1
            WHERE command_id = :command_id AND sends = :sends + 1
            """
        ),
        {"command_id": command.command_id, "sends": command.sends},
    )


def postpone(
    connection: Connection, command_id: UUID, due: timedelta, note: str | None = None
) -> None:
    """Look at a pending command again when due; `note` says what it is waiting for."""
    connection.execute(
        text(
            """
            UPDATE order_commands SET due_at = clock_timestamp() + :due, reason = :note
            WHERE command_id = :command_id AND outcome = 'PENDING'
            """
        ),
        {"command_id": command_id, "due": due, "note": note},
    )


@dataclass(frozen=True, slots=True)
class DueCommand:
    """A command that is overdue, and which broker's workers it is for, or which one of them."""

    command_id: UUID
    broker: BrokerName
    channel: int | None


_HAS_ITS_ORDER = """outcome = 'PENDING' AND EXISTS (
    SELECT FROM orders o WHERE o.client_order_id = order_commands.client_order_id)"""


def due(
    connection: Connection, deadline: timedelta, most: timedelta, limit: int
) -> list[DueCommand]:
    """Pending commands, overdue, whose order exists; each is put off."""
    rows = connection.execute(
        text(
            f"""
            WITH {overdue("order_commands", "command_id", _HAS_ITS_ORDER)}, sent AS (
                UPDATE order_commands SET {NEXT_TURN}
                WHERE command_id IN (SELECT command_id FROM overdue)
                RETURNING command_id, client_order_id
            )
            SELECT c.command_id, o.broker, {CHANNEL} AS channel FROM sent c
            JOIN orders o ON o.client_order_id = c.client_order_id
            JOIN order_attempts a
                ON a.order_id = o.order_id AND a.attempt_no = o.attempt_no AND a.leg = 0
            """
        ),
        {"deadline": deadline, "most": most, "batch": limit},
    )
    return [DueCommand(row.command_id, BrokerName(row.broker), row.channel) for row in rows]


def _command(row: Row[Any]) -> Command:
    return Command(
        command_id=row.command_id,
        kind=CommandKind(row.kind),
        client_order_id=row.client_order_id,
        external_id=row.external_id,
        payload=row.payload,
        outcome=row.outcome,
        reason=row.reason,
        sent=row.sent_at is not None,
        resends=row.resends,
        sends=row.sends,
        since_sent=row.since_sent or timedelta(0),
        since_last_send=row.since_last_send or timedelta(0),
        fitted=row.fitted,
        ours=row.ours,
    )
