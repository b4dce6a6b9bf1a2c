"""What a position has cost: by currency, and at its worth where it was paid in kind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from execution.domain.reports import Execution, ReportKind
from execution.domain.vocabulary import BrokerName
from execution.store.engine import Store
from execution.store.migrate import downgrade, upgrade

from .stored import apply, submitted, trade


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """A database of its own."""
    store = Store(database_url)
    yield store
    store.close()


def rows(store: Store, query: str, **parameters: Any) -> list[Any]:
    """Rows of a query."""
    with store.statement() as connection:
        return list(connection.execute(text(query), parameters))


def bitcoin(store: Store, account: str, side: str, quantity: str, second: int, **cost: Any) -> Any:
    """An order in BTC-USDT and its one execution at 60000."""
    order = submitted(store, account=account, side=side, quantity=quantity)
    told = trade(order, "x", quantity, "60000", second=second)
    if cost:
        told = replace(
            told, commission=Decimal(cost["amount"]), commission_currency=cost["currency"]
        )
    return order, told


def held(store: Store, account: str) -> Any:
    """The position of an account."""
    (row,) = rows(store, "SELECT * FROM positions WHERE account = :account", account=account)
    return row


HISTORY = [
    ("BUY", "1", {"amount": "0.0001", "currency": "BNB"}),
    ("SELL", "1", {"amount": "60", "currency": "USDT"}),
    ("BUY", "1", {"amount": "0.001", "currency": "BTC"}),
    ("SELL", "0.999", {"amount": "0", "currency": "USDT"}),
]


def test_in_whatever_order_they_come(store: Store) -> None:
    """Currencies are not added; a fee in bitcoin costs what it was worth; profit is the cash."""
    for number, sequence in enumerate(permutations(range(len(HISTORY)))):
        account = f"account-{number}"
        told: list[tuple[Any, Execution]] = [
            bitcoin(store, account, side, quantity, second, **cost)
            for second, (side, quantity, cost) in enumerate(HISTORY)
        ]
        for at in sequence:
            order, execution = told[at]
            apply(store, order, execution)
        row = held(store, account)
        assert (row.quantity, row.average_price, row.realised_pnl) == (0, 0, 0)
        assert row.commission == Decimal(120)
        assert row.costs == {"BNB": "0.0001", "USDT": "60", "BTC": "0.001"}
        # 60000 - 60000 - 60, then -60000 + 59940; the BNB is beside it.
        assert row.net_pnl == Decimal(-120)
        (last,) = rows(
            store,
            """SELECT position_costs, position_commission FROM fills WHERE account = :account
            ORDER BY executed_at DESC LIMIT 1""",
            account=account,
        )
        assert (last.position_costs, last.position_commission) == (row.costs, row.commission)


def test_a_revised_commission_in_another_currency(store: Store) -> None:
    """What was told first is taken back, in its own currency."""
    order, told = bitcoin(store, "a", "BUY", "1", 1, amount="60", currency="USDT")
    apply(store, order, told)
    assert held(store, "a").costs == {"USDT": "60"}
    revised = replace(
        told,
        kind=ReportKind.COMMISSION,
        commission=Decimal("0.07"),
        commission_currency="BNB",
    )
    apply(store, order, revised)
    row = held(store, "a")
    assert (row.commission, row.costs) == (0, {"BNB": "0.07"})
    apply(store, order, replace(told, kind=ReportKind.BUST, corrects=told.execution_id))
    row = held(store, "a")
    assert (row.quantity, row.commission, row.costs) == (0, 0, {})


def test_on_paper_nothing_is_paid(store: Store) -> None:
    """And the same columns are there."""
    order = submitted(store, BrokerName.PAPER, symbol="SPY", quantity="1")
    apply(store, order, trade(order, "x", "1", "100"))
    (row,) = rows(store, "SELECT * FROM paper_positions")
    assert (row.commission, row.costs, row.net_pnl) == (0, {}, 0)


def test_a_worker_of_the_release_before_beside_this_one(store: Store) -> None:
    """It moves a position without its costs; the next fill folds that part anew."""
    for second, (side, quantity, cost) in enumerate(HISTORY[:3]):
        apply(store, *bitcoin(store, "a", side, quantity, second, **cost))
    with store.transaction() as connection:
        # As it would have written the second and third fill.
        connection.execute(
            text(
                """
                UPDATE fills SET position_costs = NULL, position_commission = 60.0001,
                    position_realised_pnl = 0 WHERE executed_at > '2026-01-05 12:00:00.5+00'
                """
            )
        )
        connection.execute(
            text("""UPDATE positions SET commission = 60.0001, costs = '{"BNB": "0.0001"}'""")
        )
    side, quantity, cost = HISTORY[3]
    apply(store, *bitcoin(store, "a", side, quantity, 3, **cost))
    row = held(store, "a")
    assert (row.quantity, row.commission) == (0, Decimal(120))
    assert row.costs == {"BNB": "0.0001", "USDT": "60", "BTC": "0.001"}
    assert rows(store, "SELECT FROM fills WHERE position_costs IS NULL") == []


def test_rows_of_the_release_before(store: Store, database_url: str) -> None:
    """The migration folds what the fills say: the same as if they had been folded so at once."""
    for second, (side, quantity, cost) in enumerate(HISTORY):
        apply(store, *bitcoin(store, "mixed", side, quantity, second, **cost))
    apply(store, *bitcoin(store, "own", "BUY", "2", 1, amount="1.50", currency="USDT"))
    apply(store, *bitcoin(store, "own", "SELL", "1", 2, amount="0.75", currency="USDT"))
    apply(store, *bitcoin(store, "none", "BUY", "2", 1))
    short = submitted(store, account="short", side="SELL", quantity="2")
    sold = trade(short, "x", "2", "50000", second=1)
    apply(store, short, replace(sold, commission=Decimal("0.001"), commission_currency="BTC"))
    now = {
        table: [tuple(row) for row in rows(store, f"SELECT * FROM {table} ORDER BY 1, 2, 3")]
        for table in ("positions", "fills")
    }
    store.close()
    downgrade(database_url, "0024")
    engine = create_engine(database_url, poolclass=NullPool)
    with engine.begin() as connection:
        # Commissions of all currencies added up, and those in bitcoin in nothing.
        connection.execute(
            text(
                """
                WITH old AS (SELECT fill_id, sum(CASE WHEN commission_currency = base_asset THEN 0
                    ELSE coalesce(commission, 0) END) OVER (PARTITION BY account
                    ORDER BY executed_at, fill_id) AS paid FROM fills)
                UPDATE fills f SET position_commission = old.paid, position_realised_pnl = 0
                FROM old WHERE old.fill_id = f.fill_id AND f.account IN ('mixed', 'short')
                """
            )
        )
        connection.execute(
            text(
                """
                UPDATE positions SET commission = 60.0001, realised_pnl = 0
                WHERE account IN ('mixed', 'short')
                """
            )
        )
    upgrade(database_url)
    again = Store(database_url)
    try:
        for table, before in now.items():
            found = rows(again, f"SELECT * FROM {table} ORDER BY 1, 2, 3")
            assert [tuple(row) for row in found] == before
    finally:
        again.close()
