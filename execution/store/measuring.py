"""Makes statistics of history, a bounded piece at a time, off the way of any order.

What each step took, what state orders came to, requests and fills are added to
`measured_totals` in the transaction that moves the mark up to which history is measured: every
line counts once, and the totals survive whoever computes them. One transaction that commits later
than SETTLED after the times it wrote is missing here; it is in the history all the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, text

from execution.domain.lifecycle import Step
from execution.store.engine import Store

BOUNDS = (
    *(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
    *(300.0, 3600.0, 86400.0, math.inf),
)
"""Upper bounds of the buckets of a step's latency, in seconds."""
SETTLED = timedelta(seconds=20)
"""How old history is when it is measured: longer than any statement that writes it may take."""
BATCH = 5_000
"""Lines of history in one transaction, about; those of one moment are never parted."""
QUOTES_KEPT = timedelta(days=90)
LATENCIES_KEPT = timedelta(days=30)
"""As TimescaleDB's retention policies have it (migration 0016)."""


def measure(store: Store, settled: timedelta = SETTLED) -> bool:
    """Measure one piece of each kind; True when more is to be measured already.

    `settled` is how old history must be. A kind that another process is measuring is left to it.
    """
    more = [_piece(store, kind, settled) for kind in (_events, _fills, _requests)]
    return any(more)


def count(connection: Connection, metric: str, amounts: Mapping[str, int]) -> None:
    """Add to totals that whoever makes them counts himself: amounts by label."""
    some = {label: amount for label, amount in amounts.items() if amount}
    if some:
        values = {"metric": metric, "labels": list(some), "amounts": list(some.values())}
        connection.execute(text(_COUNT), values)


def _add(rows: str) -> str:
    """SQL that adds rows of (metric, broker, label, le, total, seconds) to the totals."""
    return f"""
        INSERT INTO measured_totals AS t (metric, broker, label, le, total, seconds)
        {rows}
        ON CONFLICT (metric, broker, label, le) DO UPDATE
            SET total = t.total + excluded.total, seconds = t.seconds + excluded.seconds
    """


_COUNT = _add(
    """
    SELECT CAST(:metric AS text), '', label, 0, amount, 0
    FROM unnest(CAST(:labels AS text[]), CAST(:amounts AS bigint[])) a(label, amount)
    """
)


def prune(store: Store) -> int:
    """Delete a batch of what is older than it is kept, where no policy of TimescaleDB does.

    Returns how many rows went: quotes and minutes of latencies, never an order's history.
    """
    with store.transaction() as connection:
        if connection.scalar(text(_HAS_POLICIES)):
            return 0
        return sum(
            connection.execute(
                text(
                    f"""
                    DELETE FROM {table} WHERE ctid = ANY(ARRAY(
                        SELECT ctid FROM {table} WHERE at < clock_timestamp() - :kept
                        ORDER BY at LIMIT :batch))
                    """
                ),
                {"kept": kept, "batch": BATCH},
            ).rowcount
            for table, kept in (("quotes", QUOTES_KEPT), ("step_latencies", LATENCIES_KEPT))
        )


_HAS_POLICIES = """
    SELECT coalesce(current_setting('timescaledb.license', true), '') = 'timescale'
        AND EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb')
"""

Piece = Callable[[Connection, timedelta], bool]


def _piece(store: Store, kind: Piece, settled: timedelta) -> bool:
    with store.transaction() as connection:
        return kind(connection, settled)


def _mark(connection: Connection, what: str) -> tuple[datetime, int] | None:
    """Up to where a kind is measured, locked; None while another process measures it."""
    row = connection.execute(
        text("SELECT upto, upto_id FROM measured WHERE what = :what FOR UPDATE SKIP LOCKED"),
        {"what": what},
    ).one_or_none()
    return None if row is None else (row.upto, row.upto_id)


def _span(
    connection: Connection, what: str, table: str, column: str, settled: timedelta
) -> dict[str, Any] | None:
    """The next stretch of time to measure: `after` (not included) and `until` (included)."""
    mark = _mark(connection, what)
    if mark is None:
        return None
    row = connection.execute(
        text(
            f"""
            SELECT newest, (SELECT {column} FROM {table}
                WHERE {column} > :after AND {column} <= newest
                ORDER BY {column} OFFSET :batch LIMIT 1) AS full
            FROM (SELECT clock_timestamp() - CAST(:settled AS interval) AS newest) n
            """
        ),
        {"after": mark[0], "settled": settled, "batch": BATCH},
    ).one()
    if row.newest <= mark[0]:
        return None
    return {"after": mark[0], "until": row.full or row.newest, "more": row.full is not None}


