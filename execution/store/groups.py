"""`nav_groups` and its orders: read as the domain knows them, changed by compare-and-set."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from execution.domain.arbitrage.groups import (
    PERMITTED,
    Decision,
    Group,
    GroupState,
    Leg,
    Purpose,
    Reduction,
    Role,
    client_order_id,
)
from execution.domain.arbitrage.legs import Legs, Pair
from execution.domain.arbitrage.result import GroupFill, Result
from execution.domain.arbitrage.signals import Direction, ExitReason, Position, Signal
from execution.domain.decimals import plain
from execution.domain.vocabulary import ExecutionMode, OrderState, Side
from execution.store import alerts

_OVER = ", ".join(f"'{state}'" for state in GroupState if state.is_over)


@dataclass(frozen=True, slots=True)
class Stored:
    """A group with what its row says besides."""

    group: Group
    pair: Pair
    version: int
    reason: str | None
    signal: Mapping[str, Any]
    """The columns that say what it was entered on."""
    pnl: Decimal | None

    @property
    def position(self) -> Position:
        """What is held, as the detector knows it."""
        row = self.signal
        return Position(self.group.direction, row["entered_at"], row["z"], row["spread"])


@dataclass(frozen=True, slots=True)
class Placed:
    """An order of a group that is to be recorded as a request, and sent."""

    client_order_id: str
    leg: Role
    purpose: Purpose
    side: Side
    quantity: Decimal


def open_group(
    connection: Connection,
    group_id: UUID,
    *,
    pair: Pair,
    interval: str,
    signal: Signal,
    legs: Legs,
    mode: ExecutionMode,
) -> list[Placed] | None:
    """Insert a group with its two legs; None when there is one already, of this signal or open."""
    seen = signal.observation
    values = {
        "group_id": group_id,
        "trust_symbol": pair.trust,
        "spot_symbol": pair.spot,
        "interval": interval,
        "interval_at": seen.interval,
        "direction": signal.direction,
        "execution_mode": mode,
        "entered_at": seen.at,
        "trust_price": seen.trust_price,
        "spot_price": seen.spot_price,
        "conversion": seen.conversion,
        "coins_per_share": seen.coins_per_share,
        "spread": signal.spread,
        "z": signal.score.z,
        "unhedged_coins": legs.unhedged_coins,
    }
    names = ", ".join(f":{name}" for name in values)
    inserted = connection.execute(
        text(
            f"""
            INSERT INTO nav_groups ({", ".join(values)}) VALUES ({names})
            ON CONFLICT DO NOTHING
            """
        ),
        values,
    )
    if inserted.rowcount == 0:
        return None
    _tell(connection, group_id, 1, GroupState.OPENING, f"{signal.direction}")
    wanted = (
        Reduction(role, leg.side, leg.quantity)
        for role, leg in ((Role.TRUST, legs.trust), (Role.SPOT, legs.spot))
    )
    return [
        _place(connection, group_id, number, Purpose.OPENING, what)
        for number, what in enumerate(wanted, start=1)
    ]


def move(connection: Connection, stored: Stored, decision: Decision) -> list[Placed] | None:
    """Carry a decision out in the tables; the orders that are to be recorded and sent.

    None, with nothing changed, when somebody has changed the group meanwhile. What the group holds
    when it is over is for `close_accounts` to say.
    """
    group = stored.group
    changed = (decision.state, decision.phase) != (group.state, group.phase)
    if changed and decision.state is not group.state:
        assert decision.state in PERMITTED[group.state], f"{group.state} to {decision.state}"  # noqa: S101
    row = connection.execute(
        text(
            """
            UPDATE nav_groups SET state = :state, phase = :phase, version = version + 1,
                reason = CASE WHEN :changed THEN :reason ELSE reason END,
                phase_since = CASE WHEN phase = :phase THEN phase_since
                    ELSE clock_timestamp() END,
                ended_at = CASE WHEN :over THEN coalesce(ended_at, clock_timestamp())
                    ELSE ended_at END,
                updated_at = clock_timestamp()
            WHERE group_id = :group_id AND version = :version AND state = :was
            RETURNING version
            """
        ),
        {
            "group_id": group.group_id,
            "version": stored.version,
            "was": group.state,
            "state": decision.state,
            "phase": decision.phase,
            "changed": changed,
            "reason": decision.reason,
            "over": decision.state.is_over,
        },
    ).one_or_none()
    if row is None:
        return None
    if changed:
        _tell(connection, group.group_id, row.version, decision.state, decision.reason)
    first = len(group.legs) + 1
    return [
        _place(connection, group.group_id, number, Purpose.REDUCING, what)
        for number, what in enumerate(decision.reductions, start=first)
    ]


def tell_alert(connection: Connection, stored: Stored, what: str | None) -> None:
    """Let the group's alert say `what`; None settles it."""
    key = stored.group.group_id
    if what is None:
        alerts.resolve(connection, alerts.NAV_GROUP, key)
        return
    message = f"{stored.pair.trust} against {stored.pair.spot}: {what}"
    if not alerts.alert(connection, alerts.NAV_GROUP, key, message):
        connection.execute(
            text("UPDATE alerts SET message = :message WHERE kind = :kind AND key = :key"),
            {"message": message, "kind": alerts.NAV_GROUP, "key": str(key)},
        )


