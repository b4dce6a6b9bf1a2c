"""What a life has to end like: its alerts have causes, its causes have alerts, nothing is due."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.chaos.stateful.watch import Seen
from tests.fleet import Fleet

PROTECTED_WITHIN = 2.0
"""Seconds from a fill to its stop and target at the venue, where nothing prevents them."""
ALERT_AFTER = 5.0
"""Seconds without protection after which an alert must say so."""
_ALERT_LATEST = 2 * ALERT_AFTER

CAUSES: dict[str, frozenset[str]] = {
    "UNPROTECTED": frozenset({"halt", "restart", "refuse", "end", "cancel_child", "lose_reply"}),
    "WAITING": frozenset({"halt", "restart", "refuse", "lose_reply"}),
    "UNKNOWN_OUTCOME": frozenset({"lose_reply", "restart"}),
    "CHANGE_REFUSED": frozenset({"refuse", "halt"}),
    "REPLACEMENT_REFUSED": frozenset({"refuse", "halt"}),
    "PROTECTION_ENDED": frozenset({"end", "refuse", "restart", "lose_reply"}),
    "ENDED_SHORT": frozenset({"end"}),
    "MISSING_ORDER": frozenset({"restart", "end"}),
    "STILL_OPEN": frozenset({"restart", "lose_reply"}),
    "POSITION_BREAK": frozenset({"restart"}),
    "LATE_FILL": frozenset({"lose_reply", "restart"}),
}
"""Which faults may bring about which alert; the oracle judges REDUCE_ONLY_REVERSED by itself."""
BY_THE_LEDGER = frozenset({"REDUCE_ONLY_REVERSED", "OVERFILLED"})


_UNREST = """
    SELECT format('%%s is %%s at step %%s, due %%s', client_order_id, state, step, due_at) AS what
    FROM orders WHERE due_at IS NOT NULL
    UNION ALL SELECT format('%%s of %%s is pending', kind, client_order_id)
    FROM order_commands WHERE outcome = 'PENDING'
    UNION ALL SELECT format('%%s is no order yet', client_order_id)
    FROM order_requests r WHERE outcome = 'ACCEPTED' AND NOT EXISTS (
        SELECT FROM orders o WHERE o.order_id = r.order_id)
    UNION ALL SELECT format('execution %%s is not applied', execution_id)
    FROM execution_reports WHERE applied_at IS NULL
    UNION ALL SELECT format('the bracket of %%s is due %%s', client_order_id, b.due_at)
    FROM brackets b JOIN orders o ON o.order_id = b.parent_order_id WHERE b.due_at IS NOT NULL
"""
_EVENTS = """WITH mine AS (SELECT o.*, coalesce(p.client_order_id, o.client_order_id) AS family
                FROM orders o LEFT JOIN orders p ON o.parent_order_id = p.order_id)
            SELECT
                count(*) FILTER (WHERE take_profit_price IS NOT NULL OR stop_loss_price IS NOT NULL)
                    AS brackets,
                count(*) FILTER (WHERE parent_order_id IS NOT NULL) AS children,
                count(*) FILTER (WHERE reduce_only AND parent_order_id IS NULL) AS exits,
                count(*) FILTER (WHERE state = 'CANCELLED') AS cancelled,
                count(*) FILTER (WHERE state = 'REJECTED') AS rejected,
                coalesce(sum((SELECT count(*) FROM fills f WHERE f.order_id = m.order_id))
                    FILTER (WHERE parent_order_id IS NULL), 0)::int AS fills_of_parents,
                coalesce(sum((SELECT count(*) FROM fills f WHERE f.order_id = m.order_id))
                    FILTER (WHERE parent_order_id IS NOT NULL), 0)::int AS fills_of_children,
                coalesce(sum((SELECT count(*) FROM order_attempts a
                    WHERE a.order_id = m.order_id) - 1), 0)::int AS further_attempts,
                coalesce(sum((SELECT count(*) FROM order_commands c
                    WHERE c.client_order_id = m.client_order_id AND c.kind = 'MODIFY'
                    AND c.outcome = 'DONE')), 0)::int AS changes_done,
                coalesce(sum((SELECT count(*) FROM order_commands c
                    WHERE c.client_order_id = m.client_order_id AND c.kind = 'MODIFY'
                    AND c.outcome = 'REFUSED')), 0)::int AS changes_refused
            FROM mine m WHERE family LIKE %s"""

_DESCRIPTION = """
    SELECT what FROM (
        SELECT created_at AS at, format('%%s %%s %%s: %%s, %%s of %%s filled, account %%s, '
            'reason %%s', client_order_id, side, coalesce(role, order_type), state, filled_quantity,
            quantity, account, reason) AS what FROM orders
        UNION ALL SELECT a.created_at, format('    attempt %%s of %%s: %%s, %%s of %%s filled, '
            'reduced %%s, ended %%s, venue %%s %%s', a.attempt_no, o.client_order_id, a.state,
            a.filled_quantity, a.quantity, a.reduced, a.end_cause, a.reported_state,
            a.reported_quantity)
        FROM order_attempts a JOIN orders o USING (order_id)
        UNION ALL SELECT recorded_at, format('    fill of %%s: %%s at %%s', o.client_order_id,
            f.quantity, f.price) FROM fills f JOIN orders o USING (order_id)
        UNION ALL SELECT received_at, format('    %%s %%s of %%s: %%s %%s %%s', kind, external_id,
            client_order_id, payload, outcome, reason) FROM order_commands
        UNION ALL SELECT at, format('    ALERT %%s: %%s (settled %%s)', kind, message, resolved_at)
        FROM alerts
        UNION ALL SELECT brackets.due_at, format('    bracket of %%s: taken %%s, bare %%s '
            'since %%s, failures %%s, over %%s', client_order_id, taken, bare, bare_since,
            failures, over)
        FROM brackets JOIN orders ON order_id = brackets.parent_order_id
    ) everything ORDER BY at NULLS LAST
