"""Limits and the trading state against a real PostgreSQL, with many at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, cast
from uuid import uuid4

import pytest
from sqlalchemy import text

from execution.doctor import examine
from execution.domain.commands import CommandKind
from execution.domain.errors import NotAllowed
from execution.domain.instruments import Instrument
from execution.domain.orders import Order
from execution.domain.ports import Modification
from execution.domain.reports import Quote, ReportKind
from execution.domain.risk.limits import LimitKind
from execution.domain.risk.trading_state import EVERYWHERE, TradingState
from execution.domain.vocabulary import BrokerName, OrderState
from execution.events.quotes import QuoteCache
from execution.gate import Gate
from execution.settings import load
from execution.store import commands, controls, executions, orders, reports
from execution.store.controls import ControlsCache
from execution.store.engine import Store
from execution.store.statements import Link

from .stored import (
    SESSION,
    TIMING,
    apply,
    persisted,
    reload,
    rows_read_so_far,
    step5,
    submitted,
    trade,
)

WHO = {"who": "somebody", "reason": None}
NOBODY: tuple[None, None, None] = (None, None, None)


@dataclass(slots=True)
class Quotes:
    """A quote cache of one market; what is asked for is kept."""

    mid: Decimal | None = None
    age: timedelta = timedelta(0)
    asked: list[str] = field(default_factory=list)

    def get(self, symbols: Sequence[str]) -> dict[str, Quote]:
        if self.mid is None:
            return {}
        now = datetime.now(UTC) - self.age
        return {name: Quote(name, self.mid, self.mid, now, "test") for name in symbols}

    def want(self, symbols: Sequence[str]) -> None:
        self.asked += symbols


@pytest.fixture(scope="module")
def module_store(module_database_url: str) -> Iterator[Store]:
    """A database for the module."""
    store = Store(module_database_url)
    yield store
    store.close()


@pytest.fixture
def store(module_store: Store) -> Store:
    """The same, empty."""
    with module_store.transaction() as connection:
        connection.execute(
            text(
                """TRUNCATE order_requests, orders, brackets, order_attempts, order_commands,
                    order_events, execution_reports, fills, positions, paper_positions, events,
                    risk_limits, risk_rates, trading_states, risk_changes RESTART IDENTITY"""
            )
        )
        connection.execute(text(f"UPDATE risk_controls SET version = {controls.FIRST_VERSION}"))
    return module_store


def gate_of(store: Store, quotes: Quotes | None = None) -> Gate:
    """A worker's gate."""
    asked = cast("QuoteCache", quotes or Quotes())
    seconds = timedelta(seconds=10)
    return Gate(store, asked, ControlsCache(store), quote_max_age=seconds, price_wait=seconds)


def set_limit(
    store: Store,
    kind: LimitKind,
    value: str,
    *,
    broker: BrokerName | None = None,
    strategy: str | None = None,
    symbol: str | None = None,
) -> None:
    """Set a limit, as the command does."""
    with store.transaction() as connection:
        scope = (broker, strategy, symbol)
        controls.set_limit(connection, kind, Decimal(value), scope, who="somebody", reason=None)


def set_state(store: Store, state: TradingState, scope: str = EVERYWHERE) -> None:
    """Change the trading state, as the commands do."""
    with store.transaction() as connection:
        controls.set_state(connection, scope, state, who="somebody", reason="because")


def no_price(instrument: Instrument) -> Decimal | None:
    """A venue that has no price."""
    del instrument
    return None


def committing(_: Order) -> Callable[[Link, Order, int], Order | None]:
    """What step 4 commits for an order after step 2."""
    return lambda link, order, version: orders.commit_intent(link, order, SESSION, TIMING, version)


def send(gate: Gate, order: Order) -> str | None:
    """Try to commit the intent; why not, or None."""
    try:
        assert gate.intend(order, no_price, committing(order)) is not None
    except NotAllowed as refusal:
        return str(refusal)
    return None


