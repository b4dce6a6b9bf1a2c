"""`process_clocks`: how far each process's clock is from the database's, measured all the time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, text

from execution.domain.clocks import ALERT_BEYOND, in_words
from execution.store import alerts

FRESH = timedelta(seconds=30)
"""What was measured longer ago says nothing: the process has ended, or has lost the database."""
_KEPT = timedelta(days=1)


def record(connection: Connection, process: str, host: str, ahead: timedelta) -> None:
    """Write down a measurement; raise or settle the alert of its machine.

    A machine that is measured no more (a container that is gone) settles its alert as well.
    """
    values = {
        "process": process,
        "host": host,
        "ahead": ahead.total_seconds(),
        "beyond": ALERT_BEYOND.total_seconds(),
        "fresh": FRESH,
        "kept": _KEPT,
        "kind": alerts.CLOCK_OFF,
    }
    connection.execute(
        text(
            """
            INSERT INTO process_clocks (process, host, ahead) VALUES (:process, :host, :ahead)
            ON CONFLICT (process) DO UPDATE
                SET host = :host, ahead = :ahead, measured_at = clock_timestamp()
            """
        ),
        values,
    )
    if abs(ahead) > ALERT_BEYOND:
        words = (
            f"the clock of {host} is {in_words(ahead)}: set it (NTP); the database's time is what "
            "counts meanwhile"
        )
        alerts.alert(connection, alerts.CLOCK_OFF, host, words)
    connection.execute(
        text(
            """
            UPDATE alerts SET resolved_at = clock_timestamp()
            WHERE kind = :kind AND resolved_at IS NULL AND NOT EXISTS (
                SELECT FROM process_clocks c WHERE c.host = alerts.key AND abs(c.ahead) > :beyond
                  AND c.measured_at > clock_timestamp() - :fresh)
            """
        ),
        values,
    )
    connection.execute(
        text("DELETE FROM process_clocks WHERE measured_at < clock_timestamp() - :kept"), values
    )


def measured(connection: Connection) -> list[Any]:
    """Processes that have measured their clocks lately: process, host, ahead (seconds)."""
    rows = connection.execute(
        text(
            """
            SELECT process, host, ahead FROM process_clocks
            WHERE measured_at > clock_timestamp() - :fresh ORDER BY process
            """
        ),
        {"fresh": FRESH},
    )
    return list(rows)
