"""What reconciliation with a venue reads of ours, and the alerts that it raises and settles."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import Connection, text

from execution.domain.orders import Order
from execution.domain.reconciliation import Break, Known
from execution.domain.vocabulary import BrokerName, OrderState
from execution.store import alerts
from execution.store.loading import SELECT_ATTEMPT
from execution.store.rows import order_from_row


def known(connection: Connection, broker: BrokerName, ids: Iterable[str]) -> dict[str, Known]:
    """Attempts at a broker by what we call them there."""
    rows = connection.execute(
        text(
            """
            SELECT a.venue_order_id, a.order_id, a.state, o.client_order_id
            FROM order_attempts a JOIN orders o USING (order_id)
            WHERE a.venue_order_id = ANY(:ids) AND a.broker = :broker
            """
        ),
        {"ids": list(ids), "broker": broker},
    )
    return {
        row.venue_order_id: Known(row.order_id, row.client_order_id, OrderState(row.state))
        for row in rows
    }


def not_shown(
    connection: Connection, broker: BrokerName, since: timedelta, shown: Iterable[str], most: int
) -> list[Order]:
    """Orders that have worked here for at least so long, and that a venue does not show as open.

    At most so many, the same ones until they are settled.
    """
    rows = connection.execute(
        text(
            f"""
            {SELECT_ATTEMPT} WHERE a.broker = :broker
                AND a.state IN ('SUBMITTED', 'PARTIALLY_FILLED')
                AND (o.state IN ('SUBMITTED', 'PARTIALLY_FILLED')
                    OR (o.parent_order_id IS NOT NULL AND a.attempt_no <> o.attempt_no))
                AND o.updated_at < clock_timestamp() - :since
                AND NOT a.venue_order_id = ANY(:shown)
            ORDER BY o.order_id LIMIT :most
            """
        ),
        {"broker": broker, "since": since, "shown": list(shown), "most": most},
    )
    return [order_from_row(row._asdict()) for row in rows]


def positions(
    connection: Connection, broker: BrokerName, owned: Sequence[str]
) -> dict[tuple[str, str], Decimal]:
    """Signed quantity by account and symbol in a login's accounts; zero for what was closed."""
    rows = connection.execute(
        text(
            """
            SELECT account, symbol, quantity FROM positions
            WHERE broker = :broker AND account = ANY(:owned)
            """
        ),
        {"broker": broker, "owned": list(owned)},
    )
    return {(row.account, row.symbol): row.quantity for row in rows}


def traded(connection: Connection, broker: BrokerName) -> set[str]:
    """Symbols that we have traded at a broker, or may trade at any moment."""
    rows = connection.execute(
        text(
            """
            SELECT symbol FROM positions WHERE broker = :broker
            UNION SELECT o.symbol FROM order_attempts a JOIN orders o USING (order_id)
                WHERE a.broker = :broker AND a.state IN ('SUBMITTED', 'PARTIALLY_FILLED')
            UNION SELECT symbol FROM orders WHERE due_at IS NOT NULL AND broker = :broker
            """
        ),
        {"broker": broker},
    )
    return {row.symbol for row in rows}


def holdings(connection: Connection, broker: BrokerName, account: str) -> dict[str, Decimal]:
    """What trades in a spot account have made of each currency: bought less paid less commission.

    What was booked by hand came or went without money. Negative for what was spent of what was
    there before.
    """
    rows = connection.execute(
        text(
            """
            WITH own AS (
                SELECT * FROM fills WHERE broker = :broker AND account = :account
            ), moved AS (
                SELECT base_asset AS asset,
                    CASE side WHEN 'BUY' THEN quantity ELSE -quantity END AS amount
                FROM own WHERE base_asset IS NOT NULL
                UNION ALL
                SELECT currency, CASE side WHEN 'BUY' THEN -1 ELSE 1 END * quantity * price
                FROM own WHERE currency IS NOT NULL AND status <> 'BOOKED'
                UNION ALL
                SELECT commission_currency, -commission FROM own WHERE commission IS NOT NULL
            )
            SELECT asset, sum(amount) AS amount FROM moved GROUP BY asset
            """
        ),
        {"broker": broker, "account": account},
    )
    return {row.asset: row.amount for row in rows}


def unbooked(connection: Connection, broker: BrokerName) -> bool:
    """Whether executions at a broker are on their way into `positions`."""
    return bool(
        connection.execute(
            text(
                """
                SELECT EXISTS (SELECT FROM execution_reports
                        WHERE applied_at IS NULL AND broker = :broker)
                    OR EXISTS (SELECT FROM fills WHERE positioned_at IS NULL AND broker = :broker)
                """
            ),
            {"broker": broker},
        ).scalar_one()
    )


def last_served(connection: Connection, broker: BrokerName) -> datetime | None:
    """When a worker last had a connection to a broker; None when none ever had."""
    found: datetime | None = connection.execute(
        text(
            """
            SELECT max(CASE WHEN status = 'LIVE_READY' THEN heartbeat_at ELSE since END)
            FROM broker_sessions WHERE broker = :broker AND detail IS DISTINCT FROM 'starting'
            """
        ),
        {"broker": broker},
    ).scalar_one()
    return found


def record(
    connection: Connection, broker: BrokerName, kinds: Iterable[str], breaks: Sequence[Break]
) -> None:
    """Raise an alert for each break, and settle those of these kinds that are gone."""
    for found in breaks:
        alerts.alert(
            connection,
            found.kind,
            f"{broker}:{found.key}",
            f"{broker}: {found.message}",
            order_id=found.order_id,
            broker=broker,
        )
    connection.execute(
        text(
            """
            UPDATE alerts SET resolved_at = clock_timestamp()
            WHERE broker = :broker AND kind = ANY(:kinds) AND resolved_at IS NULL
                AND NOT key = ANY(:keys)
            """
        ),
        {
            "broker": broker,
            "kinds": list(kinds),
            "keys": [f"{broker}:{found.key}" for found in breaks],
        },
    )
