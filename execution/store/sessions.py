"""`broker_sessions`: what each broker's workers say of themselves, and who watches which order."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy import Connection, text

from execution.domain.accounts import Accounts
from execution.domain.orders import Order
from execution.domain.routing import BrokerStatus
from execution.domain.vocabulary import BreakerState, BrokerName, SessionStatus
from execution.store.loading import SELECT_ATTEMPT
from execution.store.rows import order_from_row
from execution.store.statements import Link, Prepared

ADOPTED_AT_ONCE = 500


def open_session(
    connection: Connection,
    session_id: UUID,
    broker: BrokerName,
    worker: str,
    *,
    force_paper: bool = False,
) -> None:
    """Announce a worker that has just started; it is DOWN until it has connected.

    `force_paper`: it sends nothing new to a live broker.
    """
    connection.execute(
        text(
            """
            INSERT INTO broker_sessions (session_id, broker, worker, status, detail, force_paper)
            VALUES (:session_id, :broker, :worker, 'DOWN', 'starting', :force_paper)
            """
        ),
        {
            "session_id": session_id,
            "broker": broker,
            "worker": worker,
            "force_paper": force_paper,
        },
    )


def heartbeat(
    connection: Connection,
    session_id: UUID,
    status: SessionStatus,
    detail: str | None,
    account: str | None,
) -> None:
    """Say that the session lives, and how its connection stands; `since` marks changes."""
    connection.execute(
        text(
            """
            UPDATE broker_sessions SET heartbeat_at = clock_timestamp(), ended_at = NULL,
                since = CASE WHEN status = :status THEN since ELSE clock_timestamp() END,
                status = :status, detail = :detail, account = coalesce(:account, account)
            WHERE session_id = :session_id
            """
        ),
        {"session_id": session_id, "status": status, "detail": detail, "account": account},
    )


def close_session(connection: Connection, session_id: UUID) -> None:
    """Say goodbye: what this session watched is free at once."""
    connection.execute(
        text(
            """
            UPDATE broker_sessions SET ended_at = clock_timestamp(), status = 'DOWN',
                detail = 'stopped' WHERE session_id = :session_id
            """
        ),
        {"session_id": session_id},
    )


_STATUSES = Prepared(
    """
    SELECT b.broker, b.state AS breaker, (SELECT array_agg(a.account ORDER BY a.alias IS NULL,
            a.account) FROM broker_accounts a WHERE a.broker = b.broker AND a.owned) AS accounts,
        s.status, s.detail,
        clock_timestamp() - s.since AS standing_for
    FROM breakers b LEFT JOIN LATERAL (
        SELECT status, since, detail FROM broker_sessions
        WHERE broker = b.broker AND (status = 'NO_CREDENTIALS' OR (ended_at IS NULL
            AND heartbeat_at > clock_timestamp() - CAST(:timeout AS interval)))
        ORDER BY (ended_at IS NULL AND heartbeat_at > clock_timestamp() - :timeout) DESC,
            status = 'LIVE_READY' DESC, heartbeat_at DESC
        LIMIT 1
    ) s ON true
    """
)


def statuses(link: Link, timeout: timedelta) -> dict[BrokerName, BrokerStatus]:
    """Each broker's best session that is alive, and its breaker, for routing.

    A broker whose sessions are all silent keeps the word of its latest one when that word was
    NO_CREDENTIALS; its status is None otherwise.
    """
    return {
        BrokerName(row.broker): BrokerStatus(
            SessionStatus(row.status) if row.status else None,
            row.standing_for,
            row.detail,
            BreakerState(row.breaker),
            Accounts(row.accounts[0], tuple(row.accounts)) if row.accounts else None,
        )
        for row in _STATUSES.run(link, {"timeout": timeout})
    }


def paper_only(connection: Connection, timeout: timedelta) -> dict[str, bool]:
    """Workers of live brokers that are alive, and whether each sends nothing new there."""
    rows = connection.execute(
        text(
            """
            SELECT broker || ' ' || worker AS name, bool_or(force_paper) AS force_paper
            FROM broker_sessions
            WHERE broker <> 'PAPER' AND ended_at IS NULL
                AND heartbeat_at > clock_timestamp() - CAST(:timeout AS interval)
            GROUP BY name ORDER BY name
            """
        ),
        {"timeout": timeout},
    )
    return {row.name: row.force_paper for row in rows}


def adopt(
    connection: Connection,
    session_id: UUID,
    broker: BrokerName,
    timeout: timedelta,
    *,
    channel: int | None = None,
    limit: int = ADOPTED_AT_ONCE,
) -> list[Order]:
    """Take over the waiting orders of a broker that nobody alive watches.

    A lease on a waiting order is its watcher's heartbeat: thousands of orders are held by one row.
    Where several channels are shared a session takes the orders of its own, whoever watched them,
    since the venue has let in nobody else; those of the others it leaves alone.
    """
    unwatched = "s.session_id IS NULL"
    if channel is not None:
        unwatched = f"""
            CASE coalesce((SELECT i.client_id FROM ibkr_order_ids i
                WHERE i.venue_order_id = a.venue_order_id
                  AND EXISTS (SELECT FROM ibkr_client_ids c WHERE c.client_id = i.client_id)), -1)
            WHEN :channel THEN a.watcher IS DISTINCT FROM CAST(:session_id AS uuid)
            WHEN -1 THEN {unwatched} ELSE false END
        """
    rows = connection.execute(
        text(
            f"""
            WITH free AS (
                SELECT a.attempt_id FROM order_attempts a
                LEFT JOIN broker_sessions s ON s.session_id = a.watcher
                    AND s.ended_at IS NULL AND s.heartbeat_at > clock_timestamp() - :timeout
                WHERE a.broker = :broker AND a.state IN ('SUBMITTED', 'PARTIALLY_FILLED')
                    AND ({unwatched})
                LIMIT :limit FOR UPDATE OF a SKIP LOCKED
            ), adopted AS (
                UPDATE order_attempts SET watcher = :session_id
                WHERE attempt_id IN (SELECT attempt_id FROM free) RETURNING attempt_id
            )
            {SELECT_ATTEMPT} JOIN adopted d ON d.attempt_id = a.attempt_id
            """
        ),
        {
            "session_id": session_id,
            "broker": broker,
            "timeout": timeout,
            "limit": limit,
            **({} if channel is None else {"channel": channel}),
        },
    ).mappings()
    return [order_from_row(dict(row)) for row in rows]
