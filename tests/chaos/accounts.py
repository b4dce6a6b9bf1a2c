"""What the tables of a soak say: of what is still under way, and of what producers logged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from decimal import Decimal
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
        OR o.state NOT IN ('FILLED', 'CANCELLED', 'REJECTED', 'EXPIRED')
        -- A stop or target may rest at its venue for as long as there is something to protect.
        AND NOT (o.parent_order_id IS NOT NULL AND o.state IN ('SUBMITTED', 'PARTIALLY_FILLED')))
    UNION ALL
    SELECT format('%%s of %%s is pending', kind, client_order_id)
    FROM order_commands WHERE outcome = 'PENDING'
    UNION ALL
    SELECT format('execution %%s is not applied', execution_id)
    FROM execution_reports WHERE applied_at IS NULL
    UNION ALL
    SELECT format('the bracket of %%s is due %%s', client_order_id, b.due_at)
    FROM brackets b JOIN orders o ON o.order_id = b.parent_order_id WHERE b.due_at IS NOT NULL
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

_KINDS = """
    SELECT
        count(*) FILTER (WHERE take_profit_price IS NOT NULL OR stop_loss_price IS NOT NULL)
            AS brackets,
        count(*) FILTER (WHERE parent_order_id IS NOT NULL) AS children,
        count(*) FILTER (WHERE reduce_only AND parent_order_id IS NULL) AS reduce_only,
        count(*) FILTER (WHERE filled_in_parts) AS filled_in_parts,
        count(DISTINCT (execution_mode, account)) AS accounts,
        (SELECT count(*) FROM order_commands WHERE kind = 'MODIFY' AND outcome = 'DONE')
            AS changes_done,
        (SELECT count(*) FROM order_commands WHERE kind = 'MODIFY' AND outcome = 'REFUSED')
            AS changes_refused
    FROM orders o, LATERAL (SELECT count(*) > 1 AS filled_in_parts FROM fills f
        WHERE f.order_id = o.order_id) parts
"""
# Changes by the service's own hand are not the producers'.
_CHANGES = """
    SELECT client_order_id, outcome, reason FROM order_commands
    WHERE kind = 'MODIFY' AND external_id = 'change-' || client_order_id
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

    def kinds(self) -> dict[str, int]:
        """How many brackets, children, reduce-only orders, changes and accounts there are."""
        return self.rows(_KINDS)[0]

    def alerts(self) -> Counter[str]:
        """How many alerts of each kind were raised, settled or not."""
        rows = self.rows("SELECT kind, count(*) FROM alerts GROUP BY kind")
        return Counter({row["kind"]: row["count"] for row in rows})

    def standstill(self, broker: str) -> float:
        """Longest time, in seconds, without progress of a market order to `broker` or paper."""
        return float(self.rows(_STANDSTILL, broker)[0]["seconds"])

    def compare(self, logs: Iterable[Said]) -> list[str]:
        """Problems, unless each logged order is there once, as logged, and nothing else is."""
        logged: dict[str, Any] = {}
        cancelled: set[str] = set()
        asked: dict[str, dict[str, str]] = {}
        changed: dict[str, str] = {}
        for said in logs:
            logged |= said.placed
            cancelled |= said.cancelled
            asked |= said.to_change
            changed |= said.changed
        rows = self.rows(
            """SELECT r.client_order_id, r.outcome, r.payload, r.reason, o.state, o.quantity,
                o.limit_price, coalesce(o.reason, '') AS order_reason
            FROM order_requests r LEFT JOIN orders o USING (order_id)
            WHERE o.parent_order_id IS NULL"""
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
            # While a bracket beside it had no stop, entries were refused.
            barred = row["state"] == "REJECTED" and row["order_reason"].startswith("UNPROTECTED")
            if name in cancelled and row["state"] != "CANCELLED" and not barred:
                problems.append(f"{name} was cancelled, but is {row['state']}")
            if name in changed:
                terms = {**payload, **(asked[name] if changed[name] == "DONE" else {})}
                for term in asked[name]:
                    if row[term] != Decimal(terms[term]):
                        text = f"{name}: change {changed[name]}, but {term} is {row[term]}"
                        problems.append(f"{text}, not {terms[term]}")
        recorded = {row["client_order_id"]: row["outcome"] for row in self.rows(_CHANGES)}
        problems += [
            f"change of {name}: {outcome} for its producer, {recorded.get(name)} in the table"
            for name, outcome in changed.items()
            if recorded.get(name) != outcome
        ]
        return problems
