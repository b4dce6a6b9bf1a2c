"""The streams' events: written with the change they tell of, numbered and published later."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from execution.domain.events import Event

BATCH = 500

# A recordset of events, inserted by whatever statement makes them true.
INSERT_EVENTS = """
    INSERT INTO events (event_id, stream, type, order_id, payload)
    SELECT e.event_id, e.stream, e.type, e.order_id, e.payload
    FROM json_to_recordset(CAST(:events AS json))
        AS e(event_id uuid, stream text, type text, order_id uuid, payload json)
"""


@dataclass(frozen=True, slots=True)
class Numbered:
    """An event with its place in its stream."""

    stream: str
    sequence: int
    payload: dict[str, Any]


def as_json(events: Iterable[Event]) -> str:
    """Events as the parameter `:events` of INSERT_EVENTS."""
    return json.dumps(
        [
            {
                "event_id": str(event.event_id),
                "stream": event.stream,
                "type": event.type,
                "order_id": None if event.order_id is None else str(event.order_id),
                "payload": event.payload,
            }
            for event in events
        ]
    )


def add(connection: Connection, events: Sequence[Event]) -> None:
    """Write events; one that is there already (same event_id) is left as it is."""
    if events:
        connection.execute(
            text(INSERT_EVENTS + " ON CONFLICT (event_id) DO NOTHING"), {"events": as_json(events)}
        )


def number(connection: Connection) -> int:
    """Give each committed event its place in its stream; returns how many wait to be published.

    Sequences are assigned here, under the streams' row lock, and not where the events are written:
    a counter taken there would be held until that transaction's commit and make every order wait
    for every other; one drawn from a PostgreSQL sequence would leave gaps.
    """
    connection.execute(text("SELECT FROM streams ORDER BY stream FOR UPDATE"))
    connection.execute(
        text(
            """
            WITH fresh AS (
                SELECT event_no, stream FROM events WHERE sequence IS NULL
                ORDER BY event_no LIMIT :batch
            ), numbered AS (
                SELECT f.event_no, f.stream, s.last_sequence
                    + row_number() OVER (PARTITION BY f.stream ORDER BY f.event_no) AS sequence
                FROM fresh f JOIN streams s USING (stream)
            ), assigned AS (
                UPDATE events e SET sequence = n.sequence
                FROM numbered n WHERE e.event_no = n.event_no
            )
            UPDATE streams s SET last_sequence = n.last
            FROM (SELECT stream, max(sequence) AS last FROM numbered GROUP BY stream) n
            WHERE s.stream = n.stream
            """
        ),
        {"batch": BATCH},
    )
    waiting = connection.execute(
        text("SELECT coalesce(sum(last_sequence - published_sequence), 0) FROM streams")
    ).scalar_one()
    return int(waiting)


def publish_numbered(
    connection: Connection, publish: Callable[[Sequence[Numbered]], None]
) -> tuple[int, bool]:
    """Hand numbered events to `publish` in order, then remember how far it came.

    Returns how many were published and whether more wait. The streams' row lock is held
    meanwhile, so messages leave in sequence, whichever worker sends them; what is published was
    committed before. When the process dies before this commit, the same events go out again:
    consumers know them by event_id.
    """
    # Forgetting this mark only repeats messages, so its commit need not wait for the disk.
    connection.execute(text("SET LOCAL synchronous_commit = off"))
    marks = connection.execute(
        text(
            """
            SELECT stream, last_sequence, published_sequence FROM streams
            ORDER BY stream FOR UPDATE
            """
        )
    ).all()
    done, more = 0, False
    for stream, last, published in marks:
        if last == published:
            continue
        rows = connection.execute(
            text(
                """
                SELECT sequence, payload FROM events
                WHERE stream = :stream AND sequence > :published
                ORDER BY sequence LIMIT :batch
                """
            ),
            {"stream": stream, "published": published, "batch": BATCH},
        ).all()
        batch = [Numbered(stream, row.sequence, row.payload) for row in rows]
        publish(batch)
        connection.execute(
            text("UPDATE streams SET published_sequence = :upto WHERE stream = :stream"),
            {"upto": batch[-1].sequence, "stream": stream},
        )
        done += len(batch)
        more = more or batch[-1].sequence < last
    return done, more


def replay(connection: Connection, stream: str, after: int, limit: int = BATCH) -> list[Numbered]:
    """Numbered events of a stream after a sequence, oldest first: what a consumer missed."""
    rows = connection.execute(
        text(
            """
            SELECT sequence, payload FROM events
            WHERE stream = :stream AND sequence > :after ORDER BY sequence LIMIT :limit
            """
        ),
        {"stream": stream, "after": after, "limit": limit},
    )
    return [Numbered(stream, row.sequence, row.payload) for row in rows]
