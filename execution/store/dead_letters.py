"""Messages that no worker obeyed: the newest of them, with the reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, text

KEPT = 1_000
"""Rows; the oldest make room. Whoever can write to Redis can write as many as they like."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that was refused. Texts are what was received, cut and made storable.

    `unrecorded` counts the messages before it that were refused and have no row of their own,
    because they came faster than rows are written.
    """

    queue: str
    task: str
    message_id: str
    reason: str
    headers: str
    body: str
    size: int
    unrecorded: int = 0


_ADD = text(
    """
    INSERT INTO dead_letters (queue, task, message_id, reason, headers, body, size, unrecorded)
    VALUES (:queue, :task, :message_id, :reason, :headers, :body, :size, :unrecorded)
    """
)
_TRIM = text(
    f"""
    DELETE FROM dead_letters WHERE dead_letter_id <= (
        SELECT dead_letter_id FROM dead_letters ORDER BY dead_letter_id DESC
        OFFSET {KEPT} LIMIT 1)
    """
)


def add(connection: Connection, letter: DeadLetter) -> None:
    """Keep a message, and drop what is too old."""
    connection.execute(_ADD, asdict(letter))
    connection.execute(_TRIM)


def newest(connection: Connection, limit: int) -> Sequence[Mapping[str, Any]]:
    """Rows of the newest `limit` messages, the newest first."""
    found = connection.execute(
        text("SELECT * FROM dead_letters ORDER BY dead_letter_id DESC LIMIT :limit"),
        {"limit": limit},
    )
    return [dict(row) for row in found.mappings()]
