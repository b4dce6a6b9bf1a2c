"""What bore a label becomes the real account's, once, whoever writes beside it."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

from execution.domain.accounts import Accounts
from execution.domain.orders import Order
from execution.domain.vocabulary import BrokerName
from execution.store import accounts, executions, positions, reports
from execution.store.engine import Store
from execution.store.migrate import downgrade, upgrade

from .stored import apply, intended, persisted, reload, submitted, trade

IBKR = BrokerName.IBKR
LOGIN = Accounts("DU1", ("DU1", "DU2"))


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


def announce(store: Store, login: Accounts = LOGIN) -> Any:
    """A session of Interactive Brokers has connected."""
    with store.transaction() as connection:
        return accounts.announce(connection, IBKR, login, "main")


def traded(store: Store, second: int, price: str, **fields: str) -> Order:
    """An order that filled at once."""
    order = submitted(store, IBKR, **fields)
    return apply(store, order, trade(order, "x", fields["quantity"], price, second=second))


def held(store: Store, table: str = "positions") -> dict[tuple[str, str], tuple[Decimal, Decimal]]:
    """Quantity and average price by account and symbol, of what is not flat."""
    found = rows(store, f"SELECT * FROM {table} WHERE quantity <> 0")
    return {(row.account, row.symbol): (row.quantity, row.average_price) for row in found}


def test_rows_of_the_release_before(store: Store, database_url: str) -> None:
    """One position in the one real account, as if it had been so from the first fill on."""
    traded(store, 1, "50", symbol="GBTC", account="main", quantity="5")
    for second, (label, side, quantity, price) in enumerate(
        [
            ("main", "BUY", "10", "100"),
            ("desk-a", "BUY", "10", "110"),
            ("main", "SELL", "4", "120"),
            ("U1111111", "BUY", "4", "90"),
        ],
        2,
    ):
        asked = {"symbol": "SPY", "account": label, "side": side, "quantity": quantity}
        traded(store, second, price, **asked)
    waiting = persisted(store, IBKR, symbol="SPY", account="desk-a")
    paper = submitted(store, BrokerName.PAPER, symbol="SPY", account="desk-a", quantity="1")
    apply(store, paper, trade(paper, "x", "1", "100"))
    assert len(held(store)) == 4
    downgrade(database_url, "0017")
    upgrade(database_url)
    found = announce(store)
    assert set(found) == {"main", "desk-a", "U1111111"}
    assert found["main"] == {
        "order_attempts": 3,
        "execution_reports": 3,
        "fills": 3,
        "positions": 2,
    }
    # 20 at 105, 4 of them sold, 4 more bought at 90.
    assert held(store) == {
        ("DU1", "GBTC"): (Decimal(5), Decimal(50)),
        ("DU1", "SPY"): (Decimal(20), Decimal(102)),
    }
    (spy,) = rows(store, "SELECT * FROM positions WHERE account = 'DU1' AND symbol = 'SPY'")
    assert spy.realised_pnl == 60
    assert {
        row.account for row in rows(store, "SELECT account FROM fills WHERE broker = 'IBKR'")
    } == {"DU1"}
    assert held(store, "paper_positions") == {("desk-a", "SPY"): (Decimal(1), Decimal(100))}
    # What was not sent is still to be looked at; what was asked stays what it was.
    assert reload(store, waiting.order_id).attempt.account == "desk-a"
    labels = rows(store, "SELECT DISTINCT account FROM orders WHERE broker = 'IBKR' ORDER BY 1")
    assert [row.account for row in labels] == ["U1111111", "desk-a", "main"]
    (kept,) = rows(store, "SELECT converted FROM broker_accounts WHERE account = 'DU1'")
    assert kept.converted == found
    assert announce(store) == {}
    # And the next fill goes on from there.
    order = submitted(store, IBKR, symbol="SPY", side="SELL", quantity="20", account="DU1")
    apply(store, order, trade(order, "x", "20", "110", second=10))
    (spy,) = rows(store, "SELECT * FROM positions WHERE account = 'DU1' AND symbol = 'SPY'")
    assert (spy.quantity, spy.realised_pnl) == (0, 60 + 20 * 8)


def test_an_execution_in_the_books_under_two_labels(store: Store) -> None:
    """Both were counted and stay so: a person is told, and nothing is lost."""
    order = submitted(store, IBKR, symbol="SPY", quantity="3", account="desk-a")
    ours = trade(order, "a", "3", "100")
    stranger = trade(order, "a", "3", "100", venue_order_id=None)
    with store.transaction() as connection:
        reports.record_from_venue(
            connection, [stranger], broker=IBKR, environment="practice", account="main"
        )
    (row,) = rows(store, "SELECT report_id FROM execution_reports")
    with store.transaction() as connection:
        executions.apply_orphan(connection, row.report_id, lambda _: None)
        positions.apply_orphan(connection, row.report_id)
    apply(store, order, ours)
    assert len(held(store)) == 2
    announce(store)
    assert held(store) == {("DU1", "SPY"): (Decimal(6), Decimal(100))}
    (alert,) = rows(store, "SELECT message FROM alerts WHERE kind = 'COUNTED_TWICE'")
    assert "BUY 3 SPY at 100" in alert.message
    # The one that has an order is the one that is known from now on.
    order = apply(store, reload(store, order.order_id), ours)
    assert order.filled_quantity == 3
    assert held(store) == {("DU1", "SPY"): (Decimal(6), Decimal(100))}


def test_a_worker_of_the_release_before_beside_this_one(store: Store) -> None:
    """It writes labels, and they become the real account on the way into the tables."""
    before = persisted(store, IBKR, symbol="SPY", quantity="3", account="desk-a")
    announce(store)
    order = intended(store, before)
    assert reload(store, order.order_id).attempt.account == "DU1"
    with store.transaction() as connection:
        for label in ("desk-a", "main"):
            reports.record_from_venue(
                connection,
                [trade(order, label, "1", "100", venue_order_id=None)],
                broker=IBKR,
                environment="practice",
                account=label,
            )
    for row in rows(store, "SELECT report_id FROM execution_reports ORDER BY report_id"):
        with store.transaction() as connection:
            executions.apply_orphan(connection, row.report_id, lambda _: None)
            positions.apply_orphan(connection, row.report_id)
    assert held(store) == {("DU1", "SPY"): (Decimal(2), Decimal(100))}


def test_an_alias_is_the_real_account_from_the_first_attempt_on(store: Store) -> None:
    """Where it is known; another account of the login stays apart, and so does an unknown name."""
    announce(store)
    for asked, real in (("main", "DU1"), ("DU2", "DU2"), ("DU9", "DU9")):
        order = persisted(store, IBKR, symbol="SPY", account=asked)
        assert (order.account, order.attempt.account) == (asked, real)


def test_a_login_that_owns_others_now(store: Store) -> None:
    """What an account did while it was the login's stays its own."""
    announce(store)
    order = submitted(store, IBKR, symbol="SPY", quantity="3", account="DU2")
    apply(store, order, trade(order, "a", "1", "100"))
    announce(store, Accounts("DU1", ("DU1", "DU3")))
    assert accounts_of(store) == Accounts("DU1", ("DU1", "DU3"))
    apply(store, reload(store, order.order_id), trade(order, "b", "2", "100", second=1))
    assert held(store) == {("DU2", "SPY"): (Decimal(3), Decimal(100))}


def accounts_of(store: Store) -> Accounts | None:
    """What the database says."""
    with store.transaction() as connection:
        return accounts.known(connection, IBKR)
