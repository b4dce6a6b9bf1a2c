"""Questions and orders to Binance in our terms; every error is one of the port's."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import ccxt

from execution.domain.errors import (
    BrokerRejected,
    BrokerUnavailable,
    OutcomeUnknown,
    RejectionScope,
)
from execution.domain.instruments import Instrument
from execution.domain.market_data import Candle, OrderBook, PublicTrade
from execution.domain.ports import Attempt
from execution.domain.reports import Execution, Quote, VenueOrder
from execution.domain.vocabulary import OrderState
from execution.store.clock import now
from workers.adapters.answers import Unread, decimal, outcome, read
from workers.adapters.binance import outcomes, wire
from workers.adapters.binance.budget import Count, urgent
from workers.adapters.binance.client import Client
from workers.adapters.binance.listings import Listings, as_parameter
from workers.adapters.binance.outcomes import Outcome
from workers.adapters.binance.wire import Json

PAGE = 1000
"""Most orders or trades in one answer."""
_NAMES_KEPT = 100_000
_COUNTS_KEPT = 10_000
_LONGEST_SKEW = timedelta(seconds=30)


T = TypeVar("T")


def utc_now() -> datetime:
    """The process's clock."""
    return now()


class Venue:
    """One client's conversation with Binance, once it is connected.

    `clock` is the one that `send_by` is reckoned by (the database's, in a worker), as aware UTC.
    `names` remembers what orders are called by whoever placed them, since trades do not say it.
    `uid` is Binance's name of the account, known once it was asked for. `unread` has the trades
    that could not be read.
    """

    def __init__(
        self,
        client: Client,
        source: str,
        clock: Callable[[], datetime] = utc_now,
        unread: Unread | None = None,
    ) -> None:
        self.client = client
        self.unread = unread or Unread()
        self.offset = timedelta(0)
        self._clock = clock
        self.uid: str | None = None
        self._source = source
        self.listings = Listings(client, self._question, self.unread)
        self._names: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._counted: OrderedDict[str, Count] = OrderedDict()

    async def set_clock(self) -> None:
        """Measure how far the venue's clock is ahead of ours. BrokerUnavailable when very far.

        Of `clock`, which orders go by (`offset`), and of the process's, which ccxt goes by.
        """
        here, asked, began = datetime.now(UTC), self._clock(), time.monotonic()
        answer = await self._question(self.client.public_get_time())
        there = read(_server_time, answer)
        half = timedelta(seconds=(time.monotonic() - began) / 2)
        self.offset = there - asked - half
        ahead = there - here - half
        if abs(self.offset) > _LONGEST_SKEW:
            raise BrokerUnavailable(
                f"Binance's clock and ours are {self.offset.total_seconds():.1f} s apart"
            )
        self.client.options["timeDifference"] = -(ahead // timedelta(milliseconds=1))
        self.client.budget.ahead = ahead.total_seconds()

    async def account(self) -> Json:
        """The account: uid, permissions, balances, updateTime."""
        answer: Json = await self._question(self.client.private_get_account({}))
        self.uid = read(_uid, answer)
        return answer

    async def place(self, attempt: Attempt, window: timedelta) -> VenueOrder:
        """POST an order once. What the answer, or its absence, proves: `outcomes`."""
        market = self.listings.of(attempt.instrument)
        now = self._clock() + self.offset
        parameters = wire.submission(attempt, market, window=window, offset=self.offset, now=now)
        self._counts(attempt.venue_order_id)
        with urgent():
            self.client.budget.take_order()
            try:
                answer = await self._change(self.client.private_post_order(dict(parameters)))
            except BrokerRejected as refusal:
                if refusal.scope is RejectionScope.SYMBOL:
                    self.listings.halt(attempt.instrument.symbol)
                raise
        taken = outcome(wire.accepted, answer, attempt.instrument.symbol, self.uid)
        self._remember(attempt.instrument.symbol, taken)
        return taken

    def _counts(self, venue_order_id: str) -> None:
        """Remember how many orders the account had placed before one is sent."""
        today = self.client.budget.today
        if today is not None:
            self._counted[venue_order_id] = today
            while len(self._counted) > _COUNTS_KEPT:
                self._counted.popitem(last=False)

    def counted_before(self, venue_order_id: str) -> Count | None:
        """The account's count of unfilled orders before one was sent; None where unknown."""
        return self._counted.get(venue_order_id)

    async def unfilled_today(self) -> Count | None:
        """The account's count of unfilled orders of this day, now."""
        answer = await self._question(self.client.private_get_ratelimit_order({}))
        found = read(_of_the_day, answer)
        return None if found is None else Count(self._clock() + self.offset, found)

    async def cancel(self, attempt: Attempt) -> None:
        """DELETE an order. BrokerRejected when it ended otherwise, or there is none.

        aiohttp sends a DELETE again that fails on a connection used before. So "unknown order" may
        be the answer to a second one: then the order itself tells.
        """
        market = self.listings.of(attempt.instrument)
        with urgent():
            try:
                await self._change(
                    self.client.private_delete_order({"symbol": market, **_known(attempt)})
                )
            except BrokerRejected:
                found = await self.order(attempt)
                if found is None or found.state is not OrderState.CANCELLED:
                    raise

    async def order(self, attempt: Attempt, trades: Sequence[Execution] = ()) -> VenueOrder | None:
        """GET an order by its id, else by ours; None when the venue says there is none."""
        market = self.listings.of(attempt.instrument)
        request = {"symbol": market, **_known(attempt)}
        try:
            answer = await self.client.private_get_order(request)
        except ccxt.BaseError as error:
            if outcomes.outcome_of(error) is Outcome.ABSENT:
                return None
            raise outcomes.of_question(error) from error
        try:
            return self._order(answer, attempt.instrument.symbol, trades)
        except BrokerUnavailable as error:
            self.unread.add("order", answer, error)
            raise

    async def open_orders(self, symbols: Sequence[str] | None = None) -> list[VenueOrder]:
        """Every working order, or those of some symbols."""
        if symbols is None:
            answers = [await self._question(self.client.private_get_openorders({}))]
        else:
            answers = []
            for symbol in symbols:
                with suppress(outcomes.NotListed):
                    question = {"symbol": self.listings.market(symbol)}
                    asked = self.client.private_get_openorders(question)
                    answers.append(await self._about(symbol, asked))

        def order(item: Json) -> VenueOrder | None:
            symbol = self.listings.symbol(item["symbol"])
            return None if symbol is None else self._read_order(item, symbol)

        items = [item for answer in answers for item in read(_list, answer)]
        found = self.unread.each(order, items, "order")
        return [one for one in found if one is not None]

    async def orders(self, symbol: str, **since: int) -> list[VenueOrder]:
        """Orders of a symbol in any state, oldest first: from `orderId` on, or `startTime`.

        What cannot be read of one is that order's trouble.
        """
        found: list[VenueOrder] = []
        request: dict[str, Any] = {"symbol": self.listings.market(symbol), "limit": PAGE, **since}
        while True:
            answer = await self._about(symbol, self.client.private_get_allorders(dict(request)))
            page = read(_list, answer)
            found += self._read_orders(symbol, page)
            if len(page) < PAGE:
                return found
            request = {
                "symbol": self.listings.market(symbol),
                "limit": PAGE,
                "orderId": read(_last_order_id, page) + 1,
            }

    async def trades(self, symbol: str, **which: int) -> list[Execution]:
        """Trades of a symbol, oldest first: of `orderId`, from `fromId` or `startTime` on."""
        items: list[Json] = []
        request: dict[str, Any] = {"symbol": self.listings.market(symbol), "limit": PAGE, **which}
        while True:
            answer = await self._about(symbol, self.client.private_get_mytrades(dict(request)))
            page = read(_list, answer)
            items += page
            if len(page) < PAGE:
                break
            request = {
                name: request[name] for name in ("symbol", "limit", "orderId") if name in request
            }
            request["fromId"] = read(_last_id, page) + 1
        await self._learn_names(symbol, {str(item.get("orderId")) for item in items})

        def trade(item: Json) -> Execution:
            name = self._names.get((symbol, str(item["orderId"])))
            return wire.trade(item, symbol, name, self.uid, self.unread)

        found = self.unread.each(trade, items, f"trade of {symbol}")
        return sorted(found, key=lambda trade: int(trade.execution_id))

    async def quote(self, instrument: Instrument) -> Quote:
        """Best bid and ask now."""
        found = await self._quotes({"symbol": self.listings.market(instrument.symbol)})
        if not found or not 0 < found[0].bid <= found[0].ask:
            raise BrokerUnavailable(f"Binance has no market of {instrument.symbol}")
        return found[0]

    async def quotes(self, symbols: Sequence[str]) -> list[Quote]:
        """Best bid and ask of several symbols, in one request; what has no market is left out."""
        markets = [self.listings.market(one) for one in symbols if one in self.listings]
        if not markets:
            return []
        try:
            found = await self._quotes({"symbols": as_parameter(markets)})
        except outcomes.NotListed:
            await self.listings.refresh(symbols)
            return []
        return [quote for quote in found if quote.bid > 0 and self.listings.trades(quote.symbol)]

    async def _quotes(self, request: dict[str, str]) -> list[Quote]:
        answer = await self._question(self.client.public_get_ticker_bookticker(request))
        return read(self._as_quotes, [answer] if isinstance(answer, dict) else answer)

    def _as_quotes(self, items: Sequence[Json]) -> list[Quote]:
        at = now()

        def quote(item: Json) -> Quote:
            symbol = self.listings.symbol(item["symbol"]) or ""
            bid, ask = decimal(item["bidPrice"]), decimal(item["askPrice"])
            return Quote(symbol, bid, ask, at, self._source)

        return self.unread.each(quote, items, "quote")

    async def ping(self) -> None:
        """Ask for nothing but an answer."""
        await self._question(self.client.public_get_ping())

    async def candles(self, instrument: Instrument, request: Mapping[str, object]) -> list[Candle]:
        """GET klines."""
        market = self.listings.market(instrument.symbol)
        answer = await self._question(self.client.public_get_klines({"symbol": market, **request}))
        return read(wire.candles, answer)

    async def order_book(self, instrument: Instrument, limit: int) -> OrderBook:
        """GET depth."""
        request = {"symbol": self.listings.market(instrument.symbol), "limit": limit}
        answer = await self._question(self.client.public_get_depth(request))
        return read(wire.order_book, instrument.symbol, answer, self._source)

    async def recent_trades(self, instrument: Instrument, limit: int) -> list[PublicTrade]:
        """GET trades."""
        request = {"symbol": self.listings.market(instrument.symbol), "limit": limit}
        answer = await self._question(self.client.public_get_trades(request))
        return read(wire.public_trades, answer)

    async def _learn_names(self, symbol: str, order_ids: set[str]) -> None:
        unknown = {one for one in order_ids if (symbol, one) not in self._names and one.isdigit()}
        if unknown:
            await self.orders(symbol, orderId=min(map(int, unknown)))

    def _order(self, item: Json, symbol: str, trades: Sequence[Execution] = ()) -> VenueOrder:
        return read(self._read_order, item, symbol, trades)

    def _read_orders(self, symbol: str, items: Iterable[Json]) -> list[VenueOrder]:
        return self.unread.each(lambda item: self._read_order(item, symbol), items, "order")

    def _read_order(self, item: Json, symbol: str, trades: Sequence[Execution] = ()) -> VenueOrder:
        found = wire.order(item, symbol, trades)
        self._remember(symbol, found)
        return found

    def _remember(self, symbol: str, order: VenueOrder) -> None:
        """Keep what an order is called; called otherwise before, it is another: ids began anew."""
        if order.venue_order_id:
            key = (symbol, order.broker_order_id)
            if self._names.get(key, order.venue_order_id) != order.venue_order_id:
                self._names.clear()
                self._counted.clear()
            self._names[symbol, order.broker_order_id] = order.venue_order_id
            while len(self._names) > _NAMES_KEPT:
                self._names.popitem(last=False)

    async def _about(self, symbol: str, call: Awaitable[T]) -> T:
        """The answer to a question about one symbol, which may be delisted by now."""
        try:
            return await self._question(call)
        except outcomes.NotListed as error:
            self.listings.delist(symbol, error)
            raise

    async def _question(self, call: Awaitable[T]) -> T:
        try:
            return await call
        except ccxt.BaseError as error:
            raise outcomes.of_question(error) from error

    async def _change(self, call: Awaitable[Any]) -> Json:
        try:
            answer: Json = await call
        except ccxt.BaseError as error:
            raise outcomes.of_change(error) from error
        if not isinstance(answer, dict):
            raise OutcomeUnknown("Binance's answer is no JSON object")
        return answer


def _known(attempt: Attempt) -> dict[str, str]:
    """The venue's own id, where we have it: ours is unique among open orders only."""
    if attempt.broker_order_id is not None:
        return {"orderId": attempt.broker_order_id}
    return {"origClientOrderId": attempt.venue_order_id}


def _of_the_day(counts: Sequence[Json]) -> int | None:
    found = (item["count"] for item in counts if item["interval"] == "DAY")
    return next((int(count) for count in found), None)


def _list(answer: Any) -> list[Any]:
    if not isinstance(answer, list):
        raise TypeError(f"{type(answer).__name__} is no list")
    return answer


def _server_time(answer: Json) -> datetime:
    return wire.moment(answer["serverTime"])


def _uid(answer: Json) -> str:
    return str(answer["uid"])


def _last_order_id(page: Sequence[Json]) -> int:
    return max(int(item["orderId"]) for item in page)


def _last_id(page: Sequence[Json]) -> int:
    return max(item["id"] for item in page if isinstance(item["id"], int))
