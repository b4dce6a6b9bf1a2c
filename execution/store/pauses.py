"""`venue_pauses`: until when a venue wants no request from here, for every worker and restart.

In PostgreSQL, since a ban may last for days and what is in Redis may be lost. The workers of one
database share it: they have one address for a venue, as far as anybody can tell.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection, text

from execution.domain.vocabulary import BrokerName


@dataclass(frozen=True, slots=True)
class Pause:
    """How long a venue still wants no request, and what it said."""

    left: timedelta
    reason: str


def record(
    connection: Connection, broker: BrokerName, endpoint: str, length: timedelta, reason: str
) -> None:
    """Keep that a venue wants no request for so long; a longer pause that stands stays."""
    connection.execute(
        text(
            """
            INSERT INTO venue_pauses AS p (broker, endpoint, until, reason)
            VALUES (:broker, :endpoint, clock_timestamp() + :length, :reason)
            ON CONFLICT (broker, endpoint) DO UPDATE SET until = excluded.until,
                reason = excluded.reason, heard_at = clock_timestamp()
                WHERE p.until < excluded.until
            """
        ),
        {"broker": broker, "endpoint": endpoint, "length": length, "reason": reason},
    )


def load(connection: Connection, broker: BrokerName, endpoint: str) -> Pause | None:
    """The pause that holds now; None where requests are welcome."""
    row = connection.execute(
        text(
            """
            SELECT until - clock_timestamp() AS remaining, reason FROM venue_pauses
            WHERE broker = :broker AND endpoint = :endpoint AND until > clock_timestamp()
            """
        ),
        {"broker": broker, "endpoint": endpoint},
    ).one_or_none()
    return None if row is None else Pause(row.remaining, row.reason)
