"""An execution is known by the venue's own names, and by nothing that we may spell otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import count
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from execution.domain.reports import Execution, ReportKind
from execution.domain.vocabulary import BrokerName, OrderState, Side
from execution.store import executions, positions, reports
from execution.store.engine import Store
from execution.store.migrate import downgrade, upgrade

from .stored import START, apply, reload, submitted, trade

_numbers = count(1)


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


def stranger(symbol: str, execution_id: str, **changes: Any) -> Execution:
    """An execution of no order of ours."""
    values: dict[str, Any] = {
        "execution_id": execution_id,
        "symbol": symbol,
        "side": Side.BUY,
        "quantity": Decimal(3),
        "price": Decimal(10),
        "executed_at": START + timedelta(seconds=next(_numbers)),
    }
    return Execution(**(values | changes))


def hear(store: Store, broker: BrokerName, told: Sequence[Execution]) -> int:
    """Record executions as a session lists them, and apply those of no order; how many are new."""
    with store.transaction() as connection:
        new = reports.record_from_venue(
            connection, told, broker=broker, environment="practice", account="main"
        )
    for row in rows(
        store, "SELECT report_id FROM execution_reports WHERE order_id IS NULL ORDER BY report_id"
    ):
        with store.transaction() as connection:
            executions.apply_orphan(connection, row.report_id, lambda _: None)
            positions.apply_orphan(connection, row.report_id)
    return len(new)


def held(store: Store) -> dict[str, Decimal]:
    """What is held by symbol, nothing left out that is not zero."""
    found = rows(store, "SELECT symbol, quantity FROM positions WHERE quantity <> 0")
    return {row.symbol: row.quantity for row in found}


def test_one_execution_in_two_spellings_is_one(store: Store) -> None:
    """A venue without keys of its own: a renamed contract's execution is counted once."""
    first = stranger("ESZ6", "0001.01")
    assert hear(store, BrokerName.IBKR, [first]) == 1
    assert hear(store, BrokerName.IBKR, [replace(first, symbol="ES   DEC 26")]) == 0
    assert held(store) == {"ESZ6": 3}


def test_one_id_in_two_instruments_is_two(store: Store) -> None:
    """Binance numbers the trades of each of its symbols."""
    told = [
        stranger(symbol, "17", instrument_key=key)
        for symbol, key in (("BTC-USDT", "BTCUSDT"), ("ETH-USDT", "ETHUSDT"))
    ]
    assert hear(store, BrokerName.BINANCE, told) == 2
    assert hear(store, BrokerName.BINANCE, told) == 0
    assert held(store) == {"BTC-USDT": 3, "ETH-USDT": 3}


def test_an_execution_of_ours_is_of_its_orders_instrument(store: Store) -> None:
    """Whatever the venue spells, before a restart and after it."""
    order = submitted(store, BrokerName.IBKR, symbol="ESZ8", quantity="3")
    first = trade(order, "a", "1", "6000")
    order = apply(store, order, first)
    local = replace(first, symbol="ES   DEC 28")
    second = replace(trade(order, "b", "2", "6001", second=1), symbol="ES   DEC 28")
    assert hear(store, BrokerName.IBKR, [local, second]) == 1
    order = apply(store, order)
    assert (order.state, order.filled_quantity) == (OrderState.FILLED, Decimal(3))
    assert held(store) == {"ESZ8": 3}
    assert {row.symbol for row in rows(store, "SELECT symbol FROM fills")} == {"ESZ8"}


def test_a_stranger_turns_out_to_be_ours(store: Store) -> None:
    """It leaves the position that it was booked to for that of its order, and consumers hear it."""
    order = submitted(store, BrokerName.IBKR, symbol="ESZ8", quantity="3")
    ours = trade(order, "a", "3", "6000")
    unknown = replace(ours, symbol="ES   DEC 28", venue_order_id=None)
    other = stranger("ES   DEC 28", "another", quantity=Decimal(1))
    hear(store, BrokerName.IBKR, [unknown, other])
    assert held(store) == {"ES   DEC 28": 4}
    hear(store, BrokerName.IBKR, [ours])
    order = apply(store, order)
    assert (order.state, order.filled_quantity) == (OrderState.FILLED, Decimal(3))
    assert held(store) == {"ES   DEC 28": 1, "ESZ8": 3}
    (fill,) = rows(store, "SELECT * FROM fills WHERE order_id = :id", id=order.order_id)
    assert (fill.currency, fill.multiplier, fill.position_quantity) == ("USD", 50, 3)
    (said,) = rows(store, "SELECT * FROM events WHERE stream = 'fills' AND order_id IS NOT NULL")
    assert (said.type, said.payload["symbol"]) == ("CORRECTION", "ESZ8")


def commission(execution: Execution, amount: str, currency: str = "USD") -> Execution:
    """What an execution cost, told by itself."""
    return replace(
        execution,
        kind=ReportKind.COMMISSION,
        commission=Decimal(amount),
        commission_currency=currency,
    )