def why(store: Store, order: Order) -> str | None:
    """The same, in a worker that knows nothing yet."""
    return send(gate_of(store), order)


def at_once(store: Store, made: Sequence[Order]) -> list[str | None]:
    """Try it with all orders at the same moment, each in a worker of its own."""
    barrier = threading.Barrier(len(made))

    def one(order: Order) -> str | None:
        gate = gate_of(store, Quotes(Decimal(100)))
        gate.controls.get()
        barrier.wait(20)
        return send(gate, order)

    with ThreadPoolExecutor(len(made)) as pool:
        return list(pool.map(one, made))


_ALPHA = {"strategy": "alpha", "broker": BrokerName.BINANCE}


@pytest.mark.parametrize(
    ("kind", "value", "passing", "scope"),
    [
        (LimitKind.MAX_POSITION, "10", 3, {}),
        (LimitKind.MAX_POSITION, "9", 3, _ALPHA),
        (LimitKind.MAX_EXPOSURE, "1199", 3, _ALPHA),
        (LimitKind.MAX_OPEN_ORDERS, "4", 4, {"symbol": "BTC-USDT"}),
        (LimitKind.MAX_ORDERS_PER_SECOND, "3", 3, _ALPHA),
        (LimitKind.REPEAT_WINDOW, "3600", 1, {}),
    ],
)
def test_of_many_at_once_exactly_the_permitted_number_passes(
    store: Store, kind: LimitKind, value: str, passing: int, scope: dict[str, Any]
) -> None:
    """Eight orders for 3 each, at the same moment, against one limit."""
    made = [persisted(store, strategy="alpha") for _ in range(8)]
    now = {"now": datetime.now(UTC), "ids": [order.order_id for order in made]}
    with store.transaction() as connection:
        connection.execute(text("UPDATE orders SET created_at = :now"), now)
    set_limit(store, kind, value, **scope)
    said = at_once(store, made)
    refused = [reason for reason in said if reason is not None]
    assert len(made) - len(refused) == passing
    assert all(reason.startswith(f"{kind}: ") for reason in refused)
    with store.transaction() as connection:
        sent = connection.execute(
            text("SELECT count(*) FROM orders WHERE state = 'SUBMITTING'")
        ).scalar_one()
    assert sent == passing


def test_an_intent_that_was_judged_by_older_limits_is_not_written(store: Store) -> None:
    """Whoever would write it judges again."""
    order = persisted(store)
    set_limit(store, LimitKind.MAX_QUANTITY, "3")
    newer = gate_of(store).controls.get().version
    for version, written in ((controls.FIRST_VERSION, False), (newer, True)):
        with store.direct() as link:
            sent = orders.commit_intent(link, order, SESSION, TIMING, version)
        assert (sent is not None) == written


def test_a_halt_that_has_returned_lets_nothing_through(store: Store) -> None:
    """However many are at it: after the change's commit no intent is committed."""
    made = [persisted(store) for _ in range(24)]
    gates = [gate_of(store) for _ in range(4)]
    for gate in gates:
        gate.controls.get()  # as of before the halt
    started, halted = threading.Event(), threading.Event()
    late: list[str] = []

    def work(number: int) -> None:
        for order in made[number::4]:
            after = halted.is_set()
            if send(gates[number], order) is None and after:
                late.append(order.client_order_id)
            started.set()

    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(work, number) for number in range(4)]
        assert started.wait(20)
        set_state(store, TradingState.HALTED)
        halted.set()
        for job in jobs:
            job.result(30)
    assert not late
    assert send(gates[0], persisted(store)) == "HALTED (every broker): because"
    with store.transaction() as connection:
        before, after = connection.execute(
            text(
                """SELECT count(*) FILTER (WHERE a.intent_at <= s.changed_at),
                    count(*) FILTER (WHERE a.intent_at > s.changed_at)
                FROM order_attempts a, trading_states s WHERE a.intent_at IS NOT NULL"""
            )
        ).one()
    assert before > 0
    assert after == 0


