"""PaperAdapter: a simulated venue whose book is in our database and whose prices are quotes."""

from __future__ import annotations

import asyncio
from collections.abc import (
    AsyncGenerator,
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection

from execution.domain.capabilities import CAPABILITIES
from execution.domain.decimals import plain
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
from execution.domain.paper.amending import amend
from execution.domain.paper.matching import match, would_take
from execution.domain.paper.order import PaperOrder, accept, covering, needs_session
from execution.domain.paper.trading import Matched, PaperRules, one_of_each_group
from execution.domain.ports import Attempt, Modification, Part
from execution.domain.reports import Account, Execution, Quote, VenueOrder, VenuePosition
from execution.domain.trading_rules import TradingRules
from execution.domain.vocabulary import BrokerName, OrderState
from execution.store import alerts, paper_book
from execution.store.engine import Store

T = TypeVar("T")


class QuoteSource(Protocol):
    """Where quotes come from; symbols without one are left out."""

    def get(self, symbols: Sequence[str]) -> dict[str, Quote]:
        """The last quotes. EventsUnavailable."""

    def want(self, symbols: Iterable[str]) -> None:
        """Ask for new ones. EventsUnavailable."""


@dataclass(slots=True)
class _Seen:
    """What one watch knows of the book, by our ids: orders as last read, and news as last told."""

    orders: dict[str, PaperOrder] = field(default_factory=dict)
    told: dict[str, VenueOrder] = field(default_factory=dict)

    def only(self, ids: Collection[str]) -> None:
        """Forget every other order."""
        for known in (self.orders, self.told):
            for gone in known.keys() - set(ids):
                del known[gone]


class PaperAdapter:
    """The `Broker` port over a book in PostgreSQL.

    What an order does at a quote is decided by `execution.domain.paper.matching`; this class reads
    the book, the quotes and the clock, and writes what came of it.
    """

    name = BrokerName.PAPER
    capabilities = CAPABILITIES[BrokerName.PAPER]
    needs_loop = False

    def __init__(
        self,
        store: Store,
        quotes: QuoteSource,
        rules: PaperRules,
        hours: MarketHours,
        *,
        account: str,
        poll_interval: timedelta,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._quotes = quotes
        self._rules = rules
        self._hours = hours
        self._account = account
        self._poll_interval = poll_interval
        self._clock = clock
        self._connected = False

    async def connect(self) -> None:
        self._connected = True
        await self.health_check()

    async def close(self) -> None:
        self._connected = False

    async def health_check(self) -> None:
        await self._ask(lambda connection: paper_book.find(connection, []))

    async def all_rules(self) -> Sequence[TradingRules]:
        return ()

    async def rules(self, instrument: Instrument) -> TradingRules | None:
        del instrument
        return None

    async def quotes(self, instruments: Sequence[Instrument]) -> Sequence[Quote]:
        del instruments
        return ()

    async def part(self, attempt: Attempt) -> Part | None:
        del attempt
        return None

    async def submit(self, attempt: Attempt) -> VenueOrder:
        now, close = self._clock(), None
        if needs_session(attempt):
            close = await _off_the_loop(self._hours.close_after, attempt.instrument, now)
        if not self._connected:
            raise BrokerUnavailable("not connected")
        with _unreachable(OutcomeUnknown):
            return await _off_the_loop(self._place, attempt, now, close)

    def _place(self, attempt: Attempt, now: datetime, close: datetime | None) -> VenueOrder:
        """Look at the market and put an order into the book, all on one thread."""
        symbol = attempt.instrument.symbol
        quote = self._read_quotes({symbol}).get(symbol)
        if attempt.post_only and would_take(attempt, quote, now, self._rules):
            raise BrokerRejected("post_only: it would take at once", code="POST_ONLY")
        if attempt.one_cancels_other is None:
            matched = self._matched(accept(attempt, now, close), quote, now)
            if matched.stale_by is None:
                with self._store.direct() as link:
                    placed = paper_book.place(link, attempt, matched)
            else:
                with self._store.transaction() as connection:
                    placed = paper_book.place(connection, attempt, matched)
                    _alert_of(connection, [matched])
        else:
            with self._store.transaction() as connection:
                paper_book.lock_group(connection, attempt.one_cancels_other)
                order = accept(attempt, now, close)
                order = covering(order, _unknown_fills(connection, order, attempt.group_filled))
                matched = self._matched(order, quote, now)
                placed = paper_book.place(connection, attempt, matched)
                _alert_of(connection, [matched])
        if placed is None:
            raise TooLate(f"came after {attempt.send_by}")
        return placed

    def _matched(self, order: PaperOrder, quote: Quote | None, now: datetime) -> Matched:
        """A new order after its first look at the market. BrokerRejected without a price."""
        matched = Matched(order) if order.state.is_final else match(order, quote, now, self._rules)
        if matched.order.state is OrderState.REJECTED:
            raise BrokerRejected(matched.order.reason or "rejected", code="NO_PRICE")
        return matched

    async def cancel(self, attempt: Attempt) -> None:
        closed = await self._tell(
            lambda connection: paper_book.close(
                connection, attempt.venue_order_id, OrderState.CANCELLED, "cancelled"
            )
        )
        if not closed:
            raise _not_working()

    async def modify(self, attempt: Attempt, change: Modification) -> VenueOrder:
        if change.send_by is not None and self._clock() > change.send_by:
            raise BrokerRejected(f"came after {change.send_by}", code="LATE")
        await self._tell(lambda connection: _modify(connection, attempt.venue_order_id, change))
        with _unreachable(OutcomeUnknown):
            found = await self._find(attempt.venue_order_id)
        if found is None:
            raise _not_working()
        return found

    async def find(self, attempt: Attempt) -> VenueOrder | None:
        with _unreachable(BrokerUnavailable):
            return await self._find(attempt.venue_order_id)

    async def open_orders(self) -> Sequence[VenueOrder]:
        return await self._ask(paper_book.working)

    async def executions(self, since: datetime) -> Sequence[Execution]:
        return await self._ask(lambda connection: paper_book.executions(connection, since))

    async def positions(self) -> Sequence[VenuePosition]:
        return await self._ask(paper_book.positions)

    async def account(self) -> Account:
        return Account(self._account, is_real=False, balances={})

    async def accounts(self) -> Sequence[Account]:
        """The default one; the book takes any label."""
        return [await self.account()]

    async def quote(self, instrument: Instrument) -> Quote:
        quote = await self._quote(instrument.symbol)
        if quote is None:
            raise BrokerUnavailable(f"there is no quote of {instrument.symbol}")
        return quote

    async def watch(
        self, waiting: Callable[[], Sequence[Attempt]]
    ) -> AsyncGenerator[VenueOrder, None]:
        """Match what rests against the quotes, round by round.

        What has filled or ended is told in every round, for as long as it is waited for: its
        listener may have been unable to record it.
        """
        seen = _Seen()
        while True:
            with _unreachable(BrokerUnavailable):
                await self._round(seen, [attempt.venue_order_id for attempt in waiting()])
            for news in list(seen.told.values()):
                yield news
            await asyncio.sleep(self._poll_interval.total_seconds())

    async def _round(self, seen: _Seen, ids: Sequence[str]) -> None:
        """Look at all orders once; a few statements however many they are."""
        seen.only(ids)
        if not ids:
            return
        known = {name: seen.orders[name].version if name in seen.orders else 0 for name in ids}
        changed = await self._run(lambda connection: paper_book.changed(connection, known))
        seen.orders.update((order.venue_order_id, order) for order in changed)
        touched = {order.venue_order_id for order in changed} | await self._match(seen.orders)
        news = [name for name in touched if seen.orders[name].state is not OrderState.SUBMITTED]
        if news:
            told = await self._run(lambda connection: paper_book.find(connection, news))
            seen.told.update((said.venue_order_id or "", said) for said in told)

    async def _find(self, name: str) -> VenueOrder | None:
        """An order of the book, looked at once."""
        changed = await self._run(lambda connection: paper_book.changed(connection, {name: 0}))
        await self._match({order.venue_order_id: order for order in changed})
        found = await self._run(lambda connection: paper_book.find(connection, [name]))
        return found[0] if found else None

    async def _match(self, orders: dict[str, PaperOrder]) -> set[str]:
        """Look at those orders that rest, and write what came of it; returns which changed."""
        resting = [order for order in orders.values() if not order.state.is_final]
        quotes = await self._quotes_of({order.symbol for order in resting})
        now = self._clock()
        looked = [match(order, quotes.get(order.symbol), now, self._rules) for order in resting]
        changes = [
            after
            for before, after in zip(resting, looked, strict=True)
            if after.order is not before
        ]
        changes = one_of_each_group(changes)
        if not changes:
            return set()
        stale = [change for change in changes if change.stale_by is not None]
        if stale:
            await self._run(lambda connection: _alert_of(connection, stale))
        done = await self._run(lambda connection: paper_book.apply(connection, changes))
        for change in changes:
            order = change.order
            if order.venue_order_id in done:
                orders[order.venue_order_id] = replace(order, version=order.version + 1)
        return done

    async def _quote(self, symbol: str) -> Quote | None:
        return (await self._quotes_of({symbol})).get(symbol)

    async def _quotes_of(self, symbols: set[str]) -> dict[str, Quote]:
        return await _off_the_loop(self._read_quotes, symbols) if symbols else {}

    def _read_quotes(self, symbols: set[str]) -> dict[str, Quote]:
        """Quotes, or none at all while Redis is away: orders then wait or use their reference."""
        try:
            found = self._quotes.get(sorted(symbols))
            self._want(symbols, found)
        except EventsUnavailable:
            return {}
        return found

    def _want(self, symbols: set[str], found: Mapping[str, Quote]) -> None:
        """Ask for new quotes well before the last ones are too old."""
        fresh = self._clock() - self._rules.quote_max_age / 2
        self._quotes.want(
            symbol for symbol in symbols if symbol not in found or found[symbol].at < fresh
        )

    async def _ask(self, query: Callable[[Connection], T]) -> T:
        with _unreachable(BrokerUnavailable):
            return await self._run(query)

    async def _tell(self, change: Callable[[Connection], T]) -> T:
        # The connection may have broken after the commit: only the book can tell.
        with _unreachable(OutcomeUnknown):
            return await self._run(change)

    async def _run(self, work: Callable[[Connection], T]) -> T:
        """Run statements that commit by themselves on a thread. StoreUnavailable."""
        if not self._connected:
            raise BrokerUnavailable("not connected")
        return await _off_the_loop(self._on_thread, work)

    def _on_thread(self, work: Callable[[Connection], T]) -> T:
        with self._store.statement() as connection:
            return work(connection)


async def _off_the_loop(work: Callable[..., T], *arguments: Any) -> T:
    """Do blocking work: on a thread when an event loop must not wait, else right here."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return work(*arguments)
    return await asyncio.to_thread(work, *arguments)


@contextmanager
def _unreachable(meaning: type[BrokerUnavailable | OutcomeUnknown]) -> Iterator[None]:
    """Give a book that does not answer the meaning it has for what was being done."""
    try:
        yield
    except StoreUnavailable as error:
        raise meaning(f"the paper book is away: {error}") from error


def _alert_of(connection: Connection, matched: Sequence[Matched]) -> None:
    """Raise an alert for each fill at a price that was no market any more."""
    for one in matched:
        if one.stale_by is not None and one.fills:
            order, price = one.order, plain(one.fills[0].price)
            alerts.alert(
                connection,
                alerts.STALE_PRICE,
                order.venue_order_id,
                f"order {order.client_order_id} was filled on paper at {price}, on a quote "
                f"{one.stale_by.total_seconds():.0f} s old: its live broker is not available, and "
                f"nobody has quoted {order.symbol} since",
                broker=BrokerName.PAPER,
            )


def _modify(connection: Connection, name: str, change: Modification) -> None:
    """Modify an order as it stands, anew when it changed meanwhile. BrokerRejected."""
    while True:
        standing = paper_book.changed(connection, {name: 0})
        if not standing:
            raise _not_working()
        unknown = _unknown_fills(connection, standing[0], change.group_filled)
        amended = amend(standing[0], change, unknown)
        if paper_book.apply(connection, [Matched(amended)]):
            return


def _unknown_fills(connection: Connection, order: PaperOrder, known: Decimal | None) -> Decimal:
    """What others of an order's group have filled beyond what was known when it was sized.

    Read after the order: a fill of another raises the order's version.
    """
    if known is None or order.one_cancels_other is None:
        return Decimal(0)
    return paper_book.group_filled(connection, order) - known


def _not_working() -> BrokerRejected:
    return BrokerRejected("no such working order in the paper book", code="NOT_WORKING")