def costs(store: Store) -> tuple[Decimal, Decimal, list[str]]:
    """What the one fill cost, what its position paid, and what consumers were told of it."""
    (fill,) = rows(store, "SELECT commission FROM fills")
    (position,) = rows(store, "SELECT commission FROM positions")
    told = rows(store, "SELECT payload FROM events WHERE type = 'COMMISSION' ORDER BY event_no")
    return fill.commission, position.commission, [row.payload["commission"] for row in told]


def test_a_revised_commission_is_no_duplicate(store: Store) -> None:
    """The last one counts, the first one again too; the same one twice is told once."""
    order = submitted(store, BrokerName.IBKR, symbol="GBTC", quantity="3")
    sold = trade(order, "a", "3", "100")
    order = apply(store, order, sold)
    for amount in ("1", "1.00", "0.8", "0.8", "1", "-0.25"):
        order = apply(store, order, commission(sold, amount))
    assert costs(store) == (Decimal("-0.25"), Decimal("-0.25"), ["1", "0.8", "1", "-0.25"])


def test_a_trade_told_again_at_another_cost(store: Store) -> None:
    """A venue that tells no cost by itself may tell its trade anew; nothing else of it counts."""
    order = submitted(store, BrokerName.IBKR, symbol="GBTC", quantity="3")
    sold = replace(trade(order, "a", "3", "100"), commission=Decimal(1), commission_currency="USD")
    order = apply(store, order, sold)
    for amount in ("0.8", "0.8", "0.7"):
        order = apply(store, order, replace(sold, commission=Decimal(amount)))
    order = apply(store, order, replace(sold, commission=None, commission_currency=None))
    assert order.filled_quantity == 3
    assert costs(store) == (Decimal("0.7"), Decimal("0.7"), ["0.8", "0.7"])


def test_all_that_a_venue_has_of_an_execution_told_again(store: Store) -> None:
    """A trade at its first cost, and then what it costs now: the last word counts, and rests."""
    order = submitted(store, BrokerName.IBKR, symbol="GBTC", quantity="3")
    first = trade(order, "a", "3", "100")
    sold = replace(first, commission=Decimal(1), commission_currency="USD")
    for _ in range(3):
        order = apply(store, order, sold, commission(sold, "0.9"), commission(sold, "0.8"))
    assert costs(store) == (Decimal("0.8"), Decimal("0.8"), [])
    assert len(rows(store, "SELECT FROM execution_reports")) == 2


def test_a_correction_again_under_its_own_id(store: Store) -> None:
    """With other values it is another one."""
    order = submitted(store, BrokerName.IBKR, symbol="GBTC", quantity="3")
    sold = trade(order, "a", "3", "100")
    order = apply(store, order, sold)
    for second, quantity in enumerate(("2", "2", "1"), 1):
        corrected = replace(
            sold,
            kind=ReportKind.CORRECTION,
            quantity=Decimal(quantity),
            corrects=sold.execution_id,
            executed_at=START + timedelta(seconds=second),
        )
        order = apply(store, order, corrected)
    assert reload(store, order.order_id).filled_quantity == 1
    assert held(store) == {"GBTC": 1}


def test_what_is_told_by_hand_is_known_when_the_venue_tells_it(store: Store) -> None:
    """Its key is derived from the symbol where no trade of the venue's gives it."""
    order = submitted(store, BrokerName.BINANCE)
    by_hand = trade(order, "a", "3", "100", instrument_key="BTCUSDT")
    order = apply(store, order, by_hand)
    assert hear(store, BrokerName.BINANCE, [replace(by_hand, commission=Decimal("0.1"))]) == 1
    order = apply(store, order)
    assert (order.filled_quantity, held(store)) == (Decimal(3), {"BTC-USDT": Decimal(3)})
    assert costs(store)[0] == Decimal("0.1")


BEFORE = "0017"


