"""What the command line and the client show: read-only queries."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from execution.store.requests import REFUSED
from execution.store.schema import orders

Rows = list[dict[str, Any]]

_REQUEST = (
    "outcome",
    "request_id",
    "received_at",
    "client_order_id",
    "payload",
    "reason",
    "order_id",
)
_BOTH = ", ".join(
    [f"o.{name} AS o_{name}" for name in orders.c.keys()]  # noqa: SIM118 - no mapping
    + [f"r.{name} AS r_{name}" for name in _REQUEST]
)


def orders_and_refusals(connection: Connection, limit: int) -> Rows:
    """The newest orders and refused requests, oldest first; a refused one's state is REFUSED."""
    rows = _all(
        connection,
        f"""
        SELECT {_BOTH}
        FROM order_requests r LEFT JOIN orders o ON o.order_id = r.order_id
        ORDER BY r.received_at DESC LIMIT :limit
        """,
        {"limit": limit},
    )
    return [_order_or_refusal(row) for row in reversed(rows)]


def _order_or_refusal(row: dict[str, Any]) -> dict[str, Any]:
    order = {name: row[f"o_{name}"] for name in orders.c.keys()}  # noqa: SIM118 - no mapping
    request = {name: row[f"r_{name}"] for name in _REQUEST}
    if order["order_id"] is not None:
        return {**{name: request[name] for name in _REQUEST[:3]}, **order}
    payload = request["payload"]
    state = REFUSED if request["outcome"] == REFUSED else "ACCEPTED"
    asked = {name: payload.get(name) for name in ("symbol", "side", "quantity", "order_type")}
    return {**asked, **request, "state": state}


def order(connection: Connection, identifier: str) -> dict[str, Any] | None:
    """An order, or the request that did not become one, by client_order_id or order_id."""
    rows = _all(
        connection,
        f"""
        SELECT {_BOTH}
        FROM order_requests r LEFT JOIN orders o ON o.order_id = r.order_id
        WHERE r.client_order_id = :identifier OR r.order_id = CAST(:order_id AS uuid)
        ORDER BY (r.outcome = 'ACCEPTED') DESC, r.received_at DESC LIMIT 1
        """,
        {"identifier": identifier, "order_id": _as_uuid(identifier)},
    )
    return _order_or_refusal(rows[0]) if rows else None


def history(connection: Connection, order_id: object) -> Rows:
    """Everything that happened to an order, in order."""
    return _all(
        connection,
        """
        SELECT at, step, state, broker, attempt_no, detail FROM order_events
        WHERE order_id = CAST(:order_id AS uuid) ORDER BY at
        """,
        {"order_id": order_id},
    )


def attempts(connection: Connection, order_id: object) -> Rows:
    """Every try at a venue."""
    return _all(
        connection,
        """
        SELECT * FROM order_attempts WHERE order_id = CAST(:order_id AS uuid)
        ORDER BY attempt_no, leg
        """,
        {"order_id": order_id},
    )


def fills_of(connection: Connection, order_id: object) -> Rows:
    """Every fill of an order."""
    return _all(
        connection,
        """
        SELECT * FROM fills WHERE order_id = CAST(:order_id AS uuid)
        ORDER BY executed_at, fill_id
        """,
        {"order_id": order_id},
    )


def commands_of(connection: Connection, client_order_id: object) -> Rows:
    """Every cancel and modify of an order, oldest first; a pending one's reason is what it awaits.

    `ours` are those that the service itself wanted.
    """
    return _all(
        connection,
        """
        SELECT received_at, kind, external_id, ours, outcome, reason, sends, last_send_at,
            settled_at FROM order_commands
        WHERE client_order_id = :client_order_id ORDER BY received_at
        """,
        {"client_order_id": client_order_id},
    )


def positions(connection: Connection) -> Rows:
    """Live and paper positions; `execution_mode` tells which."""
    return _all(
        connection,
        """
        SELECT 'LIVE' AS execution_mode, p.* FROM positions p
        UNION ALL SELECT 'PAPER', p.* FROM paper_positions p
        ORDER BY 1, 2, 3, 4
        """,
        {},
    )


def broker_overview(connection: Connection) -> Rows:
    """Each broker with its breaker and its sessions that have not ended."""
    return _all(
        connection,
        """
        SELECT b.broker, b.state AS breaker, b.opened_at, b.failures, b.total_failures, b.reason,
            s.worker, s.status, s.detail, s.since, s.heartbeat_at
        FROM breakers b LEFT JOIN broker_sessions s
            ON s.broker = b.broker AND s.ended_at IS NULL
            AND s.heartbeat_at > clock_timestamp() - interval '1 minute'
        ORDER BY b.broker, s.started_at
        """,
        {},
    )


def alerts(connection: Connection, limit: int, *, settled: bool) -> Rows:
    """What a person must look at, newest first; with `settled`, what is settled as well."""
    return _all(
        connection,
        """
        SELECT a.kind, a.key, a.at AS since, a.resolved_at, o.client_order_id, a.order_id,
            o.state, a.broker, a.message, a.alert_id
        FROM alerts a LEFT JOIN orders o USING (order_id)
        WHERE a.resolved_at IS NULL OR :settled
        ORDER BY a.at DESC, a.alert_id DESC LIMIT :limit
        """,
        {"limit": limit, "settled": settled},
    )


def _all(connection: Connection, statement: str, parameters: dict[str, Any]) -> Rows:
    return [dict(row) for row in connection.execute(text(statement), parameters).mappings()]


def _as_uuid(value: str) -> str | None:
    try:
        return str(UUID(value))
    except ValueError:
        return None
