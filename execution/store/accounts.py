"""`broker_accounts`: the accounts that each broker's login owns, as its session has found them.

Before migration 0021 an order's account was a label, and every live order went to its broker's one
account. What bears such a label becomes the real account's when a session first says which that is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, text

from execution.domain.accounts import Accounts
from execution.domain.vocabulary import BrokerName
from execution.store import positions
from execution.store.schema.executions import IDENTITY

_BOOKED = ("execution_reports", "fills")


def known(connection: Connection, broker: BrokerName) -> Accounts | None:
    """What the login that connected last owns; None before any has connected."""
    rows = connection.execute(
        text(
            """
            SELECT account FROM broker_accounts WHERE broker = :broker AND owned
            ORDER BY alias IS NULL, account
            """
        ),
        {"broker": broker},
    ).all()
    names = tuple(row.account for row in rows)
    return Accounts(names[0], names) if names else None


def announce(
    connection: Connection, broker: BrokerName, accounts: Accounts, alias: str
) -> Mapping[str, Mapping[str, int]]:
    """Say which accounts a broker's login owns, and give what bears a label its real account.

    `alias` is what this service calls the default account, beside `main`. Returns how many rows of
    each table bore each label; nothing, mostly.
    """
    # One session at a time.
    connection.execute(text("SELECT FROM environment_stamp FOR UPDATE"))
    connection.execute(
        text(
            """
            UPDATE broker_accounts SET alias = NULL, owned = (account = ANY(:owned))
            WHERE broker = :broker AND (alias IS NOT NULL AND account <> :default
                OR owned <> (account = ANY(:owned)))
            """
        ),
        {"broker": broker, "owned": list(accounts.owned), "default": accounts.default},
    )
    connection.execute(
        text(
            """
            INSERT INTO broker_accounts AS b (broker, account, owned, alias)
            SELECT :broker, name, true, CASE WHEN name = :default THEN CAST(:alias AS text) END
            FROM unnest(CAST(:owned AS text[])) AS name
            ON CONFLICT (broker, account) DO UPDATE SET alias = excluded.alias
                WHERE b.alias IS DISTINCT FROM excluded.alias
            """
        ),
        {
            "broker": broker,
            "owned": list(accounts.owned),
            "default": accounts.default,
            "alias": alias,
        },
    )
    if not _may_bear_labels(connection, broker, accounts.default):
        return {}
    return _convert(connection, broker, accounts.default)


_A_LABEL = """account NOT IN (SELECT account FROM broker_accounts WHERE broker = :broker)"""
_SENT = f"broker = :broker AND intent_at IS NOT NULL AND {_A_LABEL}"


def _may_bear_labels(connection: Connection, broker: BrokerName, default: str) -> bool:
    """Whether to look through everything: once, and when a worker of before has left something."""
    return bool(
        connection.execute(
            text(
                f"""
                SELECT EXISTS (SELECT FROM broker_accounts
                        WHERE broker = :broker AND account = :default AND converted_at IS NULL)
                    OR EXISTS (SELECT FROM positions WHERE broker = :broker AND {_A_LABEL}
                        AND (quantity, realised_pnl, commission) <> (0, 0, 0))
                    OR EXISTS (SELECT FROM order_attempts WHERE {_SENT}
                        AND state IN ('SUBMITTED', 'PARTIALLY_FILLED'))
                """
            ),
            {"broker": broker, "default": default},
        ).scalar_one()
    )


def _convert(connection: Connection, broker: BrokerName, real: str) -> dict[str, dict[str, int]]:
    values = {"broker": broker, "real": real}
    found: dict[str, dict[str, int]] = {}
    for name, of in (
        ("order_attempts", _SENT),
        *((table, f"broker = :broker AND {_A_LABEL}") for table in (*_BOOKED, "positions")),
    ):
        rows = connection.execute(
            text(f"SELECT account, count(*) AS rows FROM {name} WHERE {of} GROUP BY account"),
            values,
        )
        for row in rows:
            found.setdefault(row.account, {})[name] = row.rows
    if found:
        # It is done once, however long it takes, and nobody may write beside it.
        for setting in ("statement_timeout", "idle_in_transaction_session_timeout"):
            connection.execute(text(f"SET LOCAL {setting} = 0"))
        connection.execute(
            text(
                "LOCK TABLE order_attempts, execution_reports, fills, positions "
                "IN SHARE ROW EXCLUSIVE MODE"
            )
        )
        connection.execute(text(f"UPDATE order_attempts SET account = :real WHERE {_SENT}"), values)
        for table in _BOOKED:
            _tell_apart(connection, table, values)
            connection.execute(
                text(f"UPDATE {table} SET account = :real WHERE broker = :broker AND {_A_LABEL}"),
                values,
            )
        _join_positions(connection, values)
    connection.execute(
        text(
            """
            UPDATE broker_accounts SET converted_at = clock_timestamp(),
                converted = coalesce(converted, '{}') || CAST(:found AS jsonb)
            WHERE broker = :broker AND account = :real
            """
        ),
        values | {"found": json.dumps(found)},
    )
    return found


def _tell_apart(connection: Connection, table: str, values: Mapping[str, Any]) -> None:
    """Keep apart what is the same execution under two labels: both are in orders and positions."""
    rest = [name for name in IDENTITY if name not in {"broker", "account"}]
    if table == "execution_reports":
        rest += ["kind", "revision"]
    connection.execute(
        text(
            f"""
            WITH numbered AS (
                SELECT report_id, row_number() OVER (PARTITION BY {", ".join(rest)}
                    ORDER BY order_id IS NULL, report_id) AS number
                FROM {table} WHERE broker = :broker AND (account = :real OR {_A_LABEL})
            )
            UPDATE {table} t SET instrument_key = '=' || t.account || '=' || t.instrument_key
            FROM numbered n WHERE n.report_id = t.report_id AND n.number > 1
            """
        ),
        values,
    )
    if table == "fills":
        connection.execute(
            text(
                f"""
                INSERT INTO alerts (kind, key, order_id, broker, message)
                SELECT 'COUNTED_TWICE', broker || ':' || report_id, order_id, broker,
                    'execution ' || execution_id || ' (' || side || ' ' || trim_scale(quantity)
                    || ' ' || symbol || ' at ' || trim_scale(price) || ') was counted for the '
                    || 'account label ' || account || ' though it is in the books under another'
                FROM fills WHERE broker = :broker AND {_A_LABEL}
                    AND instrument_key LIKE '=' || account || '=%'
                ON CONFLICT DO NOTHING
                """
            ),
            values,
        )


def _join_positions(connection: Connection, values: Mapping[str, Any]) -> None:
    """Make one position of those of several labels in a symbol."""
    rows = connection.execute(
        text(
            f"""
            SELECT symbol, account, {_A_LABEL} AS labelled FROM positions
            WHERE broker = :broker AND (account = :real OR {_A_LABEL})
            ORDER BY symbol, account <> :real, account
            """
        ),
        values,
    ).all()
    by_symbol: dict[str, list[Any]] = {}
    for row in rows:
        by_symbol.setdefault(row.symbol, []).append(row)
    for symbol, held in by_symbol.items():
        first, *others = held
        if first.labelled:
            _rename(connection, values, symbol, first.account)
        if others:
            _empty(connection, values, symbol, [row.account for row in others])
            positions.refold(connection, values["broker"], values["real"], symbol)


def _rename(connection: Connection, values: Mapping[str, Any], symbol: str, label: str) -> None:
    connection.execute(
        text(
            """
            UPDATE positions SET account = :real
            WHERE (account, broker, symbol) = (:label, :broker, :symbol)
            """
        ),
        {**values, "symbol": symbol, "label": label},
    )


def _empty(
    connection: Connection, values: Mapping[str, Any], symbol: str, labels: Sequence[str]
) -> None:
    """Leave nothing in the rows of other labels, which nobody may delete."""
    connection.execute(
        text(
            """
            UPDATE positions SET quantity = 0, average_price = 0, realised_pnl = 0, commission = 0,
                costs = '{}', last_executed_at = NULL, last_fill_id = NULL,
                updated_at = clock_timestamp()
            WHERE broker = :broker AND symbol = :symbol AND account = ANY(:labels)
            """
        ),
        {**values, "symbol": symbol, "labels": list(labels)},
    )
