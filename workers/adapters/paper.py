"""PaperAdapter: a simulated venue whose book is in our database and whose prices are quotes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Protocol, TypeVar

from sqlalchemy import Connection

from execution.domain.capabilities import CAPABILITIES
from execution.domain.errors import (
    BrokerRejected,
    BrokerUnavailable,
    EventsUnavailable,
    OutcomeUnknown,
    StoreUnavailable,
)
from execution.domain.instruments import Instrument
from execution.domain.paper import Slippage, fill_price
from execution.domain.ports import Attempt, Modification
from execution.domain.reports import Account, Execution, Quote, VenueOrder, VenuePosition
from execution.domain.vocabulary import BrokerName, OrderState, OrderType, Side, TimeInForce
from execution.store import paper_book
from execution.store.engine import Store
from execution.store.paper_book import PaperFill, RestingOrder

T = TypeVar("T")


class QuoteSource(Protocol):
    """Where quotes come from; symbols without one are left out."""

    def get(self, symbols: Sequence[str]) -> dict[str, Quote]:
        """The last quotes. EventsUnavailable."""


class PaperAdapter:
    """The `Broker` port over a book in PostgreSQL.

    A MARKET order fills on a quote younger than `quote_max_age`, else at its reference price,
    else, when it stands in for a live one, on the last quote however old; without any price it
    waits `price_wait` for one and is then rejected. A LIMIT rests until a quote crosses it.
    """

    name = BrokerName.PAPER
    capabilities = CAPABILITIES[BrokerName.PAPER]

    def __init__(
        self,
        store: Store,
        quotes: QuoteSource,
        slippage: Slippage,
        *,
        account: str,
        quote_max_age: timedelta,
        price_wait: timedelta,
        poll_interval: timedelta,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._quotes = quotes
        self._slippage = slippage
        self._account = account
        self._quote_max_age = quote_max_age
        self._price_wait = price_wait
        self._poll_interval = poll_interval
        self._clock = clock
        self._connected = False

    async def connect(self) -> None:
        self._connected = True
        await self.health_check()

    async def close(self) -> None:
        self._connected = False

    async def health_check(self) -> None:
        await self._read(lambda connection: paper_book.find(connection, []))

    async def submit(self, attempt: Attempt) -> VenueOrder:
        if attempt.send_by is not None and self._clock() > attempt.send_by:
            raise BrokerRejected(f"came after {attempt.send_by.isoformat()}", code="LATE")
        quote = await self._quote(attempt.instrument.symbol)
        order = _resting(attempt, self._clock())
        what, note = self._match(order, quote)
        if what is None and order.order_type is OrderType.MARKET and not self._price_wait:
            raise BrokerRejected(self._no_price(order), code="NO_PRICE")
        immediate = attempt.time_in_force in {TimeInForce.IOC, TimeInForce.FOK}
        if what is not None:
            state = OrderState.FILLED
        elif immediate and attempt.order_type is not OrderType.MARKET:
            state = OrderState.CANCELLED
            note = f"{attempt.time_in_force}: not marketable"
        else:
            state = OrderState.SUBMITTED
        fills = [] if what is None else [what]
        await self._write(
            lambda connection: paper_book.place(
                connection, attempt, state, note, fills, now=order.accepted_at
            )
        )
        placed = await self.find(attempt)
        if placed is None:
            raise OutcomeUnknown("the paper book has lost an order")
        return placed

    async def cancel(self, attempt: Attempt) -> None:
        closed = await self._write(
            lambda connection: paper_book.close(
                connection, attempt.venue_order_id, OrderState.CANCELLED, "cancelled"
            )
        )
        if not closed:
            raise BrokerRejected("no such working order in the paper book", code="NOT_WORKING")

    async def modify(self, attempt: Attempt, change: Modification) -> VenueOrder:
        changed = await self._write(
            lambda connection: paper_book.amend(
                connection, attempt.venue_order_id, change.quantity, change.limit_price
            )
        )
        found = await self.find(attempt) if changed else None
        if found is None:
            raise BrokerRejected("no such working order in the paper book", code="NOT_WORKING")
        return found

    async def find(self, attempt: Attempt) -> VenueOrder | None:
        await self._match_resting([attempt.venue_order_id])
        found = await self._read(
            lambda connection: paper_book.find(connection, [attempt.venue_order_id])
        )
        return found[0] if found else None

    async def open_orders(self) -> Sequence[VenueOrder]:
        return await self._read(paper_book.working)

    async def executions(self, since: datetime) -> Sequence[Execution]:
        return await self._read(lambda connection: paper_book.executions(connection, since))

    async def positions(self) -> Sequence[VenuePosition]:
        return await self._read(paper_book.positions)

    async def account(self) -> Account:
        return Account(self._account, is_real=False, balances={})

    async def quote(self, instrument: Instrument) -> Quote:
        quote = await self._quote(instrument.symbol)
        if quote is None:
            raise BrokerUnavailable(f"there is no quote of {instrument.symbol}")
        return quote

    async def watch(
        self, waiting: Callable[[], Sequence[Attempt]]
    ) -> AsyncGenerator[VenueOrder, None]:
        """Match what rests against the quotes, round by round; yields what changed."""
        while True:
            for changed in await self._round([attempt.venue_order_id for attempt in waiting()]):
                yield changed
            await asyncio.sleep(self._poll_interval.total_seconds())

    async def _round(self, ids: Sequence[str]) -> Sequence[VenueOrder]:
        """Match what rests; returns what changed, and what no longer rests."""
        unchanged = await self._match_resting(ids)
        touched = [venue_order_id for venue_order_id in ids if venue_order_id not in unchanged]
        if not touched:
            return ()
        return await self._read(lambda connection: paper_book.find(connection, touched))

    async def _match_resting(self, ids: Sequence[str]) -> set[str]:
        """Match those of some orders that rest against the quotes; returns what still rests."""
        if not ids:
            return set()
        orders = await self._read(lambda connection: paper_book.resting(connection, ids))
        quotes = await self._quotes_of({order.symbol for order in orders})
        return {
            order.venue_order_id
            for order in orders
            if not await self._settle(order, quotes.get(order.symbol))
        }

    async def _settle(self, order: RestingOrder, quote: Quote | None) -> bool:
        """Fill or reject one resting order where that is due; True when it was."""
        what, _ = self._match(order, quote)
        if what is not None:
            return await self._write(lambda connection: paper_book.fill(connection, order, what))
        waited = self._clock() - order.accepted_at
        if order.order_type is OrderType.MARKET and waited > self._price_wait:
            reason = self._no_price(order)
            return await self._write(
                lambda connection: paper_book.close(
                    connection, order.venue_order_id, OrderState.REJECTED, reason
                )
            )
        return False

    def _no_price(self, order: RestingOrder) -> str:
        return (
            f"no price for {order.symbol} within {self._price_wait.total_seconds():g} s: "
            "no quote and no reference_price"
        )

    def _match(
        self, order: RestingOrder, quote: Quote | None
    ) -> tuple[PaperFill | None, str | None]:
        """What an order fills at now, and a note where its price is not a fresh quote's."""
        now, note = self._clock(), None
        if quote is not None and now - quote.at > self._quote_max_age:
            stale, quote = quote, None
        else:
            stale = None
        if quote is None and order.order_type is OrderType.MARKET:
            if order.reference_price is not None:
                price = order.reference_price
                quote = Quote(order.symbol, price, price, now, "reference_price")
                note = "priced on its reference_price"
            elif stale is not None and order.rerouted:
                age = (now - stale.at).total_seconds()
                quote, note = stale, f"priced on a stale quote, {age:.0f} s old"
        if quote is None:
            return None, None
        price_now = fill_price(
            order.side, order.order_type, order.limit_price, quote, self._slippage
        )
        if price_now is None:
            return None, None
        return PaperFill(order.leaves_quantity, price_now, now), note

    async def _quote(self, symbol: str) -> Quote | None:
        return (await self._quotes_of({symbol})).get(symbol)

    async def _quotes_of(self, symbols: set[str]) -> dict[str, Quote]:
        """Quotes, or none at all while Redis is away: orders then wait or use their reference."""
        try:
            return await asyncio.to_thread(self._quotes.get, sorted(symbols))
        except EventsUnavailable:
            return {}

    async def _read(self, query: Callable[[Connection], T]) -> T:
        try:
            return await asyncio.to_thread(self._run, query)
        except StoreUnavailable as error:
            raise BrokerUnavailable(f"the paper book is away: {error}") from error

    async def _write(self, change: Callable[[Connection], T]) -> T:
        try:
            return await asyncio.to_thread(self._run, change)
        except StoreUnavailable as error:
            # The connection may have broken after the commit: only the book can tell.
            raise OutcomeUnknown(f"the paper book is away: {error}") from error

    def _run(self, query: Callable[[Connection], T]) -> T:
        if not self._connected:
            raise BrokerUnavailable("not connected")
        with self._store.statement() as connection:
            return query(connection)


def _resting(attempt: Attempt, now: datetime) -> RestingOrder:
    return RestingOrder(
        venue_order_id=attempt.venue_order_id,
        symbol=attempt.instrument.symbol,
        side=Side(attempt.side),
        order_type=attempt.order_type,
        quantity=attempt.quantity,
        filled_quantity=Decimal(0),
        limit_price=attempt.limit_price,
        reference_price=attempt.reference_price,
        rerouted=attempt.rerouted,
        accepted_at=now,
    )