def test_a_change_waits_for_who_was_judged_before_it(store: Store) -> None:
    """Until that one's transaction ends; whoever comes meanwhile waits for the change."""
    order, later = persisted(store), persisted(store)
    done, order_of = threading.Event(), list[str]()

    def halt() -> None:
        set_state(store, TradingState.HALTED)
        order_of.append("halt")
        done.set()

    thread = threading.Thread(target=halt)
    with store.transaction() as connection:
        version = controls.FIRST_VERSION
        assert orders.commit_intent(connection, order, SESSION, TIMING, version)
        thread.start()
        waiting = _wait_for_lock(store)
        assert not done.is_set()
        order_of.append("intent")
    thread.join(20)
    assert waiting
    assert order_of == ["intent", "halt"]
    assert why(store, later) == "HALTED (every broker): because"


def _wait_for_lock(store: Store) -> bool:
    """Wait until somebody waits for a lock."""
    asked = text(
        "SELECT count(*) FROM pg_locks WHERE relation = 'order_gate'::regclass AND NOT granted"
    )
    for _ in range(2000):
        with store.statement() as connection:
            if connection.execute(asked).scalar_one():
                return True
        threading.Event().wait(0.005)
    return False


def test_a_worker_that_knows_older_limits_judges_by_the_new_ones(store: Store) -> None:
    """Nothing is sent, nor refused, by what was set a moment ago."""
    gate = gate_of(store)
    assert gate.controls.get().version == controls.FIRST_VERSION
    set_limit(store, LimitKind.MAX_QUANTITY, "1")
    assert send(gate, persisted(store)) == "max_quantity: 3 is more than 1 (every order)"
    set_limit(store, LimitKind.MAX_QUANTITY, "3")
    assert send(gate, persisted(store)) is None
    set_state(store, TradingState.HALTED, "BINANCE")
    assert send(gate, persisted(store)) == "HALTED (BINANCE): because"
    assert send(gate, persisted(store, BrokerName.PAPER)) is None
    set_state(store, TradingState.ACTIVE, "BINANCE")
    fresh = persisted(store)
    with store.transaction() as connection:
        connection.execute(
            text("UPDATE orders SET created_at = clock_timestamp() WHERE order_id = :id"),
            {"id": fresh.order_id},
        )
    assert send(gate, reload(store, fresh.order_id)) is None
    with store.transaction() as connection:
        removed = controls.remove_limit(
            connection, LimitKind.MAX_QUANTITY, NOBODY, who="somebody", reason=None
        )
        assert removed == 3
        assert (
            controls.remove_limit(
                connection, LimitKind.MAX_QUANTITY, NOBODY, who="somebody", reason=None
            )
            is None
        )
        audit = controls.history(connection, 10)
    assert [(row["action"], row["who"], row["reason"]) for row in audit] == [
        ("remove", "somebody", None),
        ("resume", "somebody", "because"),
        ("halt", "somebody", "because"),
        ("set", "somebody", None),
        ("set", "somebody", None),
    ]
    assert audit[3]["what"] == {"kind": "max_quantity", "value": "3", "before": "1"}


def test_what_was_changed_by_hand_counts_too(store: Store) -> None:
    """The database itself raises the version, whoever changes a limit."""
    gate = gate_of(store)
    gate.controls.get()
    with store.transaction() as connection:
        connection.execute(
            text(
                """INSERT INTO risk_limits (kind, value, set_by)
                VALUES ('max_quantity', 2, 'psql')"""
            )
        )
    assert send(gate, persisted(store)) is not None


def test_somebody_else_has_it(store: Store) -> None:
    """An order that was taken meanwhile is neither sent nor refused, with limits and without."""
    order = persisted(store)
    assert why(store, order) is None
    assert gate_of(store).intend(order, no_price, committing(order)) is None
    set_limit(store, LimitKind.MAX_ORDERS_PER_SECOND, "1")
    assert gate_of(store).intend(order, no_price, committing(order)) is None
    assert why(store, persisted(store)) is None  # the vain try was not counted
    assert why(store, persisted(store)) is not None


