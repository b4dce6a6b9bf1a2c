"""`execution_reports`: every execution anybody heard of, once, exactly as the venue told it."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self
from uuid import UUID

from execution.domain.orders import Order
from execution.domain.reports import Execution, ReportKind
from execution.domain.vocabulary import BrokerName, ExecutionMode
from execution.store import alerts
from execution.store.rows import to_json
from execution.store.statements import Link, Prepared

RESET_MARK = "~"
"""Between an execution's id and how many executions have had it: see `_GENERATION`."""


def began_anew(execution_id: str) -> bool:
    """Whether its venue has given this id to another execution before."""
    before, mark, times = execution_id.rpartition(RESET_MARK)
    return bool(before and mark) and times.isdigit()


@dataclass(frozen=True, slots=True)
class About:
    """What is known of executions besides what their venue says of each.

    `account` is that of those which do not name theirs.
    """

    broker: BrokerName
    environment: str
    account: str
    mode: ExecutionMode
    order_id: UUID | None = None
    attempt_id: UUID | None = None

    @classmethod
    def of(cls, order: Order) -> Self:
        """Of executions of an order's current attempt."""
        attempt = order.attempt
        return cls(
            order.broker,
            order.environment,
            attempt.account,
            order.execution_mode,
            order.order_id,
            attempt.attempt_id,
        )


def record(link: Link, order: Order, executions: Iterable[Execution]) -> int:
    """Record executions of an order's current attempt; returns how many were new.

    The caller has locked the order, and raises its version if there are any.
    """
    return len(_insert(link, About.of(order), tuple(executions)))


def record_from_venue(
    link: Link,
    executions: Iterable[Execution],
    *,
    broker: BrokerName,
    environment: str,
    account: str,
    due: timedelta = timedelta(0),
) -> list[UUID | None]:
    """Record executions as a venue lists them, matched to attempts by our id.

    `account` is that of executions which do not name theirs and are of no attempt of ours. Returns
    the order of each that was new, None for one of no order of ours. Their orders are changed with
    it, in the caller's transaction: step 5 is due.
    """
    mode = ExecutionMode.PAPER if broker is BrokerName.PAPER else ExecutionMode.LIVE
    about = About(broker, environment, account, mode)
    told = tuple(executions)
    if not told:
        return []
    # Orders before their reports, as everybody locks them.
    _LOCK_ORDERS.run(link, parameters([(about, told)]))
    new = _insert(link, about, told)
    _alert_of_differences(link, about, told)
    reported(link, {order_id for order_id in new if order_id is not None}, due)
    return new


_REPORTED = Prepared(
    """
    UPDATE orders SET version = version + 1,
        due_at = least(due_at, clock_timestamp() + CAST(:due AS interval))
    WHERE order_id = ANY(CAST(CAST(:order_ids AS text[]) AS uuid[]))
    """
)


def reported(link: Link, order_ids: Collection[UUID], due: timedelta) -> None:
    """Let step 5 of orders be due, to which reports were attached; the caller has locked them.

    Whoever attaches a report to an order raises its version: a step that has read the order before
    must not end as if there were none.
    """
    if order_ids:
        _REPORTED.run(link, {"order_ids": [str(order_id) for order_id in order_ids], "due": due})


