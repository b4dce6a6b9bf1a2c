"""The streams' events: written with the change they tell of, numbered and published later."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from execution.domain.events import Event
from execution.store.statements import Link, Prepared

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


_LOCK = Prepared(
    """
    SELECT stream FROM streams ORDER BY stream FOR UPDATE
    """
)
_NUMBER = Prepared(
    """
    WITH fresh AS (
        SELECT event_no, stream FROM events WHERE sequence IS NULL
        ORDER BY event_no LIMIT CAST(:batch AS integer)
    ), numbered AS (
        SELECT f.event_no, f.stream, s.last_sequence
            + row_number() OVER (PARTITION BY f.stream ORDER BY f.event_no) AS sequence
        FROM fresh f JOIN streams s USING (stream)
    ), assigned AS (
        UPDATE events e SET sequence = n.sequence
        FROM numbered n WHERE e.event_no = n.event_no
    ), moved AS (
        UPDATE streams s SET last_sequence = n.last
        FROM (SELECT stream, max(sequence) AS last FROM numbered GROUP BY stream) n
        WHERE s.stream = n.stream
    )
    SELECT (SELECT count(*) FROM numbered) AS numbered,
        (SELECT sum(last_sequence - published_sequence) FROM streams)::bigint AS before
    """
)


def number(link: Link) -> tuple[int, bool]:
    """Give each committed event its place in its stream, in one round trip.

    Returns how many wait to be published now, and whether more wait to be numbered.

    Sequences are assigned here, under the streams' row lock, and not where the events are written:
    a counter taken there would be held until that transaction's commit and make every order wait
    for every other; one drawn from a PostgreSQL sequence would leave gaps.
    """
    # In a statement of its own: the next one must see what the lock's last holder committed.
    _LOCK.ahead(link, {})
    found = _NUMBER.one(link, {"batch": BATCH})
    return found.before + found.numbered, found.numbered == BATCH


_NUMBERED = Prepared(
    """
    SELECT sequence, payload FROM events
    WHERE stream = CAST(:stream AS text) AND sequence > :after
    ORDER BY sequence LIMIT CAST(:limit AS integer)
    """
)
_WAITING = Prepared(
    """
    SELECT stream, sequence, payload, last_sequence FROM streams s CROSS JOIN LATERAL (
        SELECT sequence, payload FROM events
        WHERE events.stream = s.stream AND sequence > s.published_sequence
        ORDER BY sequence LIMIT CAST(:batch AS integer)
    ) e
    ORDER BY stream, sequence
    """
)
_PUBLISHED = Prepared(
    """
    UPDATE streams s SET published_sequence = p.upto
    FROM unnest(CAST(:streams AS text[]), CAST(:upto AS bigint[])) AS p(stream, upto)
    WHERE s.stream = p.stream
    """
)


def publish_numbered(link: Link, publish: Callable[[Sequence[Numbered]], None]) -> tuple[int, bool]:
    """Hand numbered events to `publish` in order, then remember how far it came.

    Returns how many were published and whether more wait. The streams' row lock is held
    meanwhile, so messages leave in sequence, whichever worker sends them; what is published was
    committed before. When the process dies before this commit, the same events go out again:
    consumers know them by event_id; so the commit need not wait for the disk.
    """
    _LOCK.ahead(link, {})
    waiting = _WAITING.run(link, {"batch": BATCH})
    if not waiting:
        return 0, False
    publish([Numbered(row.stream, row.sequence, row.payload) for row in waiting])
    newest = {row.stream: row for row in waiting}
    upto = {stream: row.sequence for stream, row in newest.items()}
    # Together with whatever comes next, the COMMIT if nothing else.
    _PUBLISHED.ahead(link, {"streams": list(upto), "upto": list(upto.values())})
    return len(waiting), any(row.sequence < row.last_sequence for row in newest.values())


def replay(link: Link, stream: str, after: int, limit: int = BATCH) -> list[Numbered]:
    """Numbered events of a stream after a sequence, oldest first: what a consumer missed."""
    rows = _NUMBERED.run(link, {"stream": stream, "after": after, "limit": limit})
    return [Numbered(stream, row.sequence, row.payload) for row in rows]