def test_what_is_held_counts(store: Store) -> None:
    """A position, fills on their way to it, and what is left of open orders, each once."""
    first = submitted(store, quantity="4")
    apply(store, first, trade(first, "1", "1", "100"))  # 1 held, 3 open
    set_limit(store, LimitKind.MAX_POSITION, "10")
    asked = persisted(store, quantity="7")
    assert str(why(store, asked)).startswith(
        "max_position: 11 BTC-USDT long (1 held, 3 in open orders, 7 asked) is more than 10"
    )
    with store.transaction() as connection:
        reports.record(connection, first, [trade(first, "2", "3", "100")])
    # Applied by step 6, and not in the position yet.
    assert step5(store, first.order_id)
    with store.transaction() as connection:
        executions.apply_to_order(connection, first.order_id, TIMING.step)
    assert reload(store, first.order_id).state is OrderState.FILLED
    assert "(4 held, 0 in open orders, 7 asked)" in str(why(store, asked))
    assert why(store, persisted(store, quantity="6")) is None
    other = persisted(store, quantity="10", account="another")
    assert why(store, other) is None
    assert why(store, persisted(store, BrokerName.PAPER, quantity="10")) is None


def test_a_revised_fill_is_held_once(store: Store) -> None:
    """A late commission lets a fill be folded anew; until then it is held all the same."""
    first = submitted(store, quantity="4")
    told = trade(first, "1", "4", "100")
    first = apply(store, first, told)
    cost = replace(told, kind=ReportKind.COMMISSION, commission=Decimal(1))
    with store.transaction() as connection:
        reports.record(connection, first, [cost])
    step5(store, first.order_id)
    with store.transaction() as connection:
        executions.apply_to_order(connection, first.order_id, TIMING.step)
    assert reload(store, first.order_id).unfinished == 1
    set_limit(store, LimitKind.MAX_POSITION, "6")
    assert "(4 held, 0 in open orders, 3 asked)" in str(why(store, persisted(store)))


def test_an_order_in_doubt_counts(store: Store) -> None:
    """It may be at the venue."""
    set_limit(store, LimitKind.MAX_OPEN_ORDERS, "1", symbol="BTC-USDT")
    doubtful = persisted(store)
    assert why(store, doubtful) is None
    sent = reload(store, doubtful.order_id)
    with store.transaction() as connection:
        assert orders.in_doubt(connection, sent, "no answer", TIMING.step)
    assert str(why(store, persisted(store))).startswith("max_open_orders: 2 open orders")
    # The same order is judged without itself when it is sent again.
    again = reload(store, doubtful.order_id)
    assert why(store, again) is None


def test_what_does_not_count(store: Store) -> None:
    """Paper orders among live ones; and a bracket's children, which close what is counted."""
    submitted(store, BrokerName.PAPER)
    child, parent = submitted(store), submitted(store)
    with store.transaction() as connection:
        connection.execute(
            text("UPDATE orders SET parent_order_id = :parent WHERE order_id = :child"),
            {"parent": parent.order_id, "child": child.order_id},
        )
    set_limit(store, LimitKind.MAX_OPEN_ORDERS, "2")
    set_limit(store, LimitKind.MAX_POSITION, "6")
    assert why(store, persisted(store)) is None
    said = str(why(store, persisted(store)))
    assert said.startswith("max_open_orders: 3 open orders")
    assert "(0 held, 6 in open orders, 3 asked)" in said


