"""Matching at the IB gateway: prices, portfolios, commissions, and the order of what is told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.ib_gateway import charges, listings, times
from simulators.ib_gateway.catalogue import Catalogue
from simulators.ib_gateway.contracts import Contract
from simulators.ib_gateway.hours import day_ends, is_open, next_open, trading_hours
from simulators.ib_gateway.news import News, Topic, executions_first
from simulators.ib_gateway.options import GatewayOptions
from simulators.ib_gateway.outbox import Outbox
from simulators.ib_gateway.portfolio import Portfolio
from simulators.ib_gateway.records import Trade
from simulators.ib_gateway.reports import next_correction
from simulators.ib_gateway.wire import frame

TODAY = date(2026, 11, 23)
CATALOGUE = Catalogue(TODAY)
SPY = CATALOGUE.by_ticker("SPY")
FUTURE = CATALOGUE.by_ticker("ESZ6")
CALL = CATALOGUE.by_ticker("SPY261218C00600000")


def trade(number: int, side: str, quantity: str, price: str, **changes: Any) -> Trade:
    """An execution of SPY without costs."""
    standard = Trade(
        execution_id=f"a.{number:02d}.01",
        sequence=number,
        symbol="SPY",
        side=side,
        quantity=Decimal(quantity),
        price=Decimal(price),
        executed_at=datetime(2026, 11, 23, 15, tzinfo=UTC),
        account="DU1234567",
        con_id=SPY.con_id,
    )
    return replace(standard, **changes)


@pytest.fixture
def portfolio() -> Portfolio:
    """An empty portfolio with a thousand dollars."""
    return Portfolio(GatewayOptions(cash=Decimal(1000)))


def held(portfolio: Portfolio) -> tuple[object, ...]:
    """Quantity, cost and realized profit of what is held of SPY."""
    holding = portfolio.holding("DU1234567", SPY.con_id)
    assert holding is not None
    return holding.quantity, holding.cost, holding.realized


def test_cost_has_commissions(portfolio: Portfolio) -> None:
    """Bought twice, the cost is the average with what it cost; selling a part leaves it."""
    portfolio.book(trade(1, "BUY", "10", "100", charges=Decimal(1)))
    portfolio.book(trade(2, "BUY", "10", "102", commission=Decimal(1)))
    assert held(portfolio) == (20, Decimal("101.1"), 0)
    assert portfolio.book(trade(3, "SELL", "5", "103.1", charges=Decimal(1))) == 9
    assert held(portfolio) == (15, Decimal("101.1"), 9)


def test_through_zero(portfolio: Portfolio) -> None:
    """Sold through zero, the short position begins at its own price."""
    portfolio.book(trade(1, "BUY", "10", "100"))
    assert portfolio.book(trade(2, "SELL", "15", "110")) == 100
    assert held(portfolio) == (-5, 110, 100)
    assert portfolio.book(trade(3, "BUY", "5", "108")) == 10
    assert held(portfolio)[0] == 0
    assert portfolio.holdings("DU1234567") == []


def test_cash(portfolio: Portfolio) -> None:
    """Shares are paid for; of futures only profit and costs move."""
    portfolio.book(trade(1, "BUY", "2", "100", charges=Decimal(1)))
    assert portfolio.cash("DU1234567") == {"USD": Decimal(799)}
    future = {"con_id": 5, "sec_type": "FUT", "multiplier": Decimal(50)}
    portfolio.book(trade(2, "BUY", "1", "6000", charges=Decimal(2), **future))
    assert portfolio.cash("DU1234567") == {"USD": Decimal(797)}
    portfolio.book(trade(3, "SELL", "1", "6001", charges=Decimal(2), **future))
    assert portfolio.cash("DU1234567")["USD"] == 797 + (6001 * 50 - 6000 * 50 - 2) - 2
    portfolio.set_cash({"USD": Decimal(5), "EUR": Decimal(7)})
    assert portfolio.cash("DU1234567") == {"USD": Decimal(5), "EUR": Decimal(7)}


def test_corrections_and_busts(portfolio: Portfolio) -> None:
    """A correction takes the place of what it corrects; a bust takes it away."""
    portfolio.book(trade(1, "BUY", "10", "100"))
    portfolio.book(trade(2, "BUY", "10", "102"))
    portfolio.book(trade(3, "BUY", "6", "103", kind="CORRECTION", corrects="a.02.01"))
    assert held(portfolio)[0] == 16
    portfolio.book(trade(4, "BUY", "10", "100", kind="BUST", corrects="a.01.01"))
    assert held(portfolio)[:2] == (6, 103)
    portfolio.book(trade(5, "BUY", "6", "103", kind="BUST", corrects="a.03.01"))
    assert portfolio.holdings("DU1234567") == []
    assert held(portfolio)[0] == 0


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["BUY", "SELL"]), st.integers(1, 50), st.integers(1, 100)),
        max_size=30,
    )
)
def test_money_is_conserved(moves: list[tuple[str, int, int]]) -> None:
    """Cash and positions at cost less realized profit are what there was, whatever is traded."""
    portfolio = Portfolio(GatewayOptions(cash=Decimal(1000)))
    for number, (side, quantity, price) in enumerate(moves, 1):
        portfolio.book(trade(number, side, str(quantity), str(price)))
    worth = portfolio.cash("DU1234567")["USD"]
    for holding in portfolio.ever_held("DU1234567"):
        worth += holding.quantity * holding.cost - holding.realized
    assert abs(worth - 1000) < Decimal("1e-15")


@pytest.mark.parametrize(
    ("contract", "quantity", "price", "amount"),
    [
        (SPY, 100, 600, "1.0000"),
        (SPY, 1000, 600, "5.0000"),
        (SPY, 1, 10, "0.1000"),
        (CALL, 1, 5, "1.0000"),
        (CALL, 10, 5, "6.5000"),
        (FUTURE, 2, 6000, "4.5000"),
        (listings.pair("EUR", "USD"), 1_000_000, 1, "20.0000"),
        (listings.pair("EUR", "USD"), 1000, 1, "2.0000"),
    ],
)
def test_commissions(contract: Contract, quantity: int, price: int, amount: str) -> None:
    """Commissions are IB's fixed ones, with their least and their most."""
    value = quantity * price * contract.factor
    assert str(charges.commission(contract, Decimal(quantity), value)) == amount


