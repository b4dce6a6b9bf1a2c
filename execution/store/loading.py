"""Orders with one of their attempts, as they are read; `execution.store.work` changes them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from execution.domain.orders import Order
from execution.store.rows import order_from_row
from execution.store.statements import Link, Prepared

_ORDER_COLUMNS = (
    "order_id",
    "client_order_id",
    "instrument",
    "side",
    "order_type",
    "quantity",
    "time_in_force",
    "limit_price",
    "stop_price",
    "trail_amount",
    "trail_percent",
    "expires_at",
    "outside_rth",
    "post_only",
    "reduce_only",
    "reference_price",
    "on_failure",
    "environment",
    "account",
    "requested_broker",
    "broker",
    "execution_mode",
    "state",
    "reason",
    "filled_quantity",
    "average_price",
    "strategy",
    "take_profit_price",
    "stop_loss_price",
    "parent_order_id",
    "role",
    "version",
    "step",
    "due_at",
    "resends",
    "created_at",
    "updated_at",
)
_ATTEMPT_COLUMNS = (
    "attempt_id",
    "attempt_no",
    "account",
    "venue_order_id",
    "broker_order_id",
    "quantity",
    "filled_quantity",
    "state",
    "intent_at",
    "send_by",
    "lease_owner",
    "lease_until",
    "watcher",
    "reported_state",
    "reported_quantity",
    "reported_reason",
    "replacement",
    "closes",
    "reduced",
    "one_cancels_other",
    "created_at",
)

CHANNEL = """
    CASE WHEN o.broker = 'IBKR' AND o.state NOT IN ('FILLED', 'CANCELLED', 'REJECTED', 'EXPIRED')
    THEN (SELECT i.client_id FROM ibkr_order_ids i WHERE i.venue_order_id = a.venue_order_id
        AND EXISTS (SELECT FROM ibkr_client_ids c WHERE c.client_id = i.client_id)) END
"""
"""Which client id alone can change the attempt `a`: while its order `o` is not over, and where
several are shared."""

_GROUP_FILLED = """
    CASE WHEN a.one_cancels_other IS NOT NULL THEN (SELECT coalesce(sum(g.filled_quantity), 0)
        FROM order_attempts g WHERE g.one_cancels_other = a.one_cancels_other
        AND g.attempt_id <> a.attempt_id) END
"""
_STANDING = """
    CASE WHEN o.parent_order_id IS NULL THEN 0 ELSE (SELECT count(*) FROM order_attempts s
        WHERE s.order_id = o.order_id AND s.attempt_id <> a.attempt_id
        AND s.state IN ('SUBMITTED', 'PARTIALLY_FILLED')) END
"""
DUE_FOR_NEWS = """
    SELECT clock_timestamp()
    WHERE EXISTS (SELECT FROM execution_reports r
            WHERE r.order_id = o.order_id AND r.applied_at IS NULL)
        OR EXISTS (SELECT FROM fills f
            WHERE f.order_id = o.order_id AND f.positioned_at IS NULL)
"""
"""When an order `o` is due of which nothing else is: at once while step 5 has something to go on
with (see `Order.has_news`), else never."""

COLUMNS = ", ".join(
    [
        *(f"o.{name}" for name in _ORDER_COLUMNS),
        *(f"a.{name} AS a_{name}" for name in _ATTEMPT_COLUMNS),
        f"{CHANNEL} AS a_channel",
        f"{_GROUP_FILLED} AS a_group_filled",
        f"{_STANDING} AS standing",
        "clock_timestamp() AS read_at",
    ]
)
"""What `order_from_row` needs of `orders o` and `order_attempts a`, without the two counts."""

_SELECT = f"""
    SELECT {COLUMNS},
        (SELECT count(*) FROM execution_reports r
            WHERE r.order_id = o.order_id AND r.applied_at IS NULL) AS unapplied,
        (SELECT count(*) FROM fills f
            WHERE f.order_id = o.order_id AND f.positioned_at IS NULL) AS unfinished
    FROM orders o JOIN order_attempts a ON a.order_id = o.order_id AND a.leg = 0
"""
SELECT_ORDER = f"{_SELECT} AND a.attempt_no = o.attempt_no "
SELECT_ATTEMPT = _SELECT
"""An order as `SELECT_ORDER` reads it, with any of its attempts in the place of the current one:
earlier ones of a bracket's child may stand at the venue beside it."""

_BY_ID = Prepared(SELECT_ORDER + " WHERE o.order_id = CAST(:order_id AS uuid)")
# Not FOR UPDATE: reports that refer to the order may come meanwhile.
_LOCK_BY_ID = Prepared(
    "SELECT FROM orders WHERE order_id = CAST(:order_id AS uuid) FOR NO KEY UPDATE"
)
_BY_VENUE_ID = Prepared(SELECT_ORDER + " WHERE a.venue_order_id = :venue_order_id")
_STANDING_BY_VENUE_ID = Prepared(
    SELECT_ATTEMPT
    + """ WHERE a.venue_order_id = :venue_order_id AND o.parent_order_id IS NOT NULL
        AND a.state IN ('SUBMITTED', 'PARTIALLY_FILLED')"""
)
_BY_ATTEMPT = Prepared(SELECT_ATTEMPT + " WHERE a.attempt_id = CAST(:attempt_id AS uuid)")
_BY_CLIENT_ID = Prepared(SELECT_ORDER + " WHERE o.client_order_id = :client_order_id")
_LOCK_BY_CLIENT_ID = Prepared(
    "SELECT FROM orders WHERE client_order_id = :client_order_id FOR NO KEY UPDATE"
)


def load(link: Link, order_id: UUID, *, lock: bool = False) -> Order | None:
    """An order with its current attempt; `lock` keeps others from changing it meanwhile."""
    if lock:  # first, in a statement of its own: the attempt must be read as it is after the wait
        lock_order(link, order_id)
    return _order(_BY_ID.one(link, {"order_id": order_id}))


def lock_order(link: Link, order_id: UUID) -> None:
    """Keep others from changing an order; before anything else of it is locked, or they may meet.

    Whoever has the order's attempt, fills or position first, and wants the order then, is in a
    deadlock with every step: PostgreSQL ends one of them, a second later.
    """
    _LOCK_BY_ID.run(link, {"order_id": order_id})


def load_by_venue_id(link: Link, venue_order_id: str) -> Order | None:
    """The order whose current attempt is called so at its venue."""
    return _order(_BY_VENUE_ID.one(link, {"venue_order_id": venue_order_id}))


def load_standing(link: Link, venue_order_id: str) -> Order | None:
    """A bracket's child with the attempt that works at its venue under that name.

    It may be an earlier one than the current: `Order.attempt` is the one that is named.
    """
    return _order(_STANDING_BY_VENUE_ID.one(link, {"venue_order_id": venue_order_id}))


def load_with_attempt(link: Link, attempt_id: UUID) -> Order | None:
    """An order with one of its attempts in the place of the current one."""
    return _order(_BY_ATTEMPT.one(link, {"attempt_id": attempt_id}))


def load_by_client_id(
    link: Link, client_order_id: str | None, *, lock: bool = False
) -> Order | None:
    """The order that its producer calls so."""
    if lock:
        _LOCK_BY_CLIENT_ID.run(link, {"client_order_id": client_order_id})
    return _order(_BY_CLIENT_ID.one(link, {"client_order_id": client_order_id}))


def _order(row: Any) -> Order | None:
    return None if row is None else order_from_row(row._asdict())