def test_it_reads_no_more_as_tables_grow(store: Store) -> None:
    """Statements are planned while tables are empty, and must not read all of them later."""
    set_limit(store, LimitKind.MAX_POSITION, "1000000", strategy="alpha")
    set_limit(store, LimitKind.MAX_OPEN_ORDERS, "1000")
    asked, gate = persisted(store, strategy="alpha"), gate_of(store)
    assert send(gate, asked) is None

    def rows_read() -> int:
        before = rows_read_so_far(store)
        gate.at_creation(asked, datetime.now(UTC))
        return rows_read_so_far(store) - before

    first = rows_read()
    with store.transaction() as connection:
        connection.execute(
            text(
                """
                WITH many AS (
                    INSERT INTO execution_reports (broker, environment, account, symbol, side,
                        execution_id, kind, execution_mode, quantity, price, executed_at,
                        applied_at)
                    SELECT 'BINANCE', 'practice', 'main', 'BTC-USDT', 'BUY', n, 'TRADE', 'LIVE',
                        1, 1, clock_timestamp(), clock_timestamp()
                    FROM generate_series(1, 500) AS n RETURNING *
                )
                INSERT INTO fills (report_id, broker, environment, account, symbol, side,
                    execution_id, quantity, price, multiplier, execution_mode, executed_at,
                    positioned_at)
                SELECT report_id, broker, environment, account, symbol, side, execution_id,
                    quantity, price, 1, execution_mode, executed_at, applied_at FROM many
                """
            )
        )
    assert rows_read() <= first + 5


def test_what_reduces_passes(store: Store) -> None:
    """And a second one for the same position does not, unless both say that they only reduce."""
    first = submitted(store, quantity="4")
    apply(store, first, trade(first, "1", "4", "100"))
    set_limit(store, LimitKind.MAX_POSITION, "0")
    set_limit(store, LimitKind.MAX_QUANTITY, "1")
    assert why(store, persisted(store, side="SELL", quantity="5")) is not None
    assert why(store, persisted(store, side="SELL", quantity="3")) is None
    assert why(store, persisted(store, side="SELL", quantity="2")) is not None
    assert why(store, persisted(store, side="SELL", quantity="2", reduce_only=True)) is None
    set_state(store, TradingState.REDUCING)
    assert str(why(store, persisted(store, quantity="1"))).startswith("REDUCING")
    assert why(store, persisted(store, side="SELL", quantity="1")) is not None
    assert why(store, persisted(store, side="SELL", quantity="4", reduce_only=True)) is None


def test_an_account_counts_whatever_it_is_called(store: Store) -> None:
    """What the login's own account has open was asked for as `main`."""
    mine = submitted(store, quantity="4")
    with store.transaction() as connection:
        connection.execute(
            text("UPDATE order_attempts SET account = 'U1' WHERE order_id = :id"),
            {"id": mine.order_id},
        )
    set_limit(store, LimitKind.MAX_POSITION, "5")
    assert str(why(store, persisted(store, quantity="2", account="U1"))).startswith("max_position")
    assert why(store, persisted(store, quantity="2", account="U2")) is None
    assert why(store, persisted(store, quantity="1", account="U1")) is None


def test_a_strategys_own_part(store: Store) -> None:
    """What its orders have filled and have open, whatever the account holds by others."""
    first = submitted(store, quantity="4", strategy="beta")
    apply(store, first, trade(first, "1", "4", "100"))
    mine = submitted(store, quantity="2", strategy="alpha")
    apply(store, mine, trade(mine, "1", "1", "100"))
    submitted(store, quantity="50", strategy="beta")
    set_limit(store, LimitKind.MAX_POSITION, "5", strategy="alpha")
    said = why(store, persisted(store, quantity="4", strategy="alpha"))
    assert said == (
        "max_position: 6 BTC-USDT long (1 held, 1 in open orders, 4 asked) is more than 5 "
        "(strategy alpha)"
    )
    assert why(store, persisted(store, quantity="3", strategy="alpha")) is None
    assert why(store, persisted(store, quantity="30", strategy="beta")) is None
    sold = persisted(store, side="SELL", quantity="7", strategy="alpha")
    assert str(why(store, sold)).startswith("max_position: 6 BTC-USDT short (-1 held")