"""


@dataclass(slots=True)
class Tally:
    """What all lives of a run did and saw; `failure` is what was wrong with one.

    `tried` counts those that hypothesis has begun, the first of which is not lived; nor are those
    that begin after `until` (monotonic).
    """

    tried: int = 0
    until: float = math.inf
    lives: int = 0
    steps: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    alerts: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    load: float = 0.0
    failure: str | None = None


class Records:
    """What the tables say of one life, whose orders' names begin with `prefix`."""

    def __init__(self, fleet: Fleet, prefix: str) -> None:
        self._fleet, self._prefix = fleet, prefix
        self._before: dict[int, datetime] = {}

    def begin(self) -> None:
        """Remember the alerts that there are: those are not this life's."""
        self._before = {row["alert_id"]: row["at"] for row in self._alerts()}

    def unrest(self) -> list[str]:
        """What is still under way, of this life or another, one line for each."""
        return [row["what"] for row in self._fleet.query(_UNREST)]

    def executions(self) -> set[str]:
        """The ids of all executions that were reported, of this life or another."""
        rows = self._fleet.query("SELECT DISTINCT execution_id FROM execution_reports")
        return {row["execution_id"] for row in rows}

    def alerts(self) -> list[dict[str, Any]]:
        """Alerts raised since the life began, of its orders or of no order."""
        mine = {row["order_id"] for row in self._orders()}
        return [
            row
            for row in self._alerts()
            if self._before.get(row["alert_id"]) != row["at"]
            and (row["order_id"] is None or row["order_id"] in mine)
        ]

    def families(self) -> dict[str, set[str]]:
        """The ids of each bracket's orders, by its parent's id."""
        found: dict[str, set[str]] = {}
        for row in self._orders():
            found.setdefault(row["family"], set()).add(row["order_id"])
        return found

    def description(self) -> list[str]:
        """Orders with their attempts, changes and alerts, for whoever looks for a cause."""
        rows = self._fleet.query(_DESCRIPTION)
        return [row["what"] for row in rows]

    def events(self) -> Mapping[str, int]:
        """How many of each kind of event the life brought about."""
        (row,) = self._fleet.query(_EVENTS, f"{self._prefix}-%")
        return row

    def _orders(self) -> list[dict[str, Any]]:
        return self._fleet.query(
            """SELECT o.order_id, coalesce(p.order_id, o.order_id) AS family
            FROM orders o LEFT JOIN orders p ON o.parent_order_id = p.order_id
            WHERE coalesce(p.client_order_id, o.client_order_id) LIKE %s""",
            f"{self._prefix}-%",
        )

    def _alerts(self) -> list[dict[str, Any]]:
        return self._fleet.query("SELECT * FROM alerts ORDER BY at")


def undisturbed(seen: Seen, alerts: Iterable[Mapping[str, Any]]) -> list[str]:
    """Problems of a life without faults: an alert, or protection that came late.

    Where the machine is so busy that protection may take as long as that, UNPROTECTED may be true;
    then it must have settled.
    """
    bound = PROTECTED_WITHIN * seen.allowance()
    excused = {"UNPROTECTED"} if bound > ALERT_AFTER else set[str]()
    return [
        *(
            f"alert {row['kind']}: {row['message']}"
            for row in alerts
            if row["kind"] not in BY_THE_LEDGER
            and (row["kind"] not in excused or row["resolved_at"] is None)
        ),
        *(
            f"{gap.what}: {gap.quantity} not there within {gap.seconds:.1f} s of a fill"
            for gap in seen.gaps
            if gap.seconds > bound
        ),
        *(
            f"{gap.what}: {gap.quantity} working for {gap.seconds:.1f} s beyond the position"
            for gap in seen.excesses
            if gap.seconds > bound
        ),
    ]


def disturbed(
    seen: Seen,
    alerts: Sequence[Mapping[str, Any]],
    families: Mapping[str, set[str]],
    faults: Counter[str],
) -> list[str]:
    """Problems of a life with faults: an alert without a cause, or a cause without its alert."""
    reported = {row["order_id"] for row in alerts if row["kind"] == "UNPROTECTED"}
    unfounded = (
        f"alert without a cause: {row['kind']}: {row['message']} (faults: {dict(faults)})"
        for row in alerts
        if row["kind"] not in BY_THE_LEDGER
        and not CAUSES.get(row["kind"], frozenset()) & faults.keys()
    )
    unreported = (
        f"{gap.what}: {gap.quantity} missing for {gap.seconds:.1f} s, and no alert said so"
        for gap in seen.gaps
        if gap.role == "STOP_LOSS"
        and gap.seconds > _ALERT_LATEST * seen.allowance()
        and not families.get(gap.parent_id, {gap.parent_id}) & reported
    )
    return [*unfounded, *unreported]
