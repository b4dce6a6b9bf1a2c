"""`brackets`: a family's snapshot, when it is due, who is fitting it, what of it is unprotected."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

from execution.domain.brackets import Role, child_id, children
from execution.domain.decimals import exact
from execution.domain.orders import Order
from execution.domain.protection import Cause, Family, Leg, Member, Phase
from execution.domain.vocabulary import BrokerName, OrderState
from execution.store import loading, touching

FRESH = timedelta(seconds=1)
"""How long after an order's end the fill that explains it may be on its way."""

_PHASES = {
    OrderState.PENDING: Phase.UNSENT,
    OrderState.SUBMITTING: Phase.SENDING,
    OrderState.UNKNOWN: Phase.SENDING,
    OrderState.SUBMITTED: Phase.WORKING,
    OrderState.PARTIALLY_FILLED: Phase.WORKING,
}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A family at one moment.

    `ended` are attempts of which the venue has said that they are over, with all that they executed
    recorded, and whose end is not; of `incomplete` ones executions are missing, and they are not
    their child's current attempt, whose way leads to step 5.
    """

    parent: Order
    family: Family
    version: int
    at: datetime
    short_since: datetime | None
    failures: int
    retry_at: datetime | None
    bare_since: datetime | None
    bare: Decimal | None
    closed: Decimal = Decimal(0)
    ended: tuple[UUID, ...] = ()
    incomplete: tuple[UUID, ...] = ()

    def child(self, role: Role) -> UUID:
        """A child's order id."""
        return child_id(self.parent.order_id, role)

    @property
    @exact
    def is_over(self) -> bool:
        """Whether nothing more will come of it: only a correction or a late fill changes that.

        What an exit takes of it for a while may come back to it.
        """
        members = self.family.members.values()
        left = self.family.filled - self.closed - sum(one.filled for one in members)
        wanted = left > 0 and any(one.is_wanted for one in members)
        stands = any(member.live for member in members)
        return self.parent.state.is_final and not wanted and not stands

    @property
    def may_ask(self) -> bool:
        """Whether a change may go to the venue now; after one that failed there is a pause."""
        return self.retry_at is None or self.retry_at <= self.at


_LEGS = text(
    """
    SELECT c.role, c.filled_quantity AS child_filled, a.attempt_id, a.attempt_no, a.quantity,
        a.filled_quantity, a.reduced, a.state, a.one_cancels_other, a.cancel_asked_at,
        a.end_cause, a.outdated,
        a.updated_at > clock_timestamp() - CAST(:fresh AS interval) AS fresh,
        a.reported_state IN ('FILLED', 'CANCELLED', 'REJECTED', 'EXPIRED')
            AND a.state IN ('SUBMITTED', 'PARTIALLY_FILLED') AS is_over,
        a.reported_quantity = a.filled_quantity AS is_complete,
        a.attempt_no = c.attempt_no AS is_current,
        EXISTS (SELECT FROM order_commands m WHERE m.kind = 'CANCEL'
            AND m.client_order_id = c.client_order_id AND m.outcome IN ('PENDING', 'DONE')
            AND NOT m.ours
            -- What an earlier release asked for by itself.
            AND m.external_id NOT LIKE 'covered-%') AS withdrawn
    FROM orders c JOIN order_attempts a ON a.order_id = c.order_id AND a.leg = 0
    WHERE c.order_id = ANY(CAST(:children AS uuid[])) ORDER BY a.attempt_no
    """
)
_ROW = text(
    """
    SELECT b.*, clock_timestamp() AS at FROM brackets b WHERE b.parent_order_id = :parent_id
    """
)
_ROW_LOCKED = text(f"{_ROW.text} FOR UPDATE")
_STALLED = text(
    """
    SELECT order_id FROM execution_reports WHERE applied_at IS NULL
        AND order_id = ANY(CAST(:members AS uuid[]))
        AND received_at < clock_timestamp() - CAST(:older_than AS interval)
    UNION
    SELECT order_id FROM fills WHERE positioned_at IS NULL
        AND order_id = ANY(CAST(:members AS uuid[]))
        AND recorded_at < clock_timestamp() - CAST(:older_than AS interval)
    """
)


def snapshot(
    connection: Connection,
    parent_id: UUID,
    *,
    step: Decimal | None = None,
    in_groups: bool = False,
    lock: bool = False,
) -> Snapshot | None:
    """A family as it is now; None for what is no bracket, or has filled nothing yet.

    With `lock` nothing is taken of it meanwhile (`execution.store.reducing`).
    """
    read = _ROW_LOCKED if lock else _ROW
    row = connection.execute(read, {"parent_id": parent_id}).one_or_none()
    parent = loading.load(connection, parent_id)
    if parent is None or row is None:
        return None
    ids = {role: child_id(parent_id, role) for role in Role}
    rows = connection.execute(_LEGS, {"children": list(ids.values()), "fresh": FRESH}).all()
    asked = [child.role for child in children(parent)]
    if row.flatten:
        asked.append(Role.FLATTEN)
    family = Family(
        filled=parent.filled_quantity,
        members={role: _member(role, [one for one in rows if one.role == role]) for role in asked},
        taken=row.taken,
        flatten=row.flatten,
        step=step,
        in_groups=in_groups,
    )
    return Snapshot(
        parent,
        family,
        version=row.version,
        at=row.at,
        short_since=row.short_since,
        failures=row.failures,
        retry_at=row.retry_at,
        bare_since=row.bare_since,
        bare=row.bare,
        closed=row.closed,
        ended=tuple(one.attempt_id for one in rows if one.is_over and one.is_complete),
        incomplete=tuple(
            one.attempt_id
            for one in rows
            if one.is_over and not one.is_complete and not one.is_current
        ),
    )


