"""`account_balances`: what each account holds, as its broker's own worker last heard it."""

from __future__ import annotations

import json
from decimal import Decimal

from sqlalchemy import Connection, text

from execution.domain.arbitrage.permission import Balances
from execution.domain.decimals import plain
from execution.domain.reports import Account
from execution.domain.vocabulary import BrokerName


def record(connection: Connection, broker: BrokerName, account: Account) -> None:
    """Keep what the venue says of an account, in the place of what it said before."""
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
    amounts = {name: Decimal(amount) for name, amount in row.balances.items()}
    return Balances(amounts, row.heard_at)
