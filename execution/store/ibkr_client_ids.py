"""`ibkr_client_ids`: which session has which client id at Interactive Brokers, and who is gone.

A lease lasts for as long as its session's heart beats (`broker_sessions`). It keeps workers from
wanting the same client id; which of them has it in the end TWS decides, which lets one in at a
time: so whoever TWS lets in has the lease, whatever it said before. There are rows only where
several client ids are shared; then their orders' messages go to queues of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Connection, text


@dataclass(frozen=True, slots=True)
class Place:
    """Where client ids count: one TWS, and an account of it."""

    endpoint: str
    account: str

    def values(self) -> dict[str, str]:
        """As parameters."""
        return {"endpoint": self.endpoint, "account": self.account}


# What waits at the venue, or is due; each by its own index, however many orders there were.
_HAS_ORDERS = """
    (EXISTS (SELECT FROM order_attempts a
        JOIN ibkr_order_ids i ON i.venue_order_id = a.venue_order_id
        WHERE a.broker = 'IBKR' AND a.state IN ('SUBMITTED', 'PARTIALLY_FILLED')
          AND i.client_id = c.client_id)
    OR EXISTS (SELECT FROM orders o
        JOIN order_attempts a ON a.order_id = o.order_id AND a.attempt_no = o.attempt_no
        JOIN ibkr_order_ids i ON i.venue_order_id = a.venue_order_id
        WHERE o.due_at IS NOT NULL AND o.broker = 'IBKR' AND i.client_id = c.client_id))
"""
_HERE = "c.endpoint = :endpoint AND c.account = :account"
# A session's row may come a moment after its lease.
_IS_ALIVE = """
    (c.session_id IS NOT NULL AND (c.leased_at > clock_timestamp() - CAST(:timeout AS interval)
        OR EXISTS (SELECT FROM broker_sessions s WHERE s.session_id = c.session_id
            AND s.ended_at IS NULL
            AND s.heartbeat_at > clock_timestamp() - CAST(:timeout AS interval)))
     AND NOT EXISTS (SELECT FROM broker_sessions s
        WHERE s.session_id = c.session_id AND s.ended_at IS NOT NULL))
"""


def declare(
    connection: Connection, place: Place, client_ids: Sequence[int], timeout: timedelta
) -> None:
    """Make the shared client ids known; forget those that nobody alive shares any more.

    One id alone is not shared, and is not kept here; its owner says so once TWS has let it in.
    """
    shared = list(client_ids) if len(client_ids) > 1 else []
    alone = client_ids[0] if len(client_ids) == 1 else None
    connection.execute(
        text(
            f"""
            DELETE FROM ibkr_client_ids c
            WHERE NOT ({_HERE} AND c.client_id = ANY(CAST(:client_ids AS integer[])))
              AND ({_HERE} AND c.client_id = :alone OR NOT {_IS_ALIVE})
            """
        ),
        {**place.values(), "client_ids": shared, "alone": alone, "timeout": timeout},
    )
    connection.execute(
        text(
            """
            INSERT INTO ibkr_client_ids (endpoint, account, client_id)
            SELECT :endpoint, :account, unnest(CAST(:client_ids AS integer[]))
            ON CONFLICT DO NOTHING
            """
        ),
        {**place.values(), "client_ids": shared},
    )


def candidates(
    connection: Connection,
    place: Place,
    client_ids: Sequence[int],
    session_id: UUID,
    timeout: timedelta,
) -> list[int]:
    """In which order a session tries them: its own, what nobody alive has, then the others'.

    TWS knows sooner than we do who is gone.
    """
    rows = connection.execute(
        text(
            f"""
            SELECT c.client_id FROM ibkr_client_ids c
            WHERE {_HERE} AND c.client_id = ANY(:client_ids)
            ORDER BY c.session_id IS NOT DISTINCT FROM :session_id DESC, {_IS_ALIVE}, c.client_id
            """
        ),
        {
            **place.values(),
            "client_ids": list(client_ids),
            "session_id": session_id,
            "timeout": timeout,
        },
    )
    return [row.client_id for row in rows]


def lease_orphan(
    connection: Connection,
    place: Place,
    client_ids: Sequence[int],
    session_id: UUID,
    timeout: timedelta,
) -> int | None:
    """Lease a client id that has orders on the way and nobody alive who has it; None: none such.

    Of several who ask at once one gets it.
    """
    found: int | None = connection.execute(
        text(
            f"""
            UPDATE ibkr_client_ids c
            SET session_id = :session_id, leased_at = clock_timestamp()
            WHERE {_HERE} AND c.client_id = (
                SELECT c.client_id FROM ibkr_client_ids c
                WHERE {_HERE} AND c.client_id = ANY(:client_ids) AND NOT {_IS_ALIVE}
                  AND {_HAS_ORDERS}
                ORDER BY c.client_id LIMIT 1 FOR UPDATE OF c SKIP LOCKED)
            RETURNING c.client_id
            """
        ),
        {
            **place.values(),
            "client_ids": list(client_ids),
            "session_id": session_id,
            "timeout": timeout,
        },
    ).scalar_one_or_none()
    return found


def accepted(connection: Connection, place: Place, client_id: int, session_id: UUID) -> None:
    """TWS has let a session in under a client id of several: it has it, whoever had it before."""
    connection.execute(
        text(
            f"""
            UPDATE ibkr_client_ids c SET session_id = :session_id, leased_at = clock_timestamp()
            WHERE {_HERE} AND c.client_id = :client_id
              AND c.session_id IS DISTINCT FROM :session_id
            """
        ),
        {**place.values(), "client_id": client_id, "session_id": session_id},
    )


def held(connection: Connection, place: Place, session_id: UUID) -> set[int]:
    """The client ids that a session has."""
    rows = connection.execute(
        text(
            f"SELECT c.client_id FROM ibkr_client_ids c "
            f"WHERE {_HERE} AND c.session_id = :session_id"
        ),
        {**place.values(), "session_id": session_id},
    )
    return {row.client_id for row in rows}


def released(connection: Connection, session_id: UUID) -> None:
    """A session lets go of what it has."""
    connection.execute(
        text("UPDATE ibkr_client_ids SET session_id = NULL WHERE session_id = :session_id"),
        {"session_id": session_id},
    )


def needed(connection: Connection, place: Place, client_id: int, session_id: UUID) -> bool:
    """Whether a session has a client id, and orders on the way under it."""
    found: bool = connection.execute(
        text(
            f"""
            SELECT EXISTS (SELECT FROM ibkr_client_ids c
                WHERE {_HERE} AND c.client_id = :client_id AND c.session_id = :session_id
                  AND {_HAS_ORDERS})
            """
        ),
        {**place.values(), "client_id": client_id, "session_id": session_id},
    ).scalar_one()
    return found
