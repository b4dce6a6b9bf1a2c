"""`risk_limits` and `trading_states`: what operators set, audited, and read with a version.

The tables' triggers shut `order_gate` and raise `risk_controls.version` with every change, whoever
makes it. Whoever commits an intent to send holds `order_gate` open, and names the version it judged
by (`UNCHANGED`): an intent is committed either before a change or by what it says.
"""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, text

from execution.domain.decimals import plain
from execution.domain.risk.controls import Controls
from execution.domain.risk.limits import Limit, LimitKind
from execution.domain.risk.trading_state import EVERYWHERE, ScopeState, TradingState
from execution.domain.risk.unprotected import Unprotected
from execution.domain.vocabulary import BrokerName
from execution.store import order_gate
from execution.store.engine import Store
from execution.store.order_gate import Ended
from execution.store.statements import Link, Prepared

FIRST_VERSION = 0
"""Of a database in which nothing was ever set."""

UNCHANGED = """ AND EXISTS (SELECT FROM risk_controls
    WHERE single AND risk_controls.version = CAST(:controls AS bigint))"""
"""A further condition of the statement that commits an intent; `hold_open` goes before it."""

_LOAD = Prepared(
    """
    SELECT c.version,
        (SELECT coalesce(jsonb_agg(s ORDER BY s.scope), '[]') FROM trading_states s) AS states,
        (SELECT coalesce(jsonb_agg(jsonb_build_object('limit_id', l.limit_id, 'kind', l.kind,
            'value', l.value::text, 'broker', l.broker, 'strategy', l.strategy,
            'symbol', l.symbol) ORDER BY l.limit_id), '[]') FROM risk_limits l) AS limits,
        -- Not a join: one that was planned on empty tables would read all orders.
        (SELECT coalesce(jsonb_agg((SELECT jsonb_build_object('client_order_id', o.client_order_id,
            'broker', o.broker, 'symbol', o.symbol, 'strategy', o.strategy,
            'quantity', b.bare::text, 'account', (SELECT a.account FROM order_attempts a
                WHERE a.order_id = o.order_id AND a.attempt_no = o.attempt_no AND a.leg = 0))
            FROM orders o WHERE o.order_id = b.parent_order_id)), '[]')
            FROM brackets b WHERE b.bare IS NOT NULL) AS unprotected
    FROM risk_controls c WHERE c.single
    """
)
_FRESH_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class StateChange:
    """What changing a trading state did: the state before, and the transactions it ended."""

    before: TradingState
    ended: tuple[Ended, ...]


def load(link: Link) -> Controls:
    """All limits and states, at one version."""
    row = _LOAD.one(link, {})
    states = tuple(
        ScopeState(
            scope=state["scope"],
            state=TradingState(state["state"]),
            reason=state["reason"],
            halted_until=_time(state["halted_until"]),
        )
        for state in row.states
    )
    unprotected = (
        Unprotected(
            **one | {"broker": BrokerName(one["broker"]), "quantity": Decimal(one["quantity"])}
        )
        for one in row.unprotected
    )
    limits_set = tuple(Limit.from_row(limit) for limit in row.limits)
    return Controls(row.version, states, limits_set, tuple(unprotected))


def _time(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value)