# An execution of a known attempt is of its order's instrument, however the venue spells that now.
_MATCHED = """
    SELECT r.execution_id, r.instrument_key, coalesce(a.symbol, r.symbol) AS symbol, r.side,
        r.quantity, r.price, r.executed_at, r.kind, r.venue_order_id, r.broker_order_id,
        r.commission, r.commission_currency, r.corrects, r.unread_time, r.place, r.costed,
        r.broker, r.environment, r.execution_mode,
        coalesce(r.account, a.account, r.of_account) AS account,
        coalesce(r.of_order, a.order_id) AS order_id,
        coalesce(r.of_attempt, a.attempt_id) AS attempt_id
    FROM jsonb_to_recordset(CAST(:reports AS jsonb)) AS r(execution_id text, instrument_key text,
        account text, symbol text, side text, quantity numeric, price numeric,
        executed_at timestamptz, kind text, venue_order_id text, broker_order_id text,
        commission numeric, commission_currency text, corrects text, unread_time text,
        place integer, costed boolean, broker text, environment text, execution_mode text,
        of_account text, of_order uuid, of_attempt uuid)
    LEFT JOIN LATERAL (
        SELECT t.account, t.order_id, t.attempt_id, o.symbol
        FROM order_attempts t JOIN orders o ON o.order_id = t.order_id
        WHERE t.broker = r.broker AND t.venue_order_id = r.venue_order_id
        LIMIT 1  -- it is unique: this keeps a plan for few rows from reading them all
    ) a ON true
"""
# Of a venue whose ids are unique per instrument they may begin anew: Binance's test network is
# reset about once a month. A trade is another one if its order is, or its time.
_OTHER = """
    (e.broker_order_id <> m.broker_order_id OR (e.unread_time IS NULL AND m.unread_time IS NULL
        AND abs(extract(epoch FROM e.executed_at - m.executed_at)) > 60))
"""
_TRADES_OF_ID = """
    FROM execution_reports e
    WHERE (e.broker, e.environment, e.account, e.instrument_key, e.side)
        = (m.broker, m.environment, m.account, m.instrument_key, m.side)
        AND e.kind = 'TRADE' AND e.execution_id
"""
_MOST_RESETS = 99
_GENERATION = f"""
    CASE WHEN m.kind = 'TRADE' AND m.instrument_key <> '' AND EXISTS (
        SELECT {_TRADES_OF_ID} = m.execution_id AND {_OTHER})
    THEN (
        SELECT coalesce(min(e.execution_id) FILTER (WHERE NOT {_OTHER}),
            m.execution_id || '{RESET_MARK}' || (count(*) + 1))
        {_TRADES_OF_ID} = ANY(ARRAY(SELECT m.execution_id || CASE WHEN g > 1
            THEN '{RESET_MARK}' || g ELSE '' END FROM generate_series(1, {_MOST_RESETS}) g)))
    ELSE m.execution_id END
"""
"""What an execution is called here: its venue's id, with a number for each time that ids began anew
with that one in use."""
# `last` is what is known of a revision: the latest of its kind. Of a trade: its last cost.
_TOLD = f"""
    SELECT i.execution_id, m.account, m.instrument_key, m.symbol, m.side, m.quantity, m.price,
        m.executed_at, m.venue_order_id, m.broker_order_id, m.commission, m.commission_currency,
        m.corrects, m.unread_time, m.order_id, m.attempt_id, m.place, k.kind, m.broker,
        m.environment, m.execution_mode,
        CASE WHEN k.kind NOT IN ('COMMISSION', 'CORRECTION') OR last.kind IS DISTINCT FROM k.kind
            THEN 0
        WHEN CASE k.kind WHEN 'COMMISSION' THEN (last.commission, last.commission_currency)
                IS NOT DISTINCT FROM (m.commission, m.commission_currency)
            ELSE (last.quantity, last.price) = (m.quantity, m.price) END
            THEN last.revision
        ELSE last.revision + 1 END AS revision
    FROM ({_MATCHED}) AS m
    CROSS JOIN LATERAL (SELECT {_GENERATION} AS execution_id) i
    LEFT JOIN LATERAL (
        SELECT e.kind, e.revision, e.order_id, e.quantity, e.price, e.commission,
            e.commission_currency
        FROM execution_reports e
        WHERE (e.broker, e.environment, e.account, e.instrument_key, e.side, e.execution_id)
            = (m.broker, m.environment, m.account, m.instrument_key, m.side, i.execution_id)
            AND (e.kind = m.kind OR (m.kind = 'TRADE' AND e.kind = 'COMMISSION'))
        ORDER BY e.kind = 'TRADE', e.revision DESC LIMIT 1
    ) last ON true
    CROSS JOIN LATERAL (
        -- One that is known without an order finds its order first.
        SELECT CASE WHEN m.kind = 'TRADE' AND last.kind IS NOT NULL AND NOT m.costed
                AND (last.order_id IS NOT NULL OR m.order_id IS NULL)
                AND m.commission IS NOT NULL
                AND (last.commission, last.commission_currency)
                    IS DISTINCT FROM (m.commission, m.commission_currency)
            THEN 'COMMISSION' ELSE m.kind END AS kind
    ) k
"""


INSERT_SQL = f"""
        INSERT INTO execution_reports (broker, environment, account, instrument_key, symbol, side,
            execution_id, kind, revision, execution_mode, quantity, price, commission,
            commission_currency, corrects, executed_at, unread_time, venue_order_id,
            broker_order_id, order_id, attempt_id)
        SELECT heard.* FROM (
            SELECT DISTINCT ON (r.broker, r.environment, r.account, r.instrument_key, r.side,
                    r.execution_id, r.kind)
                r.broker, r.environment, r.account, r.instrument_key, r.symbol, r.side,
                r.execution_id, r.kind, r.revision, r.execution_mode, r.quantity, r.price,
                r.commission, r.commission_currency, r.corrects, r.executed_at, r.unread_time,
                r.venue_order_id, r.broker_order_id, r.order_id, r.attempt_id
            FROM ({_TOLD}) AS r
            ORDER BY r.broker, r.environment, r.account, r.instrument_key, r.side,
                r.execution_id, r.kind, r.place DESC
        ) AS heard
"""
"""Inserts reports as `parameters` gives them; a part of any statement.

A commission or a correction that comes again with other values is its next revision. So is the
commission of a trade that is known with another: it is written as a COMMISSION. What comes
again as it was last known meets its own row. Of several in one batch the last counts, since
a venue tells all that it has of an execution, oldest first.
"""


