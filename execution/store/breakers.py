"""`breakers`: a circuit breaker a broker, in PostgreSQL so that losing Redis closes none."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy import Connection, text

from execution.domain.vocabulary import BreakerState, BrokerName


def failed(
    connection: Connection, broker: BrokerName, reason: str, *, counts: bool, threshold: int
) -> bool:
    """Count a failed submission; True when this one opened the breaker.

    Every failure shows in `total_failures`; only those that `counts` (the venue's health, not one
    order's fault) bring the breaker nearer to opening.
    """
    opened = connection.execute(
        text(
            """
            WITH before AS (
                SELECT broker, state = 'CLOSED' AND :counts AND failures + 1 >= :threshold AS opens
                FROM breakers WHERE broker = :broker FOR UPDATE
            )
            UPDATE breakers b SET total_failures = total_failures + 1, reason = :reason,
                failures = failures + CASE WHEN :counts THEN 1 ELSE 0 END,
                state = CASE WHEN opens THEN 'OPEN' ELSE state END,
                opened_at = CASE WHEN opens THEN clock_timestamp() ELSE opened_at END,
                updated_at = clock_timestamp()
            FROM before WHERE b.broker = before.broker
            RETURNING opens
            """
        ),
        {"broker": broker, "reason": reason, "counts": counts, "threshold": threshold},
    ).scalar_one()
    return bool(opened)


def succeeded(connection: Connection, broker: BrokerName) -> None:
    """A submission went through: failures in a row start from 0 again."""
    connection.execute(
        text(
            """
            UPDATE breakers SET failures = 0, updated_at = clock_timestamp()
            WHERE broker = :broker AND state = 'CLOSED' AND failures > 0
            """
        ),
        {"broker": broker},
    )


def claim_probe(
    connection: Connection,
    broker: BrokerName,
    owner: UUID,
    *,
    cooldown: timedelta,
    lease: timedelta,
) -> bool:
    """Become the one session that may probe the venue's health. False when it is not the time."""
    row = connection.execute(
        text(
            """
            UPDATE breakers SET state = 'HALF_OPEN', probe_owner = :owner,
                probe_until = clock_timestamp() + :lease, updated_at = clock_timestamp()
            WHERE broker = :broker AND (
                (state = 'OPEN' AND opened_at < clock_timestamp() - :cooldown)
                OR (state = 'HALF_OPEN' AND probe_until < clock_timestamp()))
            RETURNING broker
            """
        ),
        {"broker": broker, "owner": owner, "cooldown": cooldown, "lease": lease},
    ).one_or_none()
    return row is not None


def probed(connection: Connection, broker: BrokerName, owner: UUID, *, healthy: bool) -> None:
    """Close the breaker after a probe that went well, open it again after one that did not."""
    connection.execute(
        text(
            """
            UPDATE breakers SET state = :state, failures = 0, probe_owner = NULL,
                probe_until = NULL, updated_at = clock_timestamp(),
                opened_at = CASE WHEN :healthy THEN NULL ELSE clock_timestamp() END
            WHERE broker = :broker AND state = 'HALF_OPEN' AND probe_owner = :owner
            """
        ),
        {
            "broker": broker,
            "owner": owner,
            "healthy": healthy,
            "state": BreakerState.CLOSED if healthy else BreakerState.OPEN,
        },
    )


def state(connection: Connection, broker: BrokerName) -> BreakerState:
    """Whether orders may go to a broker."""
    return BreakerState(
        connection.execute(
            text("SELECT state FROM breakers WHERE broker = :broker"), {"broker": broker}
        ).scalar_one()
    )