def close_accounts(connection: Connection, group_id: UUID, earned: Result) -> None:
    """Keep what a group has earned or cost."""
    uncounted = {name: plain(amount) for name, amount in earned.uncounted.items()}
    connection.execute(
        text(
            """
            UPDATE nav_groups SET pnl = :pnl, uncounted = CAST(:uncounted AS jsonb)
            WHERE group_id = :group_id
            """
        ),
        {"group_id": group_id, "pnl": earned.pnl, "uncounted": json.dumps(uncounted)},
    )


def want_exit(connection: Connection, stored: Stored, reason: ExitReason) -> None:
    """Let a group be closed as soon as it is open."""
    connection.execute(
        text(
            """
            UPDATE nav_groups SET exit_reason = coalesce(exit_reason, :reason),
                updated_at = clock_timestamp()
            WHERE group_id = :group_id
            """
        ),
        {"group_id": stored.group.group_id, "reason": reason},
    )


def unfinished(connection: Connection, pair: Pair) -> Stored | None:
    """The group of a pair that is not over; the newest where an older one was opened again."""
    row = connection.execute(
        text(
            f"""
            SELECT group_id FROM nav_groups
            WHERE trust_symbol = :trust AND spot_symbol = :spot AND state NOT IN ({_OVER})
            ORDER BY created_at DESC LIMIT 1
            """
        ),
        {"trust": pair.trust, "spot": pair.spot},
    ).one_or_none()
    return None if row is None else load(connection, row.group_id)


def to_look_at(connection: Connection, late_for: timedelta) -> list[UUID]:
    """Groups that are not over, and those that have been for less than `late_for`, oldest first."""
    rows = connection.execute(
        text(
            f"""
            SELECT group_id FROM nav_groups
            WHERE state NOT IN ({_OVER}) OR updated_at > clock_timestamp() - :late_for
            ORDER BY created_at
            """
        ),
        {"late_for": late_for},
    )
    return [row.group_id for row in rows]


def load(connection: Connection, group_id: UUID, *, lock: bool = False) -> Stored | None:
    """A group with its orders as they stand; None without one, or, to lock, while another has it.

    An order that ended up in another mode than its group counts as refused: what is simulated
    closes nothing live.
    """
    row = (
        connection.execute(
            text(
                "SELECT * FROM nav_groups WHERE group_id = :group_id"
                + (" FOR UPDATE SKIP LOCKED" if lock else "")
            ),
            {"group_id": group_id},
        )
        .mappings()
        .one_or_none()
    )
    if row is None:
        return None
    mode = ExecutionMode(row["execution_mode"])
    group = Group(
        group_id=group_id,
        direction=Direction(row["direction"]),
        mode=mode,
        state=GroupState(row["state"]),
        phase=GroupState(row["phase"]),
        since=row["phase_since"],
        legs=tuple(_legs(connection, group_id, mode)),
        exit_reason=None if row["exit_reason"] is None else ExitReason(row["exit_reason"]),
    )
    pair = Pair(row["trust_symbol"], row["spot_symbol"])
    return Stored(group, pair, row["version"], row["reason"], dict(row), row["pnl"])


