"""How things stand now, for the metrics: each statement goes by an index of what is open.

What is over is never read here, however many orders there are; `measuring` has counted it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Row, text

Rows = list[Row[Any]]

# What is due goes by the index of what is due; what rests at a venue, by that of what is waited
# for. Their `step` is the last one completed.
OPEN_ORDERS = """
    SELECT broker, execution_mode, state, step, count(*) AS orders,
        count(*) FILTER (WHERE due_at < clock_timestamp() - CAST(:late AS interval)) AS overdue,
        extract(epoch FROM clock_timestamp() - min(updated_at))::float8 AS age
    FROM (
        SELECT broker, execution_mode, state, step, due_at, updated_at FROM orders
        WHERE due_at IS NOT NULL
        UNION ALL
        SELECT o.broker, o.execution_mode, o.state, o.step, o.due_at, o.updated_at
        FROM order_attempts a JOIN orders o
            ON o.order_id = a.order_id AND o.attempt_no = a.attempt_no AND o.due_at IS NULL
        WHERE a.state IN ('SUBMITTED', 'PARTIALLY_FILLED') AND a.leg = 0
    ) open
    GROUP BY broker, execution_mode, state, step
"""
REQUESTS = """
    SELECT step, count(*) AS requests,
        count(*) FILTER (WHERE due_at < clock_timestamp() - CAST(:late AS interval)) AS overdue,
        extract(epoch FROM clock_timestamp() - min(received_at))::float8 AS age
    FROM order_requests WHERE due_at IS NOT NULL GROUP BY step
"""
ALERTS = "SELECT kind, count(*) AS alerts FROM alerts WHERE resolved_at IS NULL GROUP BY kind"
BREAKERS = "SELECT broker, state, total_failures FROM breakers"
SESSIONS = """
    SELECT broker, count(*) AS sessions,
        extract(epoch FROM clock_timestamp() - max(heartbeat_at))::float8 AS age
    FROM broker_sessions s
    WHERE broker IN (SELECT broker FROM breakers) AND ended_at IS NULL
        AND heartbeat_at > clock_timestamp() - CAST(:timeout AS interval)
    GROUP BY broker
"""
UNNUMBERED = "SELECT count(*) FROM events WHERE sequence IS NULL"
STREAMS = """
    SELECT s.stream, s.last_sequence, s.last_sequence - s.published_sequence AS unpublished,
        extract(epoch FROM clock_timestamp() - e.created_at)::float8 AS age
    FROM streams s LEFT JOIN events e
        ON e.stream = s.stream AND e.sequence = s.published_sequence + 1
"""
TOTALS = """
    SELECT metric, broker, label, le, total, seconds FROM measured_totals
    ORDER BY metric, broker, label, le
"""
MONEY = """
    WITH held AS (
        SELECT 'LIVE' AS mode, broker, currency, realised_pnl, net_pnl, costs FROM positions
        UNION ALL
        SELECT 'PAPER', broker, currency, realised_pnl, net_pnl, costs FROM paper_positions
    ), money AS (
        SELECT 'realised' AS what, mode, broker, currency, realised_pnl AS amount FROM held
        UNION ALL SELECT 'net', mode, broker, currency, net_pnl FROM held
        UNION ALL SELECT 'cost', mode, broker, paid.key, paid.value::numeric
            FROM held, jsonb_each_text(costs) AS paid
    )
    SELECT what, mode, broker, coalesce(currency, '?') AS currency, sum(amount)::float8 AS amount
    FROM money GROUP BY 1, 2, 3, 4
"""
MEASURED = """
    SELECT extract(epoch FROM clock_timestamp() - upto)::float8 FROM measured WHERE what = 'events'
"""


def bounded(connection: Connection, most: timedelta) -> None:
    """Let each statement of this transaction take so long at most, and change nothing."""
    connection.execute(text("SET TRANSACTION READ ONLY"))
    connection.execute(
        text("SELECT set_config('statement_timeout', :most, true)"),
        {"most": f"{most // timedelta(milliseconds=1)}ms"},
    )


def open_orders(connection: Connection, late: timedelta) -> Rows:
    """Orders that something is due for, or that rest, by broker, mode, state and step.

    `age` is how many seconds ago the one that has stood longest changed; `overdue` are those whose
    next step should have been sent again by recovery more than `late` ago.
    """
    return _rows(connection, OPEN_ORDERS, late=late)


def requests(connection: Connection, late: timedelta) -> Rows:
    """Accepted requests that are no orders yet, by the step completed, with the oldest's age."""
    return _rows(connection, REQUESTS, late=late)


def alerts(connection: Connection) -> Rows:
    """Open alerts by kind."""
    return _rows(connection, ALERTS)


def breakers(connection: Connection) -> Rows:
    """Each broker's circuit breaker."""
    return _rows(connection, BREAKERS)


def live_sessions(connection: Connection, timeout: timedelta) -> Rows:
    """How many workers each broker has that were heard of within `timeout`, and how long ago."""
    return _rows(connection, SESSIONS, timeout=timeout)


def unnumbered_events(connection: Connection) -> int:
    """Events that were written and have no place in their stream yet."""
    return int(connection.execute(text(UNNUMBERED)).scalar_one())


def streams(connection: Connection) -> Rows:
    """Each stream: its last number, how many events are not published, and the oldest's age."""
    return _rows(connection, STREAMS)


def totals(connection: Connection) -> Rows:
    """What `measuring` has added up, in the order of the buckets."""
    return _rows(connection, TOTALS)


def money(connection: Connection) -> Rows:
    """What positions have earned and cost: `realised` and `net` profit, and each currency's `cost`.

    Summed by mode, broker and currency, which are never added to each other.
    """
    return _rows(connection, MONEY)


def unmeasured_for(connection: Connection) -> float:
    """How many seconds of history are not measured yet."""
    return float(connection.execute(text(MEASURED)).scalar_one())


def _rows(connection: Connection, statement: str, **parameters: object) -> Rows:
    return list(connection.execute(text(statement), parameters).all())
