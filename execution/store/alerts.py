"""`alerts`: what a person must look at, once for each matter."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import Connection, text

from execution.domain.reconciliation import FOREIGN_ORDER, MISSING_ORDER, POSITION_BREAK, STILL_OPEN
from execution.store.statements import Link, Prepared

NAV_READING = "NAV_READING"
"""A reading of the pair that nobody believes yet; the key is the pair."""
OVERFILLED = "OVERFILLED"
UNKNOWN_OUTCOME = "UNKNOWN_OUTCOME"
UNKNOWN_ORDER = "UNKNOWN_ORDER"
LATE_FILL = "LATE_FILL"
EXECUTIONS_MISSING = "EXECUTIONS_MISSING"
WAITING = "WAITING"
BUSTED = "BUSTED"
CLOCK_OFF = "CLOCK_OFF"
"""A machine's clock is far from the database's; the key is the host's name."""
COUNTED_TWICE = "COUNTED_TWICE"
ENDED_SHORT = "ENDED_SHORT"
EXECUTION_DIFFERS = "EXECUTION_DIFFERS"
EXECUTION_TIME_UNKNOWN = "EXECUTION_TIME_UNKNOWN"
UNPROTECTED = "UNPROTECTED"
PROTECTION_ENDED = "PROTECTION_ENDED"
"""The venue ended a bracket's child by itself; the key is the attempt's id."""
CHANGE_REFUSED = "CHANGE_REFUSED"
REDUCE_ONLY_REVERSED = "REDUCE_ONLY_REVERSED"
REPLACEMENT_REFUSED = "REPLACEMENT_REFUSED"
STALE_PRICE = "STALE_PRICE"
UNREADABLE_MESSAGE = "UNREADABLE_MESSAGE"
UNTRUSTED_MESSAGE = "UNTRUSTED_MESSAGE"
VENUE_RESET = "VENUE_RESET"
"""A venue's ids have begun anew; the key is broker, account and how often."""
INTAKE_FAILING = "INTAKE_FAILING"
"""A message that cannot be recorded for another reason than PostgreSQL's absence; the key is its
Celery id."""
NAV_GROUP = "NAV_GROUP"
"""A group of the NAV arbitrage; the key is its id."""

KINDS = (
    BUSTED,
    CHANGE_REFUSED,
    CLOCK_OFF,
    COUNTED_TWICE,
    ENDED_SHORT,
    EXECUTIONS_MISSING,
    EXECUTION_DIFFERS,
    EXECUTION_TIME_UNKNOWN,
    FOREIGN_ORDER,
    INTAKE_FAILING,
    LATE_FILL,
    MISSING_ORDER,
    NAV_GROUP,
    NAV_READING,
    OVERFILLED,
    POSITION_BREAK,
    PROTECTION_ENDED,
    REDUCE_ONLY_REVERSED,
    REPLACEMENT_REFUSED,
    STALE_PRICE,
    STILL_OPEN,
    UNKNOWN_ORDER,
    UNKNOWN_OUTCOME,
    UNPROTECTED,
    UNREADABLE_MESSAGE,
    UNTRUSTED_MESSAGE,
    VENUE_RESET,
    WAITING,
)
"""Every kind there is; docs/runbooks.md has a section for each."""


def alert(
    connection: Connection,
    kind: str,
    key: object,
    message: str,
    *,
    order_id: UUID | None = None,
    broker: str | None = None,
    renew: bool = False,
    reopen: bool = True,
) -> bool:
    """Raise an alert; False when the same one (kind and key) stands already.

    With `renew` one that stands says the new message from now on. Without `reopen` one that was
    resolved stays so unless its message has changed.
    """
    row = connection.execute(
        text(
            """
            INSERT INTO alerts (kind, key, order_id, broker, message)
            VALUES (:kind, :key, :order_id, :broker, :message)
            ON CONFLICT (kind, key) DO UPDATE
                SET resolved_at = NULL, at = clock_timestamp(), message = excluded.message
                WHERE :reopen AND alerts.resolved_at IS NOT NULL
                    OR :renew AND alerts.message <> excluded.message
            RETURNING alert_id
            """
        ),
        {
            "kind": kind,
            "key": str(key),
            "order_id": order_id,
            "broker": broker,
            "message": message,
            "renew": renew,
            "reopen": reopen,
        },
    ).one_or_none()
    return row is not None


_RAISE = Prepared(
    """
    INSERT INTO alerts (kind, key, broker, message)
    VALUES (CAST(:kind AS text), CAST(:key AS text), CAST(:broker AS text), CAST(:message AS text))
    ON CONFLICT (kind, key) DO UPDATE
        SET resolved_at = NULL, at = clock_timestamp(), message = excluded.message
        WHERE alerts.resolved_at IS NOT NULL
    """
)


def alert_on(link: Link, kind: str, key: str, message: str, *, broker: str) -> None:
    """`alert` on any connection of the store, for what is about no order."""
    _RAISE.run(link, {"kind": kind, "key": key, "broker": broker, "message": message})


def stranger(broker: str, account: str, instrument_key: str | None, execution_id: str) -> str:
    """The key of UNKNOWN_ORDER for an execution and what becomes of it."""
    return f"{broker}:{account}:{instrument_key or ''}:{execution_id}"


def withdraw(connection: Connection, kind: str, keys: Iterable[object], why: str) -> None:
    """Resolve alerts that have turned out to be wrong, and say why in their messages."""
    connection.execute(
        text(
            """
            UPDATE alerts SET resolved_at = clock_timestamp(),
                message = message || ' (withdrawn: ' || :why || ')'
            WHERE kind = :kind AND key = ANY(:keys) AND resolved_at IS NULL
            """
        ),
        {"kind": kind, "keys": [str(key) for key in keys], "why": why},
    )


def resolve(connection: Connection, kind: str, key: object) -> None:
    """Mark an alert as settled."""
    connection.execute(
        text(
            """
            UPDATE alerts SET resolved_at = clock_timestamp()
            WHERE kind = :kind AND key = :key AND resolved_at IS NULL
            """
        ),
        {"kind": kind, "key": str(key)},
    )