def test_increments() -> None:
    """A market rule says which increment holds from which price on."""
    rule = listings.RULES[110]
    assert [str(rule.increment(Decimal(price))) for price in ("2.99", "3", "40")] == [
        "0.01",
        "0.05",
        "0.05",
    ]


@pytest.mark.parametrize(
    ("root", "year", "month", "day"),
    [
        ("ES", 2026, 12, "2026-12-18"),
        ("6E", 2026, 12, "2026-12-14"),
        ("CL", 2027, 1, "2026-12-22"),
        ("GC", 2026, 12, "2026-12-29"),
    ],
)
def test_last_days(root: str, year: int, month: int, day: str) -> None:
    """Futures end on the days of their products."""
    assert str(listings.last_day(root, year, month)) == day


@pytest.mark.parametrize("today", [date(2026, 11, 23), date(2026, 12, 18), date(2026, 12, 19)])
def test_futures_ahead(today: date) -> None:
    """What is listed has not ended, and the nearest is the next to end."""
    catalogue = Catalogue(today)
    first = "ESZ6" if today <= date(2026, 12, 18) else "ESH7"
    futures = [c for c in listings.listed(today) if c.sec_type == "FUT" and c.symbol == "ES"]
    assert (futures[0].ticker, len(futures)) == (first, 6)
    assert not any(contract.expired(today) for contract in futures)
    assert catalogue.by_ticker(first).multiplier == "50"


def test_ids_are_unique() -> None:
    """No two contracts share an id, chains included; ids are the same at every start."""
    every = [*listings.listed(TODAY), *listings.chain(SPY, TODAY)]
    assert len({contract.con_id for contract in every}) == len(every)
    assert max(contract.con_id for contract in every) < 2**31
    assert CATALOGUE.by_ticker("GBTC").con_id == Catalogue(TODAY).by_ticker("GBTC").con_id


def _news() -> Iterator[News]:
    for perm_id, topic in (
        (1, Topic.ORDER),
        (2, Topic.ORDER),
        (1, Topic.EXECUTION),
        (1, Topic.ORDER),
        (2, Topic.EXECUTION),
        (1, Topic.COMMISSION),
    ):
        yield News(topic, 1, perm_id, perm_id, (str(perm_id), topic.value))


def test_executions_first() -> None:
    """A struck order's executions overtake all else about it, which may come later still."""
    arranged = executions_first(list(_news()), {1: 0.5})
    own = [news for news in arranged if news.perm_id == 1]
    others = [news.topic for news in arranged if news.perm_id == 2]
    assert [news.topic for news in own] == [
        Topic.EXECUTION,
        Topic.ORDER,
        Topic.ORDER,
        Topic.COMMISSION,
    ]
    assert [news.delay for news in own] == [0, 0.5, 0.5, 0.5]
    assert others == [Topic.ORDER, Topic.EXECUTION]


