"""What came and went without an order, in the books: once, with its evidence, and taken back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from threading import Barrier, Thread
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from execution.domain.accounts import Accounts
from execution.domain.booking import Booking, Leg, NotBooked
from execution.domain.instruments import Instrument
from execution.domain.mapping import ExchangeMapper
from execution.domain.vocabulary import BrokerName
from execution.store import accounts, bookings, reconciling
from execution.store.bookings import Booked
from execution.store.engine import Store

from .stored import START, apply, submitted, trade

IBKR = BrokerName.IBKR
CALL = "SPY291221C00600000"


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """A database whose session has announced two accounts."""
    store = Store(database_url)
    with store.transaction() as connection:
        connection.execute(text("INSERT INTO environment_stamp (environment) VALUES ('practice')"))
        for broker in (IBKR, BrokerName.BINANCE):
            accounts.announce(connection, broker, Accounts("DU1", ("DU1", "DU2")), "main")
    yield store
    store.close()


def rows(store: Store, query: str, **parameters: Any) -> list[Any]:
    """Rows of a query."""
    with store.statement() as connection:
        return list(connection.execute(text(query), parameters))


def find(symbol: str) -> Instrument:
    """What a symbol names today."""
    return ExchangeMapper().map(symbol, on=datetime.now(UTC).date())


def asked(went: str = "", came: str = "", **changes: Any) -> Booking:
    """A booking in the login's own account."""
    legs = [tuple(Leg.of(one) for one in said.split(",") if one) for said in (went, came)]
    booking = Booking(IBKR, "main", legs[0], legs[1], "statement of May 5", "me")
    return replace(booking, **changes)


def book(store: Store, booking: Booking) -> Booked:
    """Book it."""
    with store.transaction() as connection:
        return bookings.book(connection, booking, "practice", "main", find)


def take_back(store: Store, booked: Booked) -> Booked:
    """Take it back."""
    with store.transaction() as connection:
        return bookings.take_back(connection, booked.booking_id, "a slip", "you", "practice")


def held(store: Store, table: str = "positions") -> dict[tuple[str, str], tuple[Decimal, ...]]:
    """Quantity, average price and profit by account and symbol, of what was ever held."""
    found = rows(store, f"SELECT * FROM {table}")
    return {
        (row.account, row.symbol): (row.quantity, row.average_price, row.realised_pnl)
        for row in found
    }


def d(*texts: str) -> tuple[Decimal, ...]:
    """Decimals."""
    return tuple(map(Decimal, texts))


def bought(store: Store, symbol: str, quantity: str, price: str, second: int = 0) -> None:
    """An order that filled."""
    order = submitted(store, IBKR, symbol=symbol, quantity=quantity)
    apply(store, order, trade(order, "x", quantity, price, second=second))


def add_up(store: Store) -> None:
    """Each position is the sum of its fills."""
    found = rows(
        store,
        """
        SELECT p.symbol FROM positions p WHERE p.quantity <> (SELECT coalesce(sum(
            CASE f.side WHEN 'BUY' THEN f.quantity ELSE -f.quantity END), 0) FROM fills f
            WHERE (f.account, f.broker, f.symbol) = (p.account, p.broker, p.symbol))
        """,
    )
    assert found == []


def test_exercised_and_taken_back(store: Store) -> None:
    """A call becomes shares at its strike; busted, everything is as it was, to the digit."""
    bought(store, CALL, "2", "12.5")
    bought(store, "SPY", "10", "590")
    before = held(store)
    booked = book(store, asked(f"{CALL} 2 @ 0", "spy 200 @ 600"))
    assert booked.fresh
    after = held(store)
    assert after["DU1", CALL] == d("0", "0", "-2500")
    assert after["DU1", "SPY"][0] == 210
    assert abs(after["DU1", "SPY"][1] * 210 - 125900) < Decimal("1e-20")
    add_up(store)
    said = rows(
        store,
        """SELECT type, order_id, payload FROM events WHERE payload ->> 'execution_id' LIKE
        'booking-%' ORDER BY event_no""",
    )
    assert [(row.type, row.order_id, row.payload["side"]) for row in said] == [
        ("BOOKING", None, "SELL"),
        ("BOOKING", None, "BUY"),
    ]
    (kept,) = rows(store, "SELECT * FROM bookings")
    assert (kept.went, kept.came) == ([f"{CALL} 2 @ 0"], ["SPY 200 @ 600"])
    assert (kept.account, kept.evidence, kept.booked_by) == ("DU1", "statement of May 5", "me")
    assert take_back(store, booked).fresh
    assert held(store) == before
    add_up(store)
    (kept,) = rows(store, "SELECT * FROM bookings")
    assert (kept.reversed_by, kept.reversal_evidence) == ("you", "a slip")
    assert not take_back(store, booked).fresh
    types = rows(store, "SELECT type FROM events WHERE type IN ('BOOKING', 'BUST')")
    assert sorted(row.type for row in types) == ["BOOKING", "BOOKING", "BUST", "BUST"]
    assert rows(store, "SELECT FROM alerts") == []