_LEGS = """
    SELECT l.*, r.outcome, r.reason AS refusal, r.received_at, o.state, o.reason, o.updated_at,
        o.execution_mode, coalesce(o.filled_quantity, 0) AS filled,
        NOT EXISTS (SELECT FROM execution_reports e
            WHERE e.order_id = o.order_id AND e.applied_at IS NULL) AS heard,
        coalesce(f.held, 0) AS held, c.cancels, c.cancelling
    FROM nav_group_legs l
    LEFT JOIN LATERAL (
        SELECT outcome, reason, received_at FROM order_requests
        WHERE client_order_id = l.client_order_id
        ORDER BY (outcome = 'ACCEPTED') DESC, received_at DESC LIMIT 1
    ) r ON true
    LEFT JOIN orders o ON o.client_order_id = l.client_order_id
    LEFT JOIN LATERAL (
        SELECT sum(CASE side WHEN 'BUY' THEN quantity ELSE -quantity END
            - CASE WHEN commission_currency = base_asset THEN coalesce(commission, 0)
                ELSE 0 END) AS held
        FROM fills WHERE order_id = o.order_id AND status <> 'BUSTED'
    ) f ON true
    LEFT JOIN LATERAL (
        SELECT count(*) AS cancels, coalesce(bool_or(outcome = 'PENDING'
            OR received_at > clock_timestamp() - interval '5 seconds'), false) AS cancelling
        FROM order_commands WHERE kind = 'CANCEL' AND client_order_id = l.client_order_id
    ) c ON true
    WHERE l.group_id = :group_id ORDER BY l.number
"""


def _legs(connection: Connection, group_id: UUID, mode: ExecutionMode) -> list[Leg]:
    rows = connection.execute(text(_LEGS), {"group_id": group_id})
    found = []
    for row in rows:
        elsewhere = row.execution_mode is not None and row.execution_mode != mode
        found.append(
            Leg(
                client_order_id=row.client_order_id,
                role=Role(row.role),
                purpose=Purpose(row.purpose),
                side=Side(row.side),
                quantity=row.quantity,
                placed_at=row.placed_at,
                changed_at=row.updated_at or row.received_at or row.placed_at,
                state=None if row.state is None else OrderState(row.state),
                refused=elsewhere or row.outcome == "REFUSED",
                reason=f"it is {row.execution_mode}" if elsewhere else row.reason or row.refusal,
                filled=Decimal(0) if elsewhere else row.filled,
                held=Decimal(0) if elsewhere else row.held,
                heard=row.heard,
                cancels=row.cancels,
                cancelling=row.cancelling,
            )
        )
    return found


def fills(connection: Connection, group_id: UUID, mode: ExecutionMode) -> list[GroupFill]:
    """Every fill of a group in its mode, oldest first."""
    rows = connection.execute(
        text(
            """
            SELECT l.role, f.side, f.quantity, f.price, f.currency, f.base_asset, f.commission,
                f.commission_currency
            FROM nav_group_legs l
                JOIN orders o USING (client_order_id) JOIN fills f USING (order_id)
            WHERE l.group_id = :group_id AND f.execution_mode = :mode AND f.status <> 'BUSTED'
            ORDER BY f.executed_at, f.fill_id
            """
        ),
        {"group_id": group_id, "mode": mode},
    )
    return [
        GroupFill(
            role=Role(row.role),
            side=Side(row.side),
            quantity=row.quantity,
            price=row.price,
            currency=row.currency or "",
            base=row.base_asset,
            commission=row.commission,
            commission_currency=row.commission_currency,
        )
        for row in rows
    ]