def test_rows_of_the_release_before(database_url: str) -> None:
    """Keys are derived, nothing is lost, and what was counted in two spellings is named."""
    downgrade(database_url, BEFORE)
    engine = create_engine(database_url, poolclass=NullPool)
    told = [
        ("BINANCE", "BTC-USDT", "17", "TRADE"),
        ("BINANCE", "ETH-USDT", "17", "TRADE"),
        ("IBKR", "ES   DEC 26", "0001.01", "TRADE"),
        ("IBKR", "ESZ6", "0001.01", "TRADE"),
        ("IBKR", "ESZ6", "0001.01", "COMMISSION"),
        ("IBKR", "SPY", "0002.01", "TRADE"),
    ]
    with engine.begin() as connection:
        for broker, symbol, execution_id, kind in told:
            report_id = connection.execute(
                text(
                    """
                    INSERT INTO execution_reports (broker, environment, account, symbol, side,
                        execution_id, kind, execution_mode, quantity, price, executed_at,
                        applied_at)
                    VALUES (:broker, 'practice', 'main', :symbol, 'BUY', :execution_id, :kind,
                        'LIVE', 3, 10, now(), now()) RETURNING report_id
                    """
                ),
                {"broker": broker, "symbol": symbol, "execution_id": execution_id, "kind": kind},
            ).scalar_one()
            if kind == "TRADE":
                connection.execute(
                    text(
                        """
                        INSERT INTO fills (report_id, broker, environment, account, symbol, side,
                            execution_id, quantity, price, multiplier, execution_mode, executed_at,
                            positioned_at)
                        SELECT report_id, broker, environment, account, symbol, side, execution_id,
                            quantity, price, 1, execution_mode, executed_at, now()
                        FROM execution_reports WHERE report_id = :report_id
                        """
                    ),
                    {"report_id": report_id},
                )
    upgrade(database_url)
    with engine.connect() as connection:
        for table, kind in (("execution_reports", "AND kind = 'TRADE'"), ("fills", "")):
            found = connection.execute(
                text(f"SELECT symbol, instrument_key FROM {table} WHERE true {kind} ORDER BY 1")
            )
            assert [tuple(row) for row in found] == [
                ("BTC-USDT", "BTCUSDT"),
                ("ES   DEC 26", ""),
                ("ESZ6", "=ESZ6"),
                ("ETH-USDT", "ETHUSDT"),
                ("SPY", ""),
            ]
        alerts = connection.execute(text("SELECT kind, message FROM alerts")).all()
    assert [alert.kind for alert in alerts] == ["COUNTED_TWICE"]
    assert "0001.01 (BUY 3 at 10) was counted as ESZ6" in alerts[0].message
    downgrade(database_url, BEFORE)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM fills")).scalar_one() == 5
        assert connection.execute(text("SELECT count(*) FROM alerts")).scalar_one() == 0


def open_alerts(store: Store, kind: str) -> list[str]:
    """The messages of open alerts of a kind."""
    query = "SELECT message FROM alerts WHERE kind = :kind AND resolved_at IS NULL ORDER BY key"
    return [row.message for row in rows(store, query, kind=kind)]


def test_ids_that_begin_anew(store: Store) -> None:
    """Binance's test network after a reset: trade 7 is another one, and comes again and again."""
    old = stranger("BTC-USDT", "7", instrument_key="BTCUSDT", broker_order_id="3")
    later = replace(old, executed_at=old.executed_at + timedelta(days=30))
    last = replace(later, executed_at=later.executed_at + timedelta(days=28), quantity=Decimal(1))
    for told, new in ((old, 1), (old, 0), (later, 1), (later, 0), (old, 0), (last, 1), (last, 0)):
        assert hear(store, BrokerName.BINANCE, [told]) == new
    assert held(store) == {"BTC-USDT": 7}
    ids = [row.execution_id for row in rows(store, "SELECT execution_id FROM fills ORDER BY 1")]
    assert ids == ["7", "7~2", "7~3"]
    said = open_alerts(store, "VENUE_RESET")
    assert len(said) == 2
    assert all("begun anew" in message for message in said)


def test_an_order_fills_with_an_id_that_was_used(store: Store) -> None:
    """Of its own answer, too, and what it cost is told of the right one."""
    old = stranger("BTC-USDT", "1", instrument_key="BTCUSDT", broker_order_id="1")
    assert hear(store, BrokerName.BINANCE, [old]) == 1
    order = submitted(store, quantity="3")
    fill = replace(
        trade(order, "x", "3", "100"),
        execution_id="1",
        instrument_key="BTCUSDT",
        broker_order_id="2",
        executed_at=START + timedelta(days=9),
    )
    order = apply(store, order, fill)
    assert (order.state, order.filled_quantity) == (OrderState.FILLED, Decimal(3))
    cost = replace(fill, commission=Decimal("0.003"), commission_currency="BTC")
    assert hear(store, BrokerName.BINANCE, [cost]) == 1
    apply(store, order)
    found = rows(store, "SELECT execution_id, commission FROM fills ORDER BY execution_id")
    assert [(row.execution_id, row.commission) for row in found] == [
        ("1", None),
        ("1~2", Decimal("0.003")),
    ]


@pytest.mark.parametrize("changes", [{"quantity": Decimal(2)}, {"price": Decimal(11)}])
def test_one_id_with_other_contents_is_not_swallowed(store: Store, changes: dict[str, Any]) -> None:
    """One execution at one time is one, whatever is said of it later; a person is told."""
    first = stranger("ESZ6", "0001.01")
    assert hear(store, BrokerName.IBKR, [first]) == 1
    assert open_alerts(store, "EXECUTION_DIFFERS") == []
    assert hear(store, BrokerName.IBKR, [replace(first, **changes)]) == 0
    assert held(store) == {"ESZ6": 3}
    (said,) = open_alerts(store, "EXECUTION_DIFFERS")
    assert "0001.01" in said


def test_a_corrected_one_differs_from_its_first_word(store: Store) -> None:
    """What the venue has corrected itself is no matter for anybody."""
    first = stranger("ESZ6", "0001.01")
    right = replace(first, quantity=Decimal(2), kind=ReportKind.CORRECTION)
    hear(store, BrokerName.IBKR, [first, replace(right, corrects="0001.01")])
    hear(store, BrokerName.IBKR, [replace(first, quantity=Decimal(2))])
    assert open_alerts(store, "EXECUTION_DIFFERS") == []