def test_a_change_that_has_set_out_counts(store: Store) -> None:
    """Its new quantity may be in force before anybody has heard so."""
    order = submitted(store, quantity="4")
    set_limit(store, LimitKind.MAX_POSITION, "10")
    body = {"client_order_id": order.client_order_id, "quantity": "8"}
    with store.transaction() as connection:
        recorded = commands.record(
            connection,
            command_id=uuid4(),
            kind=CommandKind.MODIFY,
            client_order_id=order.client_order_id,
            external_id="m",
            payload=body,
            payload_hash="h",
            reason=None,
            due=TIMING.step,
        )
        assert recorded is not None
    assert why(store, persisted(store, quantity="3")) is None  # 4 + 3
    with store.transaction() as connection:
        commands.mark_sent(connection, recorded.command_id)
    assert why(store, persisted(store, quantity="1")) is not None  # 8 + 3


CHANGES = [
    (Modification(quantity=Decimal(8)), None),
    (Modification(quantity=Decimal(11)), "max_position"),
    (Modification(quantity=Decimal(3), limit_price=Decimal(95)), None),
    (Modification(limit_price=Decimal(89)), "price_collar"),
    (Modification(quantity=Decimal(2)), None),
]


@pytest.mark.parametrize(("change", "refusal"), CHANGES)
def test_changes_are_judged(store: Store, change: Modification, refusal: str | None) -> None:
    """By what they make larger; a halt stops all of them, REDUCING those that grow."""
    order = submitted(store, quantity="4", order_type="LIMIT", limit_price="99")
    set_limit(store, LimitKind.MAX_POSITION, "10")
    set_limit(store, LimitKind.PRICE_COLLAR, "10")
    set_limit(store, LimitKind.MAX_OPEN_ORDERS, "0")
    gate = gate_of(store)

    def said() -> str | None:
        with store.transaction() as connection:
            return gate.change(connection, order, change, Decimal(100))

    found = said()
    assert (found or "").partition(":")[0] == (refusal or "")
    set_state(store, TradingState.REDUCING)
    smaller = change.quantity == 2
    assert str(said()).startswith("None" if smaller else "REDUCING")
    set_state(store, TradingState.HALTED)
    assert str(said()).startswith("HALTED")
    assert gate.change_halted(order, change) == said()
    with store.transaction() as connection:
        child = replace(order, parent_order_id=uuid4())
        assert gate.change(connection, child, change, None) is None
    assert gate.change_halted(child, change) is None


def test_without_a_price_an_order_waits_for_one(store: Store) -> None:
    """A fresh quote serves, then the venue's own; then it waits, and is refused in the end."""
    set_limit(store, LimitKind.MAX_NOTIONAL, "299")
    order = persisted(store)
    young = replace(order, created_at=datetime.now(UTC))
    quotes = Quotes(Decimal(100), timedelta(seconds=11))
    gate = gate_of(store, quotes)
    with pytest.raises(NotAllowed, match="no price of BTC-USDT is known") as waiting:
        gate.intend(young, no_price, committing(order))
    assert waiting.value.waits
    assert quotes.asked == ["BTC-USDT"]
    with pytest.raises(NotAllowed, match="no price of BTC-USDT is known") as refused:
        gate.intend(order, no_price, committing(order))
    assert not refused.value.waits
    with pytest.raises(NotAllowed, match="300 USDT is more than 299"):
        gate.intend(order, lambda _: Decimal(100), committing(order))
    quotes.age = timedelta(0)
    assert "300 USDT" in str(send(gate, order))
    quotes.mid = Decimal(99)
    assert send(gate, order) is None