def history(connection: Connection, group_id: UUID) -> list[dict[str, Any]]:
    """The states that a group went through, in order."""
    rows = connection.execute(
        text(
            """
            SELECT at, state, reason FROM nav_group_events
            WHERE group_id = :group_id ORDER BY version
            """
        ),
        {"group_id": group_id},
    ).mappings()
    return [dict(row) for row in rows]


def newest(connection: Connection, pair: Pair, limit: int) -> Sequence[UUID]:
    """The newest groups of a pair, newest first."""
    rows = connection.execute(
        text(
            """
            SELECT group_id FROM nav_groups
            WHERE trust_symbol = :trust AND spot_symbol = :spot
            ORDER BY created_at DESC LIMIT :limit
            """
        ),
        {"trust": pair.trust, "spot": pair.spot, "limit": limit},
    )
    return [row.group_id for row in rows]


_OWN = {
    ExecutionMode.LIVE: """positions p JOIN broker_accounts b
        ON b.broker = p.broker AND b.account = p.account AND b.alias IS NOT NULL WHERE true""",
    ExecutionMode.PAPER: "paper_positions p WHERE p.account = :label",
}


def held(connection: Connection, mode: ExecutionMode, symbol: str, label: str) -> Decimal:
    """Our position in a symbol with its sign, in the accounts that orders of groups are for.

    Those name none: live it is each login's own, on paper the one under our `label`.
    """
    found = connection.execute(
        text(f"SELECT coalesce(sum(p.quantity), 0) FROM {_OWN[mode]} AND p.symbol = :symbol"),
        {"symbol": symbol, "label": label},
    ).scalar_one()
    return Decimal(found)


def looked(connection: Connection, pair: Pair, interval: str, at: datetime, said: str) -> None:
    """Keep what the last look at the pair came to."""
    connection.execute(
        text(
            """
            INSERT INTO nav_looks (trust_symbol, spot_symbol, interval, looked_at, said)
            VALUES (:trust, :spot, :interval, :at, :said)
            ON CONFLICT (trust_symbol, spot_symbol, interval)
                DO UPDATE SET looked_at = excluded.looked_at, said = excluded.said
            """
        ),
        {"trust": pair.trust, "spot": pair.spot, "interval": interval, "at": at, "said": said},
    )


def last_look(connection: Connection, pair: Pair, interval: str) -> dict[str, Any] | None:
    """When the pair was last looked at, and what came of it."""
    row = (
        connection.execute(
            text(
                """
                SELECT looked_at, said, unjudged FROM nav_looks
                WHERE trust_symbol = :trust AND spot_symbol = :spot AND interval = :interval
                """
            ),
            {"trust": pair.trust, "spot": pair.spot, "interval": interval},
        )
        .mappings()
        .one_or_none()
    )
    return None if row is None else dict(row)


def _place(
    connection: Connection, group_id: UUID, number: int, purpose: Purpose, what: Reduction
) -> Placed:
    name = client_order_id(group_id, number)
    connection.execute(
        text(
            """
            INSERT INTO nav_group_legs
                (group_id, number, client_order_id, role, purpose, side, quantity)
            VALUES (:group_id, :number, :name, :role, :purpose, :side, :quantity)
            """
        ),
        {
            "group_id": group_id,
            "number": number,
            "name": name,
            "role": what.role,
            "purpose": purpose,
            "side": what.side,
            "quantity": what.quantity,
        },
    )
    return Placed(name, what.role, purpose, what.side, what.quantity)


def _tell(
    connection: Connection, group_id: UUID, version: int, state: GroupState, reason: str | None
) -> None:
    connection.execute(
        text(
            """
            INSERT INTO nav_group_events (group_id, version, state, reason)
            VALUES (:group_id, :version, :state, :reason)
            """
        ),
        {"group_id": group_id, "version": version, "state": state, "reason": reason},
    )