_ADD_EVENTS = _add(
    """
    SELECT 'step', broker, step, le, sum(steps), sum(seconds) FROM latencies GROUP BY 2, 3, 4
    UNION ALL
    SELECT 'state', broker, state, 0, count(*), 0 FROM seen
    WHERE state IS NOT NULL AND state IS DISTINCT FROM before_state GROUP BY 2, 3
    """
)
_MEASURE_EVENTS = text(
    f"""
    WITH seen AS (
        SELECT e.at, e.order_id, e.step, e.state, coalesce(e.broker, '') AS broker,
            before.at AS before_at, before.state AS before_state
        FROM order_events e LEFT JOIN LATERAL (
            SELECT p.at, p.state FROM order_events p
            WHERE p.order_id = e.order_id AND p.at < e.at ORDER BY p.at DESC LIMIT 1
        ) before ON true
        WHERE e.at > :after AND e.at <= :until
    ), took AS (
        SELECT s.at, s.step, s.broker, extract(epoch FROM s.at - coalesce(s.before_at,
            (SELECT r.received_at FROM order_requests r
                WHERE r.order_id = s.order_id AND r.outcome = 'ACCEPTED')))::float8 AS seconds
        FROM seen s WHERE s.step = ANY(:steps)
    ), latencies AS (
        SELECT date_trunc('minute', at) AS minute, step, broker,
            (SELECT min(b) FROM unnest(CAST(:bounds AS float8[])) b WHERE b >= seconds) AS le,
            -- Times told by two clocks may be a hair the wrong way round.
            count(*) AS steps, sum(greatest(seconds, 0)) AS seconds
        FROM took WHERE seconds IS NOT NULL GROUP BY 1, 2, 3, 4
    ), kept AS (
        INSERT INTO step_latencies AS l (at, step, broker, le, steps, seconds)
        SELECT minute, step, broker, le, steps, seconds FROM latencies
        ON CONFLICT (at, step, broker, le) DO UPDATE
            SET steps = l.steps + excluded.steps, seconds = l.seconds + excluded.seconds
    ), added AS (
        {_ADD_EVENTS}
    )
    UPDATE measured SET upto = :until WHERE what = 'events'
    """
)


def _events(connection: Connection, settled: timedelta) -> bool:
    span = _span(connection, "events", "order_events", "at", settled)
    if span is None:
        return False
    steps = [step.label for step in Step]
    connection.execute(_MEASURE_EVENTS, {**span, "steps": steps, "bounds": list(BOUNDS)})
    return bool(span["more"])


_ADD_REQUESTS = _add(
    """
    SELECT 'request', '', outcome, 0, count(*), 0 FROM order_requests
    WHERE received_at > :after AND received_at <= :until GROUP BY 3
    """
)
_MEASURE_REQUESTS = text(
    f"""
    WITH added AS (
        {_ADD_REQUESTS}
    )
    UPDATE measured SET upto = :until WHERE what = 'requests'
    """
)


def _requests(connection: Connection, settled: timedelta) -> bool:
    """Count requests as they stand: one that step 1 refuses is refused long before."""
    span = _span(connection, "requests", "order_requests", "received_at", settled)
    if span is None:
        return False
    connection.execute(_MEASURE_REQUESTS, span)
    return bool(span["more"])


# Numbers are given before they are seen: what follows the first one that is too fresh waits, too.
_NEXT_FILLS = text(
    """
    WITH batch AS (
        SELECT fill_id, recorded_at FROM fills WHERE fill_id > :after
        ORDER BY fill_id LIMIT :batch
    )
    SELECT count(*) AS found, coalesce(
        (SELECT min(fill_id) - 1 FROM batch
            WHERE recorded_at > clock_timestamp() - CAST(:settled AS interval)),
        max(fill_id)) AS until
    FROM batch
    """
)
_ADD_FILLS = _add(
    """
    SELECT 'fill', broker, execution_mode, 0, count(*), 0 FROM seen GROUP BY 2, 3
    UNION ALL
    SELECT 'instead', requested_broker, '', 0, count(*), 0 FROM seen
    WHERE execution_mode = 'PAPER' AND requested_broker <> 'PAPER' GROUP BY 2
    """
)
_MEASURE_FILLS = text(
    f"""
    WITH seen AS (
        SELECT f.fill_id, f.executed_at, f.broker, o.requested_broker, f.execution_mode, f.symbol,
            f.quantity::float8 AS quantity,
            CASE WHEN o.reference_price > 0 THEN
                (f.price / o.reference_price - 1) * CASE f.side WHEN 'BUY' THEN 10000 ELSE -10000
                END END::float8 AS slippage
        FROM fills f LEFT JOIN orders o ON o.order_id = f.order_id
        WHERE f.fill_id > :after AND f.fill_id <= :until AND f.status <> 'BOOKED'
    ), kept AS (
        INSERT INTO fill_measures (at, fill_id, broker, execution_mode, symbol, quantity, slippage)
        SELECT executed_at, fill_id, broker, execution_mode, symbol, quantity, slippage FROM seen
    ), added AS (
        {_ADD_FILLS}
    )
    UPDATE measured SET upto = clock_timestamp(), upto_id = :until WHERE what = 'fills'
    """
)


def _fills(connection: Connection, settled: timedelta) -> bool:
    mark = _mark(connection, "fills")
    if mark is None:
        return False
    values = {"after": mark[1], "settled": settled, "batch": BATCH}
    row = connection.execute(_NEXT_FILLS, values).one()
    if row.until is None or row.until <= mark[1]:
        return False
    connection.execute(_MEASURE_FILLS, {"after": mark[1], "until": row.until})
    return bool(row.found == BATCH)