class ControlsCache:
    """`load`, asked once in a while by a process.

    Nothing hangs on its being up to date: an intent is committed by the current version only, and
    whoever would refuse an order by an older one looks again first.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: tuple[float, Controls] | None = None
        self._loading = threading.Lock()

    def get(self) -> Controls:
        """What was known within the last second. Raises StoreUnavailable."""
        known = self._known
        if known is None or time.monotonic() - known[0] >= _FRESH_SECONDS:
            return self.renew()
        return known[1]

    def renew(self) -> Controls:
        """What is known now. Raises StoreUnavailable."""
        with self._loading:
            asked = time.monotonic()
            with self._store.direct() as link:
                controls = load(link)
            self._known = (asked, controls)
            return controls


def set_limit(
    connection: Connection,
    kind: LimitKind,
    value: Decimal,
    scope: tuple[BrokerName | None, str | None, str | None],
    *,
    who: str,
    reason: str | None,
) -> Decimal | None:
    """Set the limit of a kind and a scope (broker, strategy, symbol); returns what it was."""
    fields = _fields(kind, scope)
    before: Decimal | None = connection.execute(
        text(f"SELECT value FROM risk_limits WHERE {_SAME}"), fields
    ).scalar_one_or_none()
    connection.execute(
        text(
            """
            INSERT INTO risk_limits (kind, broker, strategy, symbol, value, reason, set_by)
            VALUES (:kind, :broker, :strategy, :symbol, :value, :reason, :who)
            ON CONFLICT (kind, broker, strategy, symbol) DO UPDATE SET value = excluded.value,
                reason = excluded.reason, set_by = excluded.set_by, set_at = clock_timestamp()
            """
        ),
        {**fields, "value": value, "reason": reason, "who": who},
    )
    what = {**fields, "value": plain(value), "before": None if before is None else plain(before)}
    _audit(connection, "set", what, who=who, reason=reason)
    return before


def remove_limit(
    connection: Connection,
    kind: LimitKind,
    scope: tuple[BrokerName | None, str | None, str | None],
    *,
    who: str,
    reason: str | None,
) -> Decimal | None:
    """Remove the limit of a kind and a scope; returns what it was, None when there was none."""
    fields = _fields(kind, scope)
    before: Decimal | None = connection.execute(
        text(f"DELETE FROM risk_limits WHERE {_SAME} RETURNING value"), fields
    ).scalar_one_or_none()
    if before is not None:
        what = {**fields, "before": plain(before)}
        _audit(connection, "remove", what, who=who, reason=reason)
    return before


_SAME = """kind = :kind AND broker IS NOT DISTINCT FROM CAST(:broker AS text)
    AND strategy IS NOT DISTINCT FROM CAST(:strategy AS text)
    AND symbol IS NOT DISTINCT FROM CAST(:symbol AS text)"""


def _fields(
    kind: LimitKind, scope: tuple[BrokerName | None, str | None, str | None]
) -> dict[str, str | None]:
    broker, strategy, symbol = scope
    return {"kind": kind, "broker": broker, "strategy": strategy, "symbol": symbol}


def set_state(
    connection: Connection,
    scope: str,
    state: TradingState,
    *,
    who: str,
    reason: str | None,
) -> StateChange:
    """Change the trading state of a scope, a broker's name or EVERYWHERE.

    A state that stops orders waits no longer than `order_gate.PATIENCE_MS` for an intent that is
    being committed, by a process that was stopped, say: it ends that transaction.

    The end of a halt is kept: what was accepted before it, and not sent, is not sent any more.
    """
    ended = [] if state is TradingState.ACTIVE else order_gate.shut_now(connection)
    before = TradingState(
        connection.execute(
            text("SELECT state FROM trading_states WHERE scope = :scope"), {"scope": scope}
        ).scalar_one_or_none()
        or TradingState.ACTIVE
    )
    connection.execute(
        text(
            """
            INSERT INTO trading_states AS s (scope, state, reason, changed_by)
            VALUES (:scope, :state, :reason, :who)
            ON CONFLICT (scope) DO UPDATE SET state = excluded.state, reason = excluded.reason,
                changed_by = excluded.changed_by, changed_at = clock_timestamp(),
                halted_until = CASE WHEN s.state = 'HALTED' AND excluded.state <> 'HALTED'
                    THEN clock_timestamp() ELSE s.halted_until END
            """
        ),
        {"scope": scope, "state": state, "reason": reason, "who": who},
    )
    action = "resume" if state is TradingState.ACTIVE else "halt"
    what = {"scope": scope, "state": state, "before": before}
    _audit(connection, action, what, who=who, reason=reason)
    return StateChange(before, tuple(ended))


def _audit(
    connection: Connection, action: str, what: dict[str, Any], *, who: str, reason: str | None
) -> None:
    connection.execute(
        text(
            """
            INSERT INTO risk_changes (who, action, what, reason)
            VALUES (:who, :action, jsonb_strip_nulls(CAST(:what AS jsonb)), :reason)
            """
        ),
        {"who": who, "action": action, "what": json.dumps(what), "reason": reason},
    )


def being_sent(connection: Connection, scope: str) -> int:
    """How many orders and changes were let through before a halt and may still be on their way.

    None of them can get through after its `send_by`.
    """
    count: int = connection.execute(
        text(
            """
            SELECT (SELECT count(*) FROM orders o JOIN order_attempts a
                    ON a.order_id = o.order_id AND a.attempt_no = o.attempt_no
                WHERE o.state = 'SUBMITTING' AND a.send_by > clock_timestamp()
                  AND :scope IN (:everywhere, o.broker))
                + (SELECT count(*) FROM order_commands c
                    JOIN orders o ON o.client_order_id = c.client_order_id
                WHERE c.outcome = 'PENDING' AND c.kind = 'MODIFY' AND c.sent_at IS NOT NULL
                  AND o.parent_order_id IS NULL AND :scope IN (:everywhere, o.broker))
            """
        ),
        {"scope": scope, "everywhere": EVERYWHERE},
    ).scalar_one()
    return count


def limits(connection: Connection) -> list[dict[str, Any]]:
    """Every limit, with who set it and why."""
    rows = connection.execute(
        text(
            """
            SELECT kind, value, broker, strategy, symbol, set_by, set_at, reason
            FROM risk_limits ORDER BY kind, broker NULLS FIRST, strategy NULLS FIRST,
                symbol NULLS FIRST
            """
        )
    ).mappings()
    return [dict(row) for row in rows]


def states(connection: Connection) -> list[dict[str, Any]]:
    """The trading state of all, and of each broker that has one of its own."""
    rows = connection.execute(
        text(
            """
            SELECT scope, state, reason, changed_by, changed_at, halted_until
            FROM trading_states ORDER BY scope
            """
        )
    ).mappings()
    return [dict(row) for row in rows]


def history(connection: Connection, limit: int) -> list[dict[str, Any]]:
    """The newest changes of limits and states, newest first."""
    rows = connection.execute(
        text(
            """
            SELECT change_id, at, who, action, what, reason FROM risk_changes
            ORDER BY change_id DESC LIMIT :limit
            """
        ),
        {"limit": limit},
    ).mappings()
    return [dict(row) for row in rows]
