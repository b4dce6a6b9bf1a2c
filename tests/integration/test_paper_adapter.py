"""The paper adapter over a real book: sessions by an injected clock, restarts, races, its cost."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast
from unittest import mock
from uuid import uuid4

import pytest
from sqlalchemy import Connection, event, text

from execution.domain.errors import (
    BrokerRejected,
    BrokerUnavailable,
    EventsUnavailable,
    OutcomeUnknown,
    StoreUnavailable,
    TooLate,
)
from execution.domain.instruments import Instrument
from execution.domain.market_hours import MarketHours
from execution.domain.paper.slippage import Slippage, seeded_draw
from execution.domain.paper.trading import Matched, PaperFill, PaperRules
from execution.domain.ports import Attempt, Broker, Modification
from execution.domain.reports import Quote, VenueOrder
from execution.domain.vocabulary import (
    AssetClass,
    BrokerName,
    OrderState,
    OrderType,
    Side,
    TimeInForce,
)
from execution.settings import load
from execution.store import paper_book
from execution.store.engine import Store
from execution.store.statements import Direct, Link, Prepared
from workers.adapters.paper import PaperAdapter, _Seen
from workers.brokers import build
from workers.context import Context

SPY = Instrument("SPY", AssetClass.EQUITY, "USD")
# A Friday in New York, an hour before the close.
START = datetime(2026, 1, 2, 20, tzinfo=UTC)
CLOSE = datetime(2026, 1, 2, 21, tzinfo=UTC)
RULES = PaperRules(
    Slippage("none", Decimal(0), seeded_draw(1)),
    quote_max_age=timedelta(seconds=10),
    price_wait=timedelta(seconds=30),
)


class BreakableStore(Store):
    """A store that can go away before or after a statement is done."""

    away: str | None = None

    @contextmanager
    def statement(self) -> Iterator[Connection]:
        with self._breaking(), super().statement() as connection:
            yield connection

    @contextmanager
    def direct(self) -> Iterator[Direct]:
        with self._breaking(), super().direct() as link:
            yield link

    @contextmanager
    def _breaking(self) -> Iterator[None]:
        if self.away == "before":
            raise StoreUnavailable("gone")
        yield
        if self.away == "after":
            raise StoreUnavailable("gone")


@dataclass
class Venue:
    """A paper venue whose clock, quotes and closes the test sets."""

    store: BreakableStore
    now: datetime = START
    known: dict[str, Quote] = field(default_factory=dict)
    quotes_away: bool = False
    asked: list[datetime] = field(default_factory=list)
    wanted: list[str] = field(default_factory=list)

    def get(self, symbols: Sequence[str]) -> dict[str, Quote]:
        """The quotes."""
        if self.quotes_away:
            raise EventsUnavailable("gone")
        return {symbol: self.known[symbol] for symbol in symbols if symbol in self.known}

    def want(self, symbols: Iterable[str]) -> None:
        """Remember what was asked for."""
        self.wanted += symbols

    def close_after(self, instrument: Instrument, moment: datetime) -> datetime:
        """One close a day at 21:00 UTC."""
        del instrument
        self.asked.append(moment)
        close = moment.replace(hour=21, minute=0, second=0, microsecond=0)
        return close if close > moment else close + timedelta(days=1)

    def price(self, bid: str, ask: str, symbol: str = "SPY") -> None:
        """Quote a symbol now."""
        self.known[symbol] = Quote(symbol, Decimal(bid), Decimal(ask), self.now, "test")

    def adapter(self, rules: PaperRules = RULES) -> PaperAdapter:
        """Another adapter to the same book."""
        hours: MarketHours = self
        return PaperAdapter(
            self.store,
            self,
            rules,
            hours,
            account="main",
            poll_interval=timedelta(milliseconds=1),
            clock=lambda: self.now,
        )


@pytest.fixture
def venue(database_url: str) -> Iterator[Venue]:
    """A venue with a market of 99 and 101."""
    venue = Venue(BreakableStore(database_url))
    venue.price("99", "101")
    yield venue
    venue.store.close()


def new(**changes: Any) -> Attempt:
    """A MARKET order to BUY ten SPY, good till cancelled."""
    standard = Attempt(
        attempt_id=uuid4(),
        order_id=uuid4(),
        client_order_id=secrets.token_hex(8),
        broker=BrokerName.PAPER,
        account="main",
        venue_order_id=secrets.token_hex(11),
        instrument=SPY,
        side=Side.BUY,
        order_type=OrderType.MARKET,
        quantity=Decimal(10),
        time_in_force=TimeInForce.GTC,
    )
    return replace(standard, **changes)


def limit(price: int, **changes: Any) -> Attempt:
    """A LIMIT order."""
    return new(order_type=OrderType.LIMIT, limit_price=Decimal(price), **changes)


def run(case: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a case on a loop of its own."""
    asyncio.run(case())


