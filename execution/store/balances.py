"""`account_balances` and `account_snapshots`: what each account holds, and what it held."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import Connection, text

from execution.domain.arbitrage.permission import Balances
from execution.domain.decimals import plain
from execution.domain.reports import Account, Held
from execution.domain.vocabulary import BrokerName


def record(connection: Connection, broker: BrokerName, account: Account) -> None:
    """Keep what the venue says of an account, in the place of what it said before.

    Where it says as of when, what differs from the last time is kept for a while.
    """
    amounts = {name: plain(amount) for name, amount in account.balances.items()}
    connection.execute(
        text(
            """
            INSERT INTO account_balances (broker, account, balances)
            VALUES (:broker, :account, CAST(:balances AS jsonb))
            ON CONFLICT (broker, account) DO UPDATE
                SET balances = excluded.balances, heard_at = clock_timestamp()
            """
        ),
        {"broker": broker, "account": account.account, "balances": json.dumps(amounts)},
    )
    if account.as_of is not None:
        _keep(connection, broker, account.account, Held(account.balances, account.as_of))


def amounts_of(texts: Mapping[str, str]) -> dict[str, Decimal]:
    """Amounts by currency from their texts."""
    return {name: Decimal(amount) for name, amount in texts.items()}


_KEPT = timedelta(days=2)
_LAST = """
    SELECT balances, as_of FROM account_snapshots
    WHERE broker = :broker AND account = :account {before} ORDER BY at DESC LIMIT 1
"""


def _keep(connection: Connection, broker: BrokerName, account: str, held: Held) -> None:
    where = {"broker": broker, "account": account}
    last = connection.execute(text(_LAST.format(before="")), where).one_or_none()
    if last is not None and amounts_of(last.balances) == held.balances:
        return
    amounts = json.dumps({name: plain(amount) for name, amount in held.balances.items()})
    connection.execute(
        text(
            """
            INSERT INTO account_snapshots (broker, account, as_of, balances)
            VALUES (:broker, :account, :as_of, CAST(:balances AS jsonb))
            """
        ),
        {**where, "as_of": held.as_of, "balances": amounts},
    )
    # The newest of the old ones is what the account still held when it became too old.
    connection.execute(
        text(
            """
            DELETE FROM account_snapshots s
            WHERE broker = :broker AND account = :account AND at < (
                SELECT max(at) FROM account_snapshots t WHERE t.broker = s.broker
                AND t.account = s.account AND t.at < clock_timestamp() - :kept)
            """
        ),
        {**where, "kept": _KEPT},
    )


def before(connection: Connection, broker: BrokerName, account: str, at: datetime) -> Held | None:
    """What an account held before a time by the database's clock; None when nobody looked."""
    row = connection.execute(
        text(_LAST.format(before="AND at < :at")), {"broker": broker, "account": account, "at": at}
    ).one_or_none()
    return None if row is None else Held(amounts_of(row.balances), row.as_of)


def load(connection: Connection, broker: BrokerName) -> Balances | None:
    """What was heard last of a login's own account at a broker; None when nothing was."""
    row = connection.execute(
        text(
            """
            SELECT balances, heard_at FROM account_balances a WHERE broker = :broker
            ORDER BY EXISTS (SELECT FROM broker_accounts b WHERE b.broker = a.broker
                AND b.account = a.account AND b.alias IS NOT NULL) DESC, heard_at DESC LIMIT 1
            """
        ),
        {"broker": broker},
    ).one_or_none()
    if row is None:
        return None
    return Balances(amounts_of(row.balances), row.heard_at)