# One that came without our id before is told apart by it now.
ON_CONFLICT = """
    ON CONFLICT ON CONSTRAINT execution_reports_identity_key DO UPDATE
        SET order_id = excluded.order_id, attempt_id = excluded.attempt_id,
            venue_order_id = excluded.venue_order_id, symbol = excluded.symbol, applied_at = NULL
        WHERE execution_reports.order_id IS NULL AND excluded.order_id IS NOT NULL
"""
_INSERT = Prepared(f"{INSERT_SQL} {ON_CONFLICT} RETURNING order_id")
# A parent before its children, as `brackets.lock_family` does.
_LOCK_ORDERS = Prepared(
    f"""
    SELECT FROM orders o WHERE o.order_id IN (
        SELECT t.order_id FROM ({_TOLD}) t
        WHERE t.order_id IS NOT NULL AND NOT EXISTS (
            SELECT FROM execution_reports e
            WHERE (e.broker, e.environment, e.account, e.instrument_key, e.side, e.execution_id)
                = (t.broker, t.environment, t.account, t.instrument_key, t.side, t.execution_id)
                AND (e.kind, e.revision) = (t.kind, t.revision) AND e.order_id IS NOT NULL))
    ORDER BY coalesce(o.parent_order_id, o.order_id), o.parent_order_id NULLS FIRST, o.order_id
    FOR NO KEY UPDATE
    """
)


_DIFFERING = Prepared(
    f"""
    SELECT i.execution_id, m.account, m.instrument_key, m.symbol, m.side, m.quantity, m.price,
        e.quantity AS known_quantity, e.price AS known_price
    FROM ({_MATCHED}) AS m
    CROSS JOIN LATERAL (SELECT {_GENERATION} AS execution_id) i
    JOIN execution_reports e
        ON (e.broker, e.environment, e.account, e.instrument_key, e.side, e.execution_id)
            = (m.broker, m.environment, m.account, m.instrument_key, m.side, i.execution_id)
    WHERE m.kind = 'TRADE' AND e.kind = 'TRADE' AND (e.quantity, e.price) <> (m.quantity, m.price)
        AND NOT EXISTS (
            SELECT FROM execution_reports c
            WHERE (c.broker, c.environment, c.account, c.instrument_key, c.side)
                = (e.broker, e.environment, e.account, e.instrument_key, e.side)
                AND c.kind IN ('CORRECTION', 'BUST')
                AND e.execution_id IN (c.execution_id, c.corrects))
    """
)


def _alert_of_differences(link: Link, about: About, told: Sequence[Execution]) -> None:
    """Raise an alert for each known execution that is reported with other contents.

    It is one execution: the first word of it stays booked until somebody has looked.
    """
    for row in _DIFFERING.run(link, parameters([(about, told)])):
        alerts.alert_on(
            link,
            alerts.EXECUTION_DIFFERS,
            alerts.stranger(about.broker, row.account, row.instrument_key, row.execution_id),
            f"{about.broker} reports execution {row.execution_id} as {row.side} "
            f"{row.quantity} {row.symbol} at {row.price}; it is booked with {row.known_quantity} "
            f"at {row.known_price}",
            broker=about.broker,
        )


def parameters(reported: Iterable[tuple[About, Sequence[Execution]]]) -> dict[str, Any]:
    """What `INSERT_SQL` takes: what is known of some executions, and the executions."""
    rows: list[dict[str, Any]] = []
    for about, executions in reported:
        costed = {_identity(one) for one in executions if one.kind is ReportKind.COMMISSION}
        rows += [
            {name: to_json(getattr(execution, name)) for name in Execution.__slots__}
            | {
                "instrument_key": execution.instrument_key or "",
                "place": len(rows) + place,
                # What a trade costs is said by itself in the same batch.
                "costed": _identity(execution) in costed,
                "broker": about.broker,
                "environment": about.environment,
                "execution_mode": about.mode,
                "of_account": about.account,
                "of_order": to_json(about.order_id),
                "of_attempt": to_json(about.attempt_id),
            }
            for place, execution in enumerate(executions)
        ]
    return {"reports": json.dumps(rows)}


def _identity(execution: Execution) -> tuple[str | None, ...]:
    """What tells an execution from others in one batch, which is of one broker."""
    return (
        execution.account,
        execution.instrument_key,
        execution.side,
        execution.execution_id,
    )


def _insert(link: Link, about: About, told: Sequence[Execution]) -> list[UUID | None]:
    """Insert reports; the order of each that was new."""
    if not told:
        return []
    return [row.order_id for row in _INSERT.run(link, parameters([(about, told)]))]