def test_at_creation(store: Store) -> None:
    """What is known then refuses at once; what only the moment of sending tells is left to it."""
    order, now = persisted(store), datetime.now(UTC)
    quotes = Quotes()
    gate = gate_of(store, quotes)
    assert gate.at_creation(order, now) is None
    set_limit(store, LimitKind.MAX_ORDERS_PER_SECOND, "0")
    set_limit(store, LimitKind.MAX_NOTIONAL, "299")
    gate = gate_of(store, quotes)
    assert gate.at_creation(order, now) is None
    assert quotes.asked == ["BTC-USDT"]
    quotes.mid = Decimal(100)
    assert gate.at_creation(order, now) == ("max_notional: 300 USDT is more than 299 (every order)")
    # A worker that has not heard of a resume yet does not refuse by what was.
    set_state(store, TradingState.HALTED)
    gate = gate_of(store)
    assert gate.at_creation(order, now) == "HALTED (every broker): because"
    stopped = gate.stopped(order)
    assert stopped is not None
    assert not stopped.waits
    set_state(store, TradingState.ACTIVE)
    young = replace(order, created_at=datetime.now(UTC))
    assert gate.at_creation(young, datetime.now(UTC)) is None
    assert str(gate.at_creation(young, now)).startswith("HALTED until")
    assert gate.stopped(young) is None
    assert gate.stopped(order) is not None


def test_repeats(store: Store) -> None:
    """The same in all that matters, and not long ago."""
    set_limit(store, LimitKind.REPEAT_WINDOW, "60")
    terms = {"order_type": "LIMIT", "limit_price": "90", "strategy": "s"}
    gate = gate_of(store)

    def attempt(**changes: Any) -> str | None:
        given = {**terms, **changes}
        made = persisted(store, **{k: v for k, v in given.items() if v is not None})
        with store.transaction() as connection:
            connection.execute(
                text("UPDATE orders SET created_at = clock_timestamp() WHERE order_id = :id"),
                {"id": made.order_id},
            )
        return send(gate, reload(store, made.order_id))

    assert attempt() is None
    assert "repeat_window: the same order was placed 0." in str(attempt())
    for other in (
        {"side": "SELL"},
        {"quantity": "2"},
        {"limit_price": "91"},
        {"strategy": "t"},
        {"account": "another"},
        {"symbol": "ETH-USDT"},
        {"order_type": "MARKET", "limit_price": None},
    ):
        assert attempt(**other) is None
    with store.transaction() as connection:
        connection.execute(text("UPDATE orders SET created_at = created_at - interval '61 s'"))
    assert attempt() is None


def test_the_rate_is_of_the_last_second(store: Store) -> None:
    """What was sent longer ago counts no more, and is forgotten."""
    set_limit(store, LimitKind.MAX_ORDERS_PER_SECOND, "2")
    gate = gate_of(store)

    def age() -> None:
        with store.transaction() as connection:
            connection.execute(
                text(
                    """UPDATE risk_rates SET sent_at =
                    ARRAY(SELECT at - interval '1 s' FROM unnest(sent_at) AS s(at))"""
                )
            )

    for _ in range(3):
        assert [send(gate, persisted(store)) is None for _ in range(2)] == [True, True]
        with store.transaction() as connection:
            kept = connection.execute(
                text("SELECT cardinality(sent_at) FROM risk_rates")
            ).scalar_one()
        assert kept <= 2
        age()


def test_the_doctor_says_what_is_stopped_and_what_is_not_limited(
    store: Store, module_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That nothing is limited is worth a word where money is real."""
    monkeypatch.delenv("REDIS_URL", raising=False)

    def said(environment: str) -> dict[str, str]:
        settings = load(database_url=module_database_url, execution_environment=environment)
        found = {one.what: one.said for one in examine(settings)}
        return {name: found[name] for name in ("trading", "limits") if name in found}

    assert said("practice") == {}
    assert said("production") == {"limits": "none is set: whatever a producer asks for is sent"}
    set_limit(store, LimitKind.MAX_QUANTITY, "1")
    set_state(store, TradingState.HALTED, "BINANCE")
    assert said("production") == {"trading": "HALTED for BINANCE: because"}
    set_state(store, TradingState.ACTIVE, "BINANCE")
    assert said("production") == {}