async def connected(venue: Venue, rules: PaperRules = RULES) -> PaperAdapter:
    """A connected adapter."""
    adapter = venue.adapter(rules)
    await adapter.connect()
    return adapter


async def found(adapter: Broker, attempt: Attempt) -> VenueOrder:
    """The order at the venue."""
    order = await adapter.find(attempt)
    assert order is not None
    return order


def statements(venue: Venue) -> AbstractContextManager[list[str]]:
    """What is sent to the database meanwhile."""

    @contextmanager
    def listening() -> Iterator[list[str]]:
        heard: list[str] = []

        def hear(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            heard.append(" ".join(statement.split()))

        def run(prepared: Prepared, link: Link, parameters: Mapping[str, Any]) -> list[Any]:
            heard.append(" ".join(prepared.sql.split()))
            return plain_run(prepared, link, parameters)

        plain_run = Prepared.run
        event.listen(venue.store.engine, "before_cursor_execute", hear)
        with mock.patch.object(Prepared, "run", run):
            yield heard
        event.remove(venue.store.engine, "before_cursor_execute", hear)

    return listening()


# Sessions.


def test_day_ends_with_its_session(venue: Venue) -> None:
    """A DAY order rests to the last moment of its session; the close ends it, crossed or not."""

    async def case() -> None:
        adapter = await connected(venue)
        attempt = limit(95, time_in_force=TimeInForce.DAY)
        await adapter.submit(attempt)
        venue.now = CLOSE - timedelta(microseconds=1)
        assert (await found(adapter, attempt)).state is OrderState.SUBMITTED
        venue.price("93", "94")
        venue.now = CLOSE
        order = await found(adapter, attempt)
        assert (order.state, order.executions) == (OrderState.EXPIRED, ())
        assert order.reason == "DAY: its session closed at 2026-01-02T21:00:00Z"

    run(case)


def test_an_order_after_the_close_belongs_to_the_next_session(venue: Venue) -> None:
    """It outlives the night, and a MARKET order fills in it."""

    async def case() -> None:
        adapter = await connected(venue)
        venue.now = CLOSE
        venue.price("99", "101")
        attempt = limit(95, time_in_force=TimeInForce.DAY)
        await adapter.submit(attempt)
        assert (await adapter.submit(new(time_in_force=TimeInForce.DAY))).executions
        venue.now = CLOSE + timedelta(hours=23)
        assert (await found(adapter, attempt)).state is OrderState.SUBMITTED
        venue.now = CLOSE + timedelta(days=1)
        assert (await found(adapter, attempt)).state is OrderState.EXPIRED

    run(case)


@pytest.mark.parametrize("order_type", [OrderType.MARKET_ON_CLOSE, OrderType.LIMIT_ON_CLOSE])
def test_on_close_fills_at_the_close(venue: Venue, order_type: OrderType) -> None:
    """It rests until the close, and fills there although it is DAY and the close its end."""

    async def case() -> None:
        adapter = await connected(venue)
        limited = order_type is OrderType.LIMIT_ON_CLOSE
        attempt = new(
            order_type=order_type,
            limit_price=Decimal(105) if limited else None,
            time_in_force=TimeInForce.DAY,
        )
        assert (await adapter.submit(attempt)).state is OrderState.SUBMITTED
        venue.now = CLOSE - timedelta(seconds=1)
        venue.price("102", "104")
        assert (await found(adapter, attempt)).state is OrderState.SUBMITTED
        venue.now = CLOSE
        (execution,) = (await found(adapter, attempt)).executions
        assert (execution.price, execution.executed_at) == (Decimal(103), CLOSE)

    run(case)


def test_only_orders_with_a_session_ask_for_it(venue: Venue) -> None:
    """DAY and on-close orders do, once each; the rest never touch the calendar."""

    async def case() -> None:
        adapter = await connected(venue)
        expires_at = START + timedelta(days=1)
        for tif in (TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK):
            await adapter.submit(limit(95, time_in_force=tif))
        await adapter.submit(limit(95, time_in_force=TimeInForce.GTD, expires_at=expires_at))
        assert venue.asked == []
        day = limit(95, time_in_force=TimeInForce.DAY)
        await adapter.submit(day)
        await adapter.submit(new(order_type=OrderType.MARKET_ON_CLOSE))
        await found(adapter, day)
        assert venue.asked == [START, START]

    run(case)


# What a restart must not lose.


def test_a_trail_outlives_its_worker(venue: Venue) -> None:
    """The best price seen is in the book, so another worker trails on from there."""

    async def case() -> None:
        attempt = new(side=Side.SELL, order_type=OrderType.TRAILING_STOP, trail_percent=Decimal(5))
        first = await connected(venue)
        await first.submit(attempt)
        venue.price("200", "202")
        await found(first, attempt)
        await first.close()
        venue.price("189", "191")
        (execution,) = (await found(await connected(venue), attempt)).executions
        assert execution.price == 190

    run(case)


def test_a_trigger_outlives_its_worker(venue: Venue) -> None:
    """A stop that was reached is a limit for every worker after."""

    async def case() -> None:
        attempt = new(
            order_type=OrderType.STOP_LIMIT, stop_price=Decimal(110), limit_price=Decimal(111)
        )
        first = await connected(venue)
        await first.submit(attempt)
        venue.price("110", "112")
        assert (await found(first, attempt)).state is OrderState.SUBMITTED
        await first.close()
        venue.price("99", "101")
        assert (await found(await connected(venue), attempt)).state is OrderState.FILLED

    run(case)


def test_what_was_taken_of_a_quote_is_kept(venue: Venue) -> None:
    """A second worker does not take the same quote's size again."""

    async def case() -> None:
        thin = replace(RULES, depth=Decimal(4))
        attempt = limit(105)
        await (await connected(venue, thin)).submit(attempt)
        other = await connected(venue, thin)
        assert (await found(other, attempt)).filled_quantity == 4
        venue.now += timedelta(seconds=1)
        venue.price("99", "101")
        assert (await found(other, attempt)).filled_quantity == 8

    run(case)


def test_what_was_asked_is_kept_whole(venue: Venue) -> None:
    """Every term of an order comes back from the book as it went in."""

    async def case() -> None:
        adapter = await connected(venue)
        attempt = new(
            side=Side.SELL,
            order_type=OrderType.TRAILING_STOP,
            time_in_force=TimeInForce.DAY,
            trail_amount=Decimal("0.10"),
            reference_price=Decimal("99.123456789012345678"),
            rerouted=True,
        )
        await adapter.submit(attempt)
        with venue.store.statement() as connection:
            (order,) = paper_book.changed(connection, {attempt.venue_order_id: 0})
        assert order.client_order_id == attempt.client_order_id
        assert (order.trail_amount, order.trail_percent) == (Decimal("0.10"), None)
        assert order.reference_price == attempt.reference_price
        assert (order.rerouted, order.ends_at, order.closes_at) == (True, CLOSE, None)
        assert (order.accepted_at, order.trail_extreme, order.version) == (START, Decimal(99), 1)

    run(case)


@pytest.mark.parametrize("age", [9, 61])
def test_a_fill_at_a_price_of_long_ago_is_no_secret(venue: Venue, age: int) -> None:
    """In place of a live order the last quote serves; where it is old, somebody has to look."""

    async def case() -> None:
        adapter = await connected(venue)
        venue.now += timedelta(seconds=age)
        said = await adapter.submit(new(rerouted=True))
        assert said.state is OrderState.FILLED
        with venue.store.transaction() as connection:
            found = connection.execute(text("SELECT kind, message FROM alerts")).all()
        assert [row.kind for row in found] == ([] if age < 10 else ["STALE_PRICE"])
        assert all(f"{age} s old" in row.message for row in found)

    run(case)


# Races and failures.


def test_a_look_at_an_older_version_changes_nothing(venue: Venue) -> None:
    """Of two that look at once only one writes: no fill is booked for the other."""

    async def case() -> None:
        adapter = await connected(venue)
        attempt = limit(95)
        await adapter.submit(attempt)
        with venue.store.statement() as connection:
            (order,) = paper_book.changed(connection, {attempt.venue_order_id: 0})
            fill = PaperFill(Decimal(10), Decimal(95), START)
            filled = replace(
                order, state=OrderState.FILLED, filled_quantity=Decimal(10), executions=1
            )
            await adapter.modify(attempt, Modification(limit_price=Decimal(94)))
            assert paper_book.apply(connection, [Matched(filled, (fill,))]) == set()
        after = await found(adapter, attempt)
        assert (after.state, after.executions) == (OrderState.SUBMITTED, ())

    run(case)


def test_a_modify_that_loses_a_race_is_made_anew(
    venue: Venue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It changes the order as it stands then; a fill in between is kept."""

    async def case() -> None:
        adapter = await connected(venue, replace(RULES, depth=Decimal(4)))
        attempt = limit(105)
        await adapter.submit(attempt)
        real = paper_book.apply
        lost: list[bool] = []

        def beaten(connection: Connection, changes: Sequence[Matched]) -> set[str]:
            if not lost:
                lost.append(True)
                (order,) = paper_book.changed(connection, {attempt.venue_order_id: 0})
                real(connection, [Matched(order)])
            return real(connection, changes)

        monkeypatch.setattr(paper_book, "apply", beaten)
        changed = await adapter.modify(attempt, Modification(Decimal(20)))
        assert lost == [True]
        assert (changed.quantity, changed.filled_quantity) == (Decimal(20), Decimal(4))

    run(case)


def test_modify_a_stop(venue: Venue) -> None:
    """A stop that is moved into the market is reached; afterwards it cannot be moved."""

    async def case() -> None:
        adapter = await connected(venue)
        attempt = new(
            order_type=OrderType.STOP_LIMIT, stop_price=Decimal(110), limit_price=Decimal(100)
        )
        await adapter.submit(attempt)
        moved = await adapter.modify(attempt, Modification(stop_price=Decimal(101)))
        assert moved.state is OrderState.SUBMITTED
        with pytest.raises(BrokerRejected, match="reached already"):
            await adapter.modify(attempt, Modification(stop_price=Decimal(105)))
        filled = await adapter.modify(attempt, Modification(limit_price=Decimal(101)))
        assert filled.state is OrderState.FILLED

    run(case)


def test_fenced_by_the_database_clock(venue: Venue) -> None:
    """What is late is refused by the clock that set `send_by`, whatever the worker's own says."""

    async def case() -> None:
        adapter = await connected(venue)
        venue.now = datetime(2020, 1, 1, tzinfo=UTC)
        attempt = limit(95, send_by=datetime.now(UTC) - timedelta(seconds=1))
        with pytest.raises(TooLate, match="came after"):
            await adapter.submit(attempt)
        assert await adapter.find(attempt) is None
        venue.now = datetime.now(UTC) + timedelta(days=400)
        await adapter.submit(replace(attempt, send_by=datetime.now(UTC) + timedelta(minutes=1)))
        with pytest.raises(BrokerRejected, match="came after"):
            await adapter.modify(attempt, Modification(Decimal(5), send_by=START))

    run(case)


@pytest.mark.parametrize("away", ["before", "after"])
def test_a_book_that_goes_away(venue: Venue, away: str) -> None:
    """What may have been done is unknown; what was only asked is unavailable."""

    async def case() -> None:
        adapter = await connected(venue)
        standing, attempt = limit(95), new()
        await adapter.submit(standing)
        venue.store.away = away
        with pytest.raises(OutcomeUnknown):
            await adapter.submit(attempt)
        with pytest.raises(OutcomeUnknown):
            await adapter.modify(standing, Modification(Decimal(20)))
        with pytest.raises(OutcomeUnknown):
            await adapter.cancel(standing)
        for question in (adapter.find(standing), adapter.open_orders(), adapter.positions()):
            with pytest.raises(BrokerUnavailable):
                await question
        with pytest.raises(BrokerUnavailable):
            await anext(aiter(adapter.watch(lambda: [standing])))
        venue.store.away = None
        assert (await adapter.find(attempt) is None) == (away == "before")

    run(case)


def test_quotes_that_go_away(venue: Venue) -> None:
    """Without Redis a limit rests and a MARKET order takes its reference price."""

    async def case() -> None:
        adapter = await connected(venue)
        venue.quotes_away = True
        assert (await adapter.submit(limit(105))).state is OrderState.SUBMITTED
        order = await adapter.submit(new(reference_price=Decimal(100)))
        assert [execution.price for execution in order.executions] == [100]
        assert order.reason == "priced on its reference_price"

    run(case)


def test_no_price_within_the_wait(venue: Venue) -> None:
    """It is held at first, and rejected when the wait is over."""

    async def case() -> None:
        adapter = await connected(venue)
        venue.known.clear()
        attempt = new()
        assert (await adapter.submit(attempt)).state is OrderState.SUBMITTED
        venue.now += RULES.price_wait
        order = await found(adapter, attempt)
        assert order.state is OrderState.REJECTED
        assert order.reason is not None
        assert order.reason.startswith("no price for SPY within 30 s")

    run(case)


# What watching costs.


def test_a_round_costs_the_same_however_many_rest(venue: Venue) -> None:
    """One read a quiet round, one write for all that changed, one read for all the news."""

    async def case() -> None:
        adapter = await connected(venue)
        symbols = [f"S{number}" for number in range(10)]
        for symbol in symbols:
            venue.price("99", "101", symbol)
        terms: list[dict[str, Any]] = [
            {"order_type": OrderType.LIMIT, "limit_price": Decimal(95)},
            {"order_type": OrderType.STOP, "stop_price": Decimal(110)},
            {"order_type": OrderType.TRAILING_STOP, "trail_amount": Decimal(20)},
        ]
        attempts = [
            new(
                instrument=Instrument(symbols[number % 10], AssetClass.EQUITY, "USD"),
                **terms[number % 3],
            )
            for number in range(120)
        ]
        await asyncio.gather(*(adapter.submit(attempt) for attempt in attempts))
        seen, ids = _Seen(), [attempt.venue_order_id for attempt in attempts]

        async def cost() -> tuple[int, int]:
            with statements(venue) as heard:
                await adapter._round(seen, ids)
            return len(heard), sum("UPDATE" in statement for statement in heard)

        assert await cost() == (1, 0)
        venue.now += timedelta(seconds=1)
        for symbol in symbols:
            venue.price("99", "101", symbol)
        assert await cost() == (1, 0)
        for symbol in symbols:
            venue.price("98", "100", symbol)
        assert await cost() == (2, 1)
        assert await cost() == (1, 0)
        for symbol in symbols:
            venue.price("93", "94", symbol)
        assert await cost() == (3, 1)
        assert {order.state for order in seen.told.values()} == {OrderState.FILLED}
        assert len(seen.told) == 40
        assert await cost() == (1, 0)
        seen_before = seen.told.keys() & set(ids)
        await adapter._round(seen, ids[:3])
        assert seen.told.keys() == seen_before & set(ids[:3])

    run(case)


def test_news_is_told_until_nobody_waits_for_it(venue: Venue) -> None:
    """A listener that could not record a fill hears of it again."""

    async def case() -> None:
        adapter = await connected(venue)
        attempt = limit(95)
        await adapter.submit(attempt)
        waiting = [attempt]
        watch = adapter.watch(lambda: waiting)
        venue.price("93", "94")
        first, second = await anext(watch), await anext(watch)
        assert first == second
        assert first.state is OrderState.FILLED
        waiting.clear()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(watch), 0.05)

    run(case)


# How a worker builds it.


def test_settings_reach_the_venue() -> None:
    """Every paper setting is a rule; a seed makes two workers draw the same, none does not."""

    def rules(**settings: Any) -> PaperRules:
        context = SimpleNamespace(settings=load(**settings), store=None, quotes=None, clock=None)
        adapter = build(BrokerName.PAPER, cast("Context", context))
        assert isinstance(adapter, PaperAdapter)
        return adapter._rules

    made = rules(
        paper_slippage_model="uniform",
        paper_slippage=Decimal("0.002"),
        paper_seed=7,
        quote_max_age="5",
        paper_price_wait="6",
        paper_depth=Decimal(8),
        paper_execution_size=Decimal(9),
    )
    assert (made.slippage.model, made.slippage.rate) == ("uniform", Decimal("0.002"))
    assert (made.quote_max_age, made.price_wait) == (timedelta(seconds=5), timedelta(seconds=6))
    assert (made.depth, made.execution_size) == (Decimal(8), Decimal(9))
    names = [f"order:{number}" for number in range(20)]
    seeded = [seeded_draw(7)(name) for name in names]
    assert [made.slippage.draw(name) for name in names] == seeded
    assert [rules().slippage.draw(name) for name in names] != seeded
    assert [rules(paper_seed=0).slippage.draw(name) for name in names] == [
        seeded_draw(0)(name) for name in names
    ]
