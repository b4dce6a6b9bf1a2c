"""What limits measure, read in the transaction that commits an intent, behind the limits' locks.

Nothing is counted beside the tables that are true anyway: what is open are the orders that were
sent and are not over, what is held is the position with the fills that are still on their way to
it. So nothing has to be given back, and nothing can drift.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from execution.domain.orders import Order
from execution.domain.risk.exposure import Held, Measured, Twin
from execution.domain.risk.limits import Limit, LimitKind
from execution.store.positions import table_of
from execution.store.statements import Link, Prepared

# Always in the same order, or two transactions could wait for each other.
_LOCK = Prepared(
    """
    SELECT limit_id FROM risk_limits WHERE limit_id = ANY(CAST(:limits AS bigint[]))
    ORDER BY limit_id FOR UPDATE
    """
)
_OPEN = "state IN ('SUBMITTING', 'SUBMITTED', 'PARTIALLY_FILLED', 'UNKNOWN')"
_OTHERS = f"""FROM orders o WHERE o.{_OPEN} AND o.order_id <> CAST(:order_id AS uuid)
    AND o.parent_order_id IS NULL AND o.execution_mode = CAST(:mode AS text)"""
LARGEST = """greatest(o.quantity, (SELECT max(CAST(c.payload ->> 'quantity' AS numeric))
    FROM order_commands c WHERE c.client_order_id = o.client_order_id AND c.outcome = 'PENDING'
    AND c.kind = 'MODIFY' AND c.sent_at IS NOT NULL))"""
"""The quantity of an order `o`: a change to a larger one that has set out may be in force at the
venue already."""
HELD = {
    table: f"""(coalesce((SELECT p.quantity FROM {table} p WHERE (p.account, p.broker, p.symbol)
            = (CAST(:account AS text), CAST(:broker AS text), CAST(:symbol AS text))), 0)
        + coalesce((SELECT sum(CASE f.side WHEN 'BUY' THEN f.quantity ELSE -f.quantity END
                - CASE WHEN f.commission_currency = f.base_asset THEN coalesce(f.commission, 0)
                    ELSE 0 END)
            -- One that was revised is in the position as it was told first.
            FROM fills f WHERE f.positioned_at IS NULL AND f.announced_at IS NULL
            -- By the index of those that wait: another one may be chosen while the
            -- table is empty, and would read all fills of the symbol later.
            AND (f.account || '', f.broker || '', f.symbol || '')
            = (CAST(:account AS text), CAST(:broker AS text), CAST(:symbol AS text))), 0))"""
    for table in ("positions", "paper_positions")
}
"""A position with the fills that are on their way to it, signed."""
# The real account, which an order's attempt has; the order has what was asked, `main` mostly.
_MINE = """o.symbol = CAST(:symbol AS text) AND o.broker = CAST(:broker AS text)
    AND (SELECT a.account FROM order_attempts a WHERE a.order_id = o.order_id
        AND a.attempt_no = o.attempt_no AND a.leg = 0) = CAST(:account AS text)"""
_SAME_SIDE = f"""(SELECT coalesce(sum({LARGEST} - o.filled_quantity), 0) {_OTHERS}
    AND {_MINE} AND o.side = CAST(:side AS text)"""
_MEASURE = {
    table: Prepared(
        f"""
        SELECT l.limit_id,
            CASE WHEN l.kind IS NULL THEN
                {held}
            WHEN l.kind IN ('max_position', 'max_exposure') AND l.strategy IS NOT NULL THEN
                coalesce((SELECT sum(CASE o.side WHEN 'BUY' THEN o.filled_quantity
                        ELSE -o.filled_quantity END)
                    FROM orders o WHERE o.strategy = l.strategy AND o.filled_quantity > 0
                    AND {_MINE}), 0)
            END AS position,
            CASE WHEN l.kind IS NULL THEN {_SAME_SIDE})
            WHEN l.kind IN ('max_position', 'max_exposure') AND l.strategy IS NOT NULL THEN
                {_SAME_SIDE} AND o.strategy = l.strategy)
            END AS open_same_side,
            CASE l.kind WHEN 'max_open_orders' THEN (SELECT count(*) {_OTHERS}
                AND (l.broker IS NULL OR l.broker = o.broker)
                AND (l.strategy IS NULL OR l.strategy = o.strategy)
                AND (l.symbol IS NULL OR l.symbol = o.symbol))
            END AS open_orders,
            CASE l.kind WHEN 'max_orders_per_second' THEN (SELECT count(*)
                FROM risk_rates r, unnest(r.sent_at) AS sent(at) WHERE r.limit_id = l.limit_id
                AND sent.at > clock_timestamp() - interval '1 second')
            END AS sent_within_a_second,
            twin.client_order_id AS twin, twin.seconds_ago
        FROM (SELECT NULL AS limit_id, NULL AS kind, NULL AS broker, NULL AS strategy,
                NULL AS symbol, NULL AS value
            UNION ALL SELECT limit_id, kind, broker, strategy, symbol, value FROM risk_limits
            WHERE limit_id = ANY(CAST(:limits AS bigint[]))) l
        LEFT JOIN LATERAL (
            SELECT o.client_order_id,
                extract(epoch FROM clock_timestamp() - o.created_at) AS seconds_ago
            FROM orders o WHERE l.kind = 'repeat_window'
                AND o.created_at > clock_timestamp() - make_interval(secs => l.value::float)
                AND o.order_id <> CAST(:order_id AS uuid) AND o.parent_order_id IS NULL
                AND o.state NOT IN ('PENDING', 'REJECTED') AND {_MINE}
                AND o.side = CAST(:side AS text) AND o.order_type = CAST(:order_type AS text)
                AND o.quantity = CAST(:quantity AS numeric)
                AND o.strategy IS NOT DISTINCT FROM CAST(:strategy AS text)
                AND (o.limit_price, o.stop_price, o.trail_amount, o.trail_percent)
                    IS NOT DISTINCT FROM (CAST(:limit_price AS numeric),
                    CAST(:stop_price AS numeric), CAST(:trail_amount AS numeric),
                    CAST(:trail_percent AS numeric))
            ORDER BY o.created_at DESC LIMIT 1
        ) twin ON true
        """
    )
    for table, held in HELD.items()
}
_SENT = Prepared(
    """
    INSERT INTO risk_rates AS r (limit_id, sent_at)
    SELECT limit_id, ARRAY[clock_timestamp()] FROM unnest(CAST(:limits AS bigint[])) AS limit_id
    ON CONFLICT (limit_id) DO UPDATE SET sent_at = array_append(
        ARRAY(SELECT at FROM unnest(r.sent_at) AS sent(at)
            WHERE at > clock_timestamp() - interval '1 second'), clock_timestamp())
    """
)


def lock(link: Link, limits: Sequence[Limit]) -> None:
    """Let one order at a time be judged by each of some limits, until the transaction ends."""
    if limits:
        _LOCK.ahead(link, {"limits": [limit.limit_id for limit in limits]})


def measure(
    link: Link, order: Order, limits: Sequence[Limit]
) -> tuple[Held, Mapping[int, Measured]]:
    """What the account holds of an order's symbol, and what each limit measures, by its id."""
    rows = _MEASURE[table_of(order.broker)].run(
        link,
        {
            "limits": [limit.limit_id for limit in limits],
            "order_id": order.order_id,
            "mode": order.execution_mode,
            "account": order.attempt.account,
            **{
                name: getattr(order, name)
                for name in (
                    *("symbol", "broker", "side", "order_type", "quantity", "strategy"),
                    *("limit_price", "stop_price", "trail_amount", "trail_percent"),
                )
            },
        },
    )
    held = next(_held(row) for row in rows if row.limit_id is None)
    return held, {
        row.limit_id: Measured(
            held=held if row.position is None else _held(row),
            open_orders=row.open_orders or 0,
            sent_within_a_second=row.sent_within_a_second or 0,
            twin=None if row.twin is None else Twin(row.twin, Decimal(row.seconds_ago)),
        )
        for row in rows
        if row.limit_id is not None
    }


def _held(row: Any) -> Held:
    return Held(row.position, row.open_same_side)


def sent(link: Link, limits: Sequence[Limit]) -> None:
    """Count an intent that has just been committed by those limits that are about the rate."""
    rates = [limit.limit_id for limit in limits if limit.kind is LimitKind.MAX_ORDERS_PER_SECOND]
    if rates:
        _SENT.run(link, {"limits": rates})