def stalled(connection: Connection, parent_id: UUID, older_than: timedelta) -> list[UUID]:
    """Members with executions that nobody has applied, or brought into a position, for a while."""
    members = [parent_id, *(child_id(parent_id, role) for role in Role)]
    found = connection.execute(_STALLED, {"members": members, "older_than": older_than})
    return list(found.scalars())


def _member(role: Role, rows: list[Row[Any]]) -> Member:
    return Member(
        role,
        filled=rows[0].child_filled if rows else Decimal(0),
        withdrawn=any(row.withdrawn for row in rows),
        legs=tuple(_leg(row) for row in rows),
    )


def _leg(row: Row[Any]) -> Leg:
    return Leg(
        attempt_id=row.attempt_id,
        number=row.attempt_no,
        quantity=row.quantity,
        phase=_PHASES.get(OrderState(row.state), Phase.ENDED),
        filled=row.filled_quantity,
        reduced=row.reduced,
        group=row.one_cancels_other,
        # What is over at its venue protects nothing, though not all of it is known.
        cancelling=row.cancel_asked_at is not None or bool(row.is_over),
        fresh=row.fresh,
        outdated=row.outdated,
        cause=None if row.end_cause is None else Cause(row.end_cause),
    )


def claim(connection: Connection, parent_id: UUID, owner: UUID, lease: timedelta) -> bool:
    """Let nobody else fit a family for a while; False while somebody does."""
    row = connection.execute(
        text(
            """
            UPDATE brackets SET lease_owner = :owner, lease_until = clock_timestamp() + :lease
            WHERE parent_order_id = :parent_id
              AND (lease_until IS NULL OR lease_until < clock_timestamp() OR lease_owner = :owner)
            RETURNING version
            """
        ),
        {"parent_id": parent_id, "owner": owner, "lease": lease},
    ).one_or_none()
    return row is not None


def touch(connection: Connection, parent_id: UUID) -> None:
    """A family is due: something about it has changed that is not written with a member."""
    connection.execute(text(f"{touching.TOUCH} WHERE {touching.OF_FAMILY}"), {"family": parent_id})


def release(
    connection: Connection, found: Snapshot, owner: UUID, due: timedelta | None, *, short: bool
) -> bool:
    """A family has been fitted, and is due again after `due`; None: when something changes.

    `short`: more of it is open than is covered. False when something has changed already: then it
    is still claimed.
    """
    row = connection.execute(
        text(
            """
            UPDATE brackets SET lease_owner = NULL, lease_until = NULL, resends = 0,
                over = :over, due_at = clock_timestamp() + CAST(:due AS interval),
                short_since = CASE WHEN :short THEN coalesce(short_since, clock_timestamp()) END,
                bare_since = CASE WHEN :bare THEN coalesce(bare_since, clock_timestamp()) END
            WHERE parent_order_id = :parent_id AND lease_owner = :owner AND version = :version
            RETURNING version
            """
        ),
        {
            "parent_id": found.parent.order_id,
            "owner": owner,
            "version": found.version,
            "due": due,
            "short": short,
            "bare": found.family.bare > 0,
            "over": found.is_over,
        },
    ).one_or_none()
    return row is not None


def let_go(connection: Connection, parent_id: UUID, owner: UUID, due: timedelta) -> None:
    """Give a claim back without having come to the end."""
    connection.execute(
        text(
            """
            UPDATE brackets SET lease_owner = NULL, lease_until = NULL,
                due_at = clock_timestamp() + :due
            WHERE parent_order_id = :parent_id AND lease_owner = :owner
            """
        ),
        {"parent_id": parent_id, "owner": owner, "due": due},
    )


def failed(
    connection: Connection, parent_id: UUID, pause: timedelta, *, counts: bool = True
) -> None:
    """The venue refused a change, or did not answer: no other goes to it for a while.

    It `counts` as one more failure in a row unless the change never left.
    """
    connection.execute(
        text(
            """
            UPDATE brackets SET failures = failures + CAST(:counts AS integer),
                retry_at = clock_timestamp() + :pause
            WHERE parent_order_id = :parent_id
            """
        ),
        {"parent_id": parent_id, "pause": pause, "counts": int(counts)},
    )


def succeeded(connection: Connection, parent_id: UUID) -> None:
    """The venue made a change."""
    connection.execute(
        text(
            """
            UPDATE brackets SET failures = 0, retry_at = NULL
            WHERE parent_order_id = :parent_id AND failures > 0
            """
        ),
        {"parent_id": parent_id},
    )


@dataclass(frozen=True, slots=True)
class DueFamily:
    """A family that is overdue, and whose workers can fit it."""

    parent_id: UUID
    broker: BrokerName


def due(
    connection: Connection, deadline: timedelta, most: timedelta, limit: int
) -> list[DueFamily]:
    """Families that are overdue; each is put off until its next turn."""
    rows = connection.execute(
        text(
            """
            WITH overdue AS (
                SELECT parent_order_id FROM brackets WHERE due_at < clock_timestamp()
                ORDER BY due_at LIMIT :limit FOR UPDATE SKIP LOCKED
            )
            UPDATE brackets b SET resends = b.resends + 1,
                due_at = clock_timestamp()
                    + least(:deadline * power(2, least(b.resends, 10)), CAST(:most AS interval))
            FROM overdue d JOIN orders o ON o.order_id = d.parent_order_id
            WHERE b.parent_order_id = d.parent_order_id
            RETURNING b.parent_order_id, o.broker
            """
        ),
        {"deadline": deadline, "most": most, "limit": limit},
    )
    return [DueFamily(row.parent_order_id, BrokerName(row.broker)) for row in rows]
