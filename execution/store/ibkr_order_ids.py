"""`ibkr_order_ids`: which order id of which client id belongs to which attempt.

An order id is TWS's guard against the same order coming twice, as long as an attempt keeps it.
"""

from __future__ import annotations

from execution.store.statements import Link, Prepared

_LOCK = Prepared("SELECT pg_advisory_xact_lock(hashtextextended('ibkr_order_ids', :client_id))")
_TAKE = Prepared(
    """
    WITH before AS (
        SELECT order_id FROM ibkr_order_ids
        WHERE client_id = :client_id AND venue_order_id = :venue_order_id
    ), fresh AS (
        INSERT INTO ibkr_order_ids (client_id, order_id, venue_order_id)
        SELECT :client_id, greatest(CAST(:above AS integer), coalesce((
            SELECT max(i.order_id) FROM ibkr_order_ids i WHERE i.client_id = :client_id), 0)) + 1,
            :venue_order_id
        WHERE NOT EXISTS (SELECT FROM before)
        RETURNING order_id
    )
    SELECT order_id, true AS known FROM before UNION ALL SELECT order_id, false FROM fresh
    """
)
_RELEASE = Prepared(
    """
    UPDATE ibkr_order_ids SET venue_order_id = NULL
    WHERE client_id = :client_id AND venue_order_id = :venue_order_id
    """
)


def take(link: Link, client_id: int, venue_order_id: str, above: int) -> tuple[int, bool]:
    """The order id of an attempt, and whether it had one before; a new one is above `above`.

    The caller's transaction keeps others from the same id.
    """
    _LOCK.ahead(link, {"client_id": client_id})
    row = _TAKE.one(
        link, {"client_id": client_id, "venue_order_id": venue_order_id, "above": above}
    )
    if row is None:
        raise RuntimeError("no order id was given")
    return int(row.order_id), bool(row.known)


def release(link: Link, client_id: int, venue_order_id: str) -> None:
    """Take an order id from an attempt, since TWS has another order under it."""
    _RELEASE.run(link, {"client_id": client_id, "venue_order_id": venue_order_id})
