"""When an order was to be sent, and what was in doubt of it, as its history has it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, text

from execution.domain.pacing import Tries


def of_order(connection: Connection, order_id: UUID) -> Tries:
    """The intents of the last ten minutes; one that was taken back as never sent is no send."""
    rows = connection.execute(
        text(
            """
            SELECT at, detail -> 'intent' IS NOT NULL AS intended,
                coalesce(detail ->> 'sent' = 'false', false) AS unsent,
                coalesce(detail ->> 'failed' = 'true', false) AS failed
            FROM order_events
            WHERE order_id = :order_id AND at > clock_timestamp() - interval '10 minutes'
                AND (detail -> 'intent' IS NOT NULL OR detail -> 'sent' IS NOT NULL)
            ORDER BY at
            """
        ),
        {"order_id": order_id},
    )
    intents, sent = list[datetime](), list[datetime]()
    failures, put_off = list[datetime](), list[datetime]()
    for row in rows:
        if row.intended:
            intents.append(row.at)
            sent.append(row.at)
        else:
            put_off.append(row.at)
            if row.unsent and sent:
                sent.pop()
        if row.failed:
            failures.append(row.at)
    return Tries(intents, sent, failures, put_off)


def is_doubted(connection: Connection, order_id: UUID) -> bool:
    """Whether the last send was in doubt, so that a search and no answer says what became of it."""
    return bool(
        connection.execute(
            text(
                """
                SELECT EXISTS (SELECT FROM order_events
                    WHERE order_id = :order_id AND state = 'UNKNOWN'
                    AND at > (SELECT max(at) FROM order_events
                        WHERE order_id = :order_id AND detail -> 'intent' IS NOT NULL))
                """
            ),
            {"order_id": order_id},
        ).scalar_one()
    )