def test_once_however_often_it_is_asked_for(store: Store) -> None:
    """By whatever name of the account, by several at once; taken back, not again by itself."""
    bought(store, "SPY", "10", "100")
    booking = asked("SPY 10", "SPY 100")
    ready, found = Barrier(4), list[Booked]()

    def try_it(account: str) -> None:
        ready.wait()
        found.append(book(store, replace(booking, account=account)))

    threads = [Thread(target=try_it, args=(name,)) for name in ("main", "DU1", "main", "DU1")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(one.fresh for one in found) == [False, False, False, True]
    assert held(store) == {("DU1", "SPY"): d("100", "10", "0")}
    take_back(store, found[0])
    with pytest.raises(NotBooked, match="taken back: book it with another id"):
        book(store, booking)
    assert book(store, replace(booking, name="again")).fresh
    assert held(store) == {("DU1", "SPY"): d("100", "10", "0")}


def test_dated_back_it_is_folded_where_it_belongs(store: Store) -> None:
    """A split of yesterday: what was traded since is of the new shares."""
    bought(store, "SPY", "10", "100", second=1)
    order = submitted(store, IBKR, symbol="SPY", side="SELL", quantity="50")
    apply(store, order, trade(order, "y", "50", "12", second=9))
    booked = book(store, asked("SPY 10", "SPY 100", at=START + timedelta(seconds=5)))
    assert [entry.price for entry in booked.entries] == [100, 10]
    assert held(store) == {("DU1", "SPY"): d("50", "10", "100")}
    take_back(store, booked)
    add_up(store)


def test_accounts(store: Store) -> None:
    """One that the login owns or has owned; on paper any label; no other."""
    assert book(store, asked(came="SPY 5 @ 90", account="DU2")).booking.account == "DU2"
    assert held(store) == {("DU2", "SPY"): d("5", "90", "0")}
    with pytest.raises(NotBooked, match="DU9 is none"):
        book(store, asked(came="SPY 5 @ 90", account="DU9"))
    with pytest.raises(NotBooked, match="MT4: no session has said"):
        book(store, asked(came="EURUSD 5 @ 1", broker=BrokerName.MT4))
    paper = asked(came="SPY 5 @ 90", broker=BrokerName.PAPER, account="desk-a")
    book(store, paper)
    assert held(store, "paper_positions") == {("desk-a", "SPY"): d("5", "90", "0")}


def test_nothing_of_what_is_refused_stays(store: Store) -> None:
    """No booking, no report, no fill, no message."""
    for booking, why in (
        (asked("SPY 1 @ 1"), "0 are held"),
        (asked(came="NOSUCHTHING9 1 @ 1"), "NOSUCHTHING9"),
        (asked(came="SPY 1 @ 1", at=datetime.now(UTC) + timedelta(days=1)), "in the future"),
    ):
        with pytest.raises(NotBooked, match=why):
            book(store, booking)
    with pytest.raises(NotBooked, match="there is no booking"), store.transaction() as connection:
        bookings.take_back(connection, uuid4(), "e", "me", "practice")
    for table in ("bookings", "execution_reports", "fills", "events", "positions"):
        assert rows(store, f"SELECT FROM {table}") == []


def test_a_position_that_no_rule_reads(store: Store) -> None:
    """What is held under a name of the venue's own can go by it."""
    with store.transaction() as connection:
        connection.execute(
            text(
                """
                INSERT INTO positions (account, broker, symbol, multiplier, currency, quantity,
                    average_price, realised_pnl, commission)
                VALUES ('DU1', 'IBKR', 'OLD NAME', 1, 'USD', 0, 0, 0, 0)
                """
            )
        )
    come = asked(came="SPY 1 @ 1")
    book(store, replace(come, came=(replace(come.came[0], symbol="OLD NAME"),)))
    assert held(store)[("DU1", "OLD NAME")] == d("1", "1", "0")


def test_a_transfer_at_a_spot_venue_moves_no_money(store: Store) -> None:
    """Coins that were paid in or out are no purchase: nothing was paid for them."""
    spot = {"broker": BrokerName.BINANCE, "account": "main"}
    book(store, asked(came="BTC-USDT 2 @ 60000", **spot))
    book(store, asked("BTC-USDT 0.5 @ 61000", **spot))
    with store.transaction() as connection:
        brought = reconciling.holdings(connection, BrokerName.BINANCE, "DU1")
    assert {name: amount for name, amount in brought.items() if amount} == {"BTC": Decimal("1.5")}
