"""What the tables of a soak say: of what is still under way, and of what producers logged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from typing import Any

import psycopg2
import psycopg2.extras

from tests.chaos.producers import Said

_UNREST = """
    SELECT format('order %%s (%%s) is %%s at step %%s, due %%s', r.client_order_id,
        coalesce(o.broker, 'no broker'), coalesce(o.state, 'no order'),
        coalesce(o.step, r.step), coalesce(o.due_at, r.due_at)) AS said
    FROM order_requests r LEFT JOIN orders o USING (order_id)
    WHERE r.outcome = 'ACCEPTED' AND (o.order_id IS NULL OR o.due_at IS NOT NULL
        OR o.state NOT IN ('FILLED', 'CANCELLED', 'REJECTED', 'EXPIRED'))
    UNION ALL
    SELECT format('%%s of %%s is pending', kind, client_order_id)
    FROM order_commands WHERE outcome = 'PENDING'
    UNION ALL
    SELECT format('execution %%s is not applied', execution_id)
    FROM execution_reports WHERE applied_at IS NULL
    UNION ALL
    SELECT format('event %%s is not published', event_id)
    FROM events JOIN streams USING (stream)
    WHERE sequence IS NULL OR sequence > published_sequence
"""
# A market order whose broker has a worker waits for nothing but what is in its way.
_STANDSTILL = """
    SELECT coalesce(extract(epoch FROM max(at - before)), 0) AS seconds FROM (
        SELECT at, lag(at) OVER (PARTITION BY order_id ORDER BY at) AS before FROM (
            SELECT order_id, received_at AS at FROM order_requests
            UNION ALL SELECT order_id, at FROM order_events
        ) lines JOIN orders USING (order_id)
        WHERE order_type = 'MARKET' AND requested_broker IN (%s, 'PAPER')
    ) pairs
"""


class Accounts:
    """Reads one database, each time over a connection of its own: it may have been killed since.

    Every method raises psycopg2.Error while the server is away.
    """

    def __init__(self, url: str) -> None:
        self._url = url.replace("postgresql+psycopg2://", "postgresql://")

    def rows(self, statement: str, *values: Any) -> list[dict[str, Any]]:
        """The rows of a query; a percent sign in it is doubled."""
        with (
            closing(psycopg2.connect(self._url, connect_timeout=5)) as connection,
            connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor,
        ):
            cursor.execute(statement, values)
            return [dict(row) for row in cursor.fetchall()]

    def unrest(self) -> list[str]:
        """What is still under way, one line for each."""
        return [row["said"] for row in self.rows(_UNREST)]

    def sessions(self) -> dict[str, int]:
        """How many sessions of each broker are heard of and ready."""
        rows = self.rows(
            """SELECT broker, count(*) FROM broker_sessions WHERE status = 'LIVE_READY'
            AND ended_at IS NULL AND heartbeat_at > clock_timestamp() - interval '2 seconds'
            GROUP BY broker"""
        )
        return {row["broker"]: row["count"] for row in rows}

    def ends(self) -> Counter[str]:
        """How many orders are in each state."""
        rows = self.rows("SELECT state, count(*) FROM orders GROUP BY state")
        return Counter({row["state"]: row["count"] for row in rows})

    def standstill(self, broker: str) -> float:
        """Longest time, in seconds, without progress of a market order to `broker` or paper."""
        return float(self.rows(_STANDSTILL, broker)[0]["seconds"])

    def compare(self, logs: Iterable[Said]) -> list[str]:
        """Problems, unless each logged order is there once, as logged, and nothing else is."""
        logged: dict[str, Any] = {}
        cancelled: set[str] = set()
        for said in logs:
            logged |= said.placed
            cancelled |= said.cancelled
        rows = self.rows(
            """SELECT r.client_order_id, r.outcome, r.payload, r.reason, o.state
            FROM order_requests r LEFT JOIN orders o USING (order_id)"""
        )
        found = Counter(row["client_order_id"] for row in rows)
        problems = [
            f"{name} is recorded {count} times" for name, count in found.items() if count > 1
        ]
        problems += [f"{name} was logged, not recorded" for name in logged.keys() - found.keys()]
        problems += [f"{name} was recorded, not logged" for name in found.keys() - logged.keys()]
        for row in rows:
            name, payload = row["client_order_id"], row["payload"]
            if row["outcome"] != "ACCEPTED":
                problems.append(f"{name} was refused: {row['reason']}")
            if name in logged and payload != logged[name]:
                problems.append(f"{name} is recorded as {payload}, but was {logged[name]}")
            if name in cancelled and row["state"] != "CANCELLED":
                problems.append(f"{name} was cancelled, but is {row['state']}")
        return problems
