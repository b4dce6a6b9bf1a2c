"""`ibkr_order_ids`: which order id of which client id belongs to which attempt.

An order id is TWS's guard against the same order coming twice, as long as an attempt keeps it. That
an attempt has one under one client id only keeps two workers from sending it.
"""

from __future__ import annotations

from dataclasses import dataclass

from execution.store.statements import Link, Prepared

_LOCK = Prepared("SELECT pg_advisory_xact_lock(hashtextextended('ibkr_order_ids', :client_id))")
_TAKE = Prepared(
    """
    WITH before AS (
        SELECT client_id, order_id FROM ibkr_order_ids WHERE venue_order_id = :venue_order_id
    ), fresh AS (
        INSERT INTO ibkr_order_ids (client_id, order_id, venue_order_id)
        SELECT :client_id, greatest(CAST(:above AS integer), coalesce((
            SELECT max(i.order_id) FROM ibkr_order_ids i WHERE i.client_id = :client_id), 0)) + 1,
            :venue_order_id
        WHERE NOT EXISTS (SELECT FROM before)
        ON CONFLICT (venue_order_id) DO NOTHING
        RETURNING client_id, order_id
    )
    SELECT client_id, order_id, true AS known FROM before
    UNION ALL SELECT client_id, order_id, false FROM fresh
    """
)
_RELEASE = Prepared(
    """
    UPDATE ibkr_order_ids SET venue_order_id = NULL
    WHERE client_id = :client_id AND venue_order_id = :venue_order_id
    """
)


@dataclass(frozen=True, slots=True)
class Taken:
    """An attempt's order id, and whose it is; `known`: it had it before."""

    client_id: int
    order_id: int
    known: bool


def take(link: Link, client_id: int, venue_order_id: str, above: int) -> Taken:
    """The order id of an attempt; a new one is of `client_id`, and above `above`.

    The caller's transaction keeps others from the same id.
    """
    _LOCK.ahead(link, {"client_id": client_id})
    values = {"client_id": client_id, "venue_order_id": venue_order_id, "above": above}
    # Where another client has just taken one for this attempt, the second look sees it.
    row = _TAKE.one(link, values) or _TAKE.one(link, values)
    if row is None:
        raise RuntimeError("no order id was given")
    return Taken(int(row.client_id), int(row.order_id), bool(row.known))


def release(link: Link, client_id: int, venue_order_id: str) -> None:
    """Take an order id from an attempt, since TWS has another order under it."""
    _RELEASE.run(link, {"client_id": client_id, "venue_order_id": venue_order_id})
