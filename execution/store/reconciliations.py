"""Table `reconciliations`: an operator asks, the broker's worker compares, the operator reads."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from execution.domain.vocabulary import BrokerName


def ask(connection: Connection, reconciliation_id: UUID, broker: BrokerName, who: str) -> None:
    """Record that somebody wants to know."""
    connection.execute(
        text(
            """
            INSERT INTO reconciliations (reconciliation_id, broker, asked_by)
            VALUES (:reconciliation_id, :broker, :who)
            """
        ),
        {"reconciliation_id": reconciliation_id, "broker": broker, "who": who},
    )


def wanted(connection: Connection, reconciliation_id: UUID) -> BrokerName | None:
    """The broker of one that nobody has finished; None for any other."""
    broker = connection.execute(
        text(
            """
            SELECT broker FROM reconciliations
            WHERE reconciliation_id = :reconciliation_id AND finished_at IS NULL
            """
        ),
        {"reconciliation_id": reconciliation_id},
    ).scalar_one_or_none()
    return None if broker is None else BrokerName(broker)


def finish(
    connection: Connection,
    reconciliation_id: UUID,
    found: dict[str, Any] | None,
    problem: str | None = None,
) -> None:
    """Record what was found, or why nothing could be."""
    connection.execute(
        text(
            """
            UPDATE reconciliations SET finished_at = clock_timestamp(),
                found = CAST(:found AS jsonb), problem = :problem
            WHERE reconciliation_id = :reconciliation_id AND finished_at IS NULL
            """
        ),
        {
            "reconciliation_id": reconciliation_id,
            "found": None if found is None else json.dumps(found),
            "problem": problem,
        },
    )


def outcome(connection: Connection, reconciliation_id: UUID) -> dict[str, Any] | None:
    """The row once it is finished; None before."""
    row = (
        connection.execute(
            text(
                """
                SELECT broker, asked_at, finished_at, found, problem FROM reconciliations
                WHERE reconciliation_id = :reconciliation_id AND finished_at IS NOT NULL
                """
            ),
            {"reconciliation_id": reconciliation_id},
        )
        .mappings()
        .one_or_none()
    )
    return None if row is None else dict(row)