def test_outbox() -> None:
    """What is held comes later in order, what is silenced never, what is captured when told."""
    written: list[bytes] = []
    out = Outbox(written.append)
    out.hold((1, 1))
    out.send(("a",), (1, 1))
    out.send(("b",))
    with out.capture() as said:
        out.send(("c",), (1, 1))
        out.send(("d",), (1, 2))
    assert written == [frame("b")]
    out.silence((1, 2))
    out.deliver(said)
    out.let_go((1, 1))
    assert written == [frame("b"), frame("a"), frame("c")]
    assert out.silent_about((1, 2))


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("20261123 10:30:00 US/Eastern", "2026-11-23T15:30:00+00:00"),
        ("20261123 10:30:00 EST", "2026-11-23T15:30:00+00:00"),
        ("20261123-15:30:00", "2026-11-23T15:30:00+00:00"),
        ("20261123 15:30", "2026-11-23T14:30:00+00:00"),
        ("20261123", "2026-11-22T23:00:00+00:00"),
    ],
)
def test_times(text: str, moment: str) -> None:
    """Times are read with their zone, with a dash as UTC, else in the gateway's zone."""
    assert times.read(text, "Europe/Berlin") == datetime.fromisoformat(moment)


@pytest.mark.parametrize("text", ["", "soon", "20261323 10:00:00", "20261123 10:00:00 Mars/Sea"])
def test_no_times(text: str) -> None:
    """What is no time is refused, with the text."""
    with pytest.raises(ValueError, match="is no time"):
        times.read(text, "UTC")


def test_end_of_a_day() -> None:
    """A day alone can mean its end."""
    end = times.read("20261123", "UTC", end_of_day=True)
    assert end == datetime(2026, 11, 24, tzinfo=UTC)


def test_hours() -> None:
    """Holidays are closed, half days end early, and the night before belongs to a future's day."""
    wednesday = datetime(2026, 11, 25, 15, tzinfo=UTC)
    spelled = trading_hours("US shares", wednesday, liquid=True)
    assert spelled.split(";") == [
        "20261125:0930-20261125:1600",
        "20261126:CLOSED",
        "20261127:0930-20261127:1300",
        "20261128:CLOSED",
        "20261129:CLOSED",
    ]
    assert trading_hours("Globex", wednesday, liquid=False, days=1) == "20261124:1700-20261125:1600"


@pytest.mark.parametrize(
    ("kind", "moment", "regular", "outside"),
    [
        ("US shares", "2026-11-25T14:29:59+00:00", False, True),
        ("US shares", "2026-11-25T14:30:00+00:00", True, True),
        ("US shares", "2026-11-26T15:00:00+00:00", False, False),
        ("Globex", "2026-11-24T23:30:00+00:00", False, True),
        ("Globex", "2026-11-28T15:00:00+00:00", False, False),
        ("currencies", "2026-11-23T02:00:00+00:00", True, True),
    ],
)
def test_open(kind: str, moment: str, *, regular: bool, outside: bool) -> None:
    """A contract trades in its hours, and in all of its day for those who want that."""
    now = datetime.fromisoformat(moment)
    assert is_open(kind, now, outside_regular=False) is regular
    assert is_open(kind, now, outside_regular=True) is outside


def test_when_it_opens_and_ends() -> None:
    """Over a holiday the next session is the half day's; a day order ends with its session."""
    evening = datetime(2026, 11, 25, 23, tzinfo=UTC)
    opens = next_open("US shares", evening, outside_regular=False)
    assert opens.astimezone(UTC) == datetime(2026, 11, 27, 14, 30, tzinfo=UTC)
    ends = day_ends("US shares", evening, outside_regular=False)
    assert ends.astimezone(UTC) == datetime(2026, 11, 27, 18, tzinfo=UTC)


@pytest.mark.parametrize(
    ("ticker", "symbol", "sec_type"),
    [
        ("NEWCO", "NEWCO", "STK"),
        ("BRKB261218C00450000", "BRK B", "OPT"),
        ("NEWER261218P00012500", "NEWER", "OPT"),
        ("EURUSD", "EUR", "CASH"),
        ("6EZ6", "EUR", "FUT"),
    ],
)
def test_tickers(ticker: str, symbol: str, sec_type: str) -> None:
    """A ticker finds its contract, or lists it when it can be a share or an option."""
    contract = Catalogue(TODAY).by_ticker(ticker)
    assert (contract.symbol, contract.sec_type, contract.ticker) == (symbol, sec_type, ticker)


@pytest.mark.parametrize("ticker", ["ZZZ6", "spy", "SPY 1", ""])
def test_no_tickers(ticker: str) -> None:
    """What can be neither is refused by name."""
    with pytest.raises(ValueError, match="no contract called"):
        Catalogue(TODAY).by_ticker(ticker)


class _Known:
    """A register that knows two executions."""

    def trade(self, execution_id: str) -> str | None:
        """Say whether an execution is known."""
        return execution_id if execution_id in {"a.b.c.01", "a.b.c.02"} else None


@pytest.mark.parametrize(
    ("corrected", "expected"), [("a.b.c.01", "a.b.c.03"), ("a.b.c.09", "a.b.c.10"), ("x", "x.02")]
)
def test_ids_of_corrections(corrected: str, expected: str) -> None:
    """A correction's id ends in the next number that is free."""
    known: Any = _Known()
    assert next_correction(known, corrected) == expected
