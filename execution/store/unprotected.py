"""What of brackets is unprotected, and what their venues did to their children, as alerts."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Connection, text

from execution.domain.brackets import Role
from execution.domain.decimals import plain
from execution.domain.protection import Cause, Leg
from execution.domain.vocabulary import Side
from execution.store import alerts, order_gate
from execution.store.families import Snapshot


def maybe_bare(connection: Connection, longer_than: timedelta, limit: int) -> list[UUID]:
    """Families of which something may have been unprotected for so long, reported or not."""
    rows = connection.execute(
        text(
            """
            SELECT parent_order_id FROM brackets
            WHERE bare_since < clock_timestamp() - CAST(:longer_than AS interval)
            ORDER BY bare IS NOT NULL, bare_since LIMIT :limit
            """
        ),
        {"longer_than": longer_than, "limit": limit},
    )
    return list(rows.scalars())


def report_bare(connection: Connection, found: Snapshot, *, flatten: bool) -> bool:
    """Raise UNPROTECTED for what has no working stop, or settle it; True where it was raised.

    In a transaction of its own: entries are refused from its commit on, so it takes the lock that
    every change of what may be sent takes, and before any row's. With `flatten` what is bare is to
    be closed at the market, once for a family.
    """
    bare = found.family.bare or None
    if bare == found.bare:
        if bare is None:  # it was only taken for unprotected
            connection.execute(
                text(
                    """
                    UPDATE brackets SET bare_since = NULL
                    WHERE parent_order_id = :parent_id AND version = :version
                    """
                ),
                {"parent_id": found.parent.order_id, "version": found.version},
            )
        return False
    closes = flatten and bare is not None
    order_gate.shut(connection)
    connection.execute(
        text(
            f"""
            UPDATE brackets SET bare = CAST(:bare AS numeric),
                bare_since = CASE WHEN CAST(:bare AS numeric) IS NOT NULL THEN bare_since END
                {_FLATTEN if closes else ""}
            WHERE parent_order_id = :parent_id
            """
        ),
        {"parent_id": found.parent.order_id, "bare": bare},
    )
    alerts.resolve(connection, alerts.UNPROTECTED, found.parent.order_id)
    if bare is None:
        return False
    alerts.alert(
        connection,
        alerts.UNPROTECTED,
        found.parent.order_id,
        in_words(found),
        order_id=found.parent.order_id,
        broker=found.parent.broker,
    )
    if closes:
        _note_flatten(connection, found, bare)
    return True


def _note_flatten(connection: Connection, found: Snapshot, bare: Decimal) -> None:
    """Say in the parent's history, once, that the service closes what is bare by itself."""
    connection.execute(
        text(
            """
            INSERT INTO order_events (order_id, step, state, broker, attempt_no, detail)
            SELECT :order_id, 'flatten', :state, :broker, :attempt_no,
                jsonb_build_object('quantity', CAST(:quantity AS text),
                    'reason', 'UNPROTECTED_FLATTEN')
            WHERE NOT EXISTS (SELECT FROM order_events
                WHERE order_id = :order_id AND step = 'flatten')
            """
        ),
        {
            "order_id": found.parent.order_id,
            "state": found.parent.state,
            "broker": found.parent.broker,
            "attempt_no": found.parent.attempt.attempt_no,
            "quantity": plain(bare),
        },
    )


_FLATTEN = """, version = version + 1, due_at = clock_timestamp(),
    flatten = CASE WHEN flatten = 0 THEN CAST(:bare AS numeric) ELSE flatten END"""


def in_words(found: Snapshot) -> str:
    """What of a bracket's position has no stop, and why as far as it is known."""
    parent, family = found.parent, found.family
    way = "long" if parent.side is Side.BUY else "short"
    stop = family.members[Role.STOP_LOSS]
    if stop.withdrawn:
        why = "its stop was cancelled"
    elif not stop.is_wanted:
        why = "the venue ended its stop each time"
    elif family.step and family.open - family.protected < family.step:
        why = f"less than the venue's step of {plain(family.step)}"
    elif stop.being_sent is not None:
        why = f"its stop is {stop.being_sent.phase.lower()}"
    else:
        why = "its stop does not cover it"
    return (
        f"order {parent.client_order_id}: {plain(family.bare)} of {plain(family.open)} "
        f"{parent.symbol} {way} have no working stop ({why})"
    )


def alert_dropped(connection: Connection, found: Snapshot, role: Role, leg: Leg) -> None:
    """Report a child that its venue has ended by itself."""
    parent = found.parent
    member = found.family.members[role]
    gone = sum(one.cause is Cause.DROPPED for one in member.legs) + 1
    then = "it is placed again" if gone == 1 else "it is not placed again"
    alerts.alert(
        connection,
        alerts.PROTECTION_ENDED,
        leg.attempt_id,
        f"order {parent.client_order_id}: {parent.broker} ended its {role} for "
        f"{plain(leg.leaves)} {parent.symbol} by itself; {then}",
        order_id=found.child(role),
        broker=parent.broker,
    )


def alert_refused(
    connection: Connection, found: Snapshot, role: Role, quantity: Decimal, reason: str
) -> None:
    """Report a change of a child that its venue has refused."""
    parent = found.parent
    alerts.alert(
        connection,
        alerts.CHANGE_REFUSED,
        found.child(role),
        f"order {parent.client_order_id}: {parent.broker} refused to change its {role} to "
        f"{plain(quantity)} {parent.symbol}: {reason}",
        order_id=found.child(role),
        broker=parent.broker,
    )
