"""`BinanceAdapter`: the `Broker` port over Binance spot, through ccxt, on the worker's one loop.

Orders go out with a timestamp and receive window that end at `send_by`, so that the venue itself
refuses a late one. What is waited for is polled, one by one while it is little, else by one
snapshot of open orders and a closer look at what left it or changed. Spot holds balances, not
positions, and a symbol's trades tell the rest.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import aiohttp

from execution.domain.capabilities import CAPABILITIES
from execution.domain.errors import (
    BrokerRejected,
    BrokerUnavailable,
    CredentialsRefused,
)
from execution.domain.instruments import Instrument
from execution.domain.market_data import Candle, OrderBook, PublicTrade
from execution.domain.ports import Attempt, Modification, Part
from execution.domain.reports import (
    Account,
    Execution,
    Quote,
    Unreadable,
    VenueOrder,
    VenuePosition,
)
from execution.domain.trading_rules import TradingRules
from execution.domain.vocabulary import BrokerName
from workers.adapters.answers import Unread, read
from workers.adapters.binance import client as clients
from workers.adapters.binance import wire
from workers.adapters.binance.budget import Budget, KeptPause
from workers.adapters.binance.evidence import Evidence, HeldBefore, forbid_unattributed
from workers.adapters.binance.history import History
from workers.adapters.binance.polling import Polling
from workers.adapters.binance.venue import Venue, utc_now
from workers.adapters.binance.wire import Json, milliseconds

_RULES_SECONDS = 3600.0
_CLOCK_SECONDS = 30.0
_SIGNED_SECONDS = 60.0
_STATUS_SECONDS = 3.0
_WEIGHT, _ORDERS = "REQUEST_WEIGHT", "ORDERS"
_BEFORE = timedelta(minutes=1)
_MOST_CANDLES, _MOST_PRICES = 1000, 5000


class BinanceAdapter:
    """Implements `execution.domain.ports.Broker` for a Binance spot account.

    `url` takes the place of Binance's address, `testnet` chooses its test network. `window` is from
    the intent of an order to its `send_by`. `absence_proven_after` is how long after that "no such
    order" is proof, `resends_within` as in `Capabilities`. `traded` gives our symbols that may have
    been traded, read anew whenever executions are asked for; `held_before` what the account held
    before a time by `clock`. `pause` is where it is kept until when Binance wants no request.
    `simulated`: nothing is signed for a venue that does not say so of itself, since behind a local
    address there may be the real one. `clock` gives aware UTC, by the clock that `send_by` goes by.
    `connector` is for tests with an address of their own.
    """

    name = BrokerName.BINANCE
    needs_loop = True

    def __init__(
        self,
        *,
        key: str,
        secret: str,
        testnet: bool,
        url: str | None,
        timeout: timedelta,
        window: timedelta,
        poll_interval: timedelta,
        absence_proven_after: timedelta,
        resends_within: timedelta,
        traded: Callable[[], Awaitable[Iterable[str]]],
        held_before: HeldBefore,
        is_real: bool,
        simulated: bool = False,
        pause: KeptPause | None = None,
        clock: Callable[[], datetime] = utc_now,
        connector: Callable[[], aiohttp.BaseConnector] | None = None,
    ) -> None:
        self.capabilities = replace(
            CAPABILITIES[BrokerName.BINANCE],
            absence_proven_after=absence_proven_after,
            resends_within=resends_within,
        )
        self._key, self._secret = key, secret
        self._testnet, self._url = testnet, url
        self._timeout, self._window = timeout, window
        self._poll_interval = poll_interval
        self._traded = traded
        self._is_real = is_real
        self._simulated = simulated
        self._now = clock
        self._connector = connector
        self._unread = Unread()
        # Beyond a connection: what the venue wants of us holds for the next one, too.
        self._budget = Budget(kept=pause)
        self._held_before = held_before
        self._seen: set[str] = set()
        self._open: tuple[Venue, History] | None = None
        self._loaded = self._clocked = self._signed = self._refreshed = 0.0

    async def connect(self) -> None:
        """Open on the running loop: clock, markets, and the account with its permission to trade.

        Raises CredentialsRefused for a key that Binance does not accept, or that may not trade.
        """
        opened = self._open is None
        if self._open is None:
            client = clients.make(
                key=self._key,
                secret=self._secret,
                testnet=self._testnet,
                url=self._url,
                timeout_seconds=self._timeout.total_seconds(),
                budget=self._budget,
                connector=self._connector() if self._connector else None,
            )
            venue = Venue(client, self.name.value, self._now, self._unread)
            self._open = (venue, History(venue, self._symbols))
        venue = self._venue()
        try:
            if self._simulated:
                await venue.ping()  # without the key
                clients.require_simulated(venue.client)
            await venue.set_clock()
            await self._load(venue)
            _check_may_trade(await venue.account())
            self._clocked = self._signed = time.monotonic()
        except BaseException:
            if opened:
                await self.close()
            raise

    async def close(self) -> None:
        if self._open is not None:
            (venue, _), self._open = self._open, None
            await clients.close(venue.client)

    async def health_check(self) -> None:
        """Ask the time, and once a minute what only an accepted key is told."""
        venue, now = self._venue(), time.monotonic()
        if now - self._clocked > _CLOCK_SECONDS or now - self._signed > _SIGNED_SECONDS:
            await venue.set_clock()
            self._clocked = now
        else:
            await venue.ping()
        if now - self._signed > _SIGNED_SECONDS:
            await venue.account()
            self._signed = now

    async def all_rules(self) -> Sequence[TradingRules]:
        venue = self._venue()
        if time.monotonic() - self._loaded > _RULES_SECONDS:
            await self._load(venue, again=True)
        return venue.listings.all_rules()

    async def rules(self, instrument: Instrument) -> TradingRules | None:
        """By the venue's latest word where it was not traded: it may be again since a moment."""
        listings = self._venue().listings
        listings.of(instrument)
        if not listings.trades(instrument.symbol):
            await listings.refresh([instrument.symbol])
            listings.of(instrument)
        return listings.rules(instrument.symbol)

    async def part(self, attempt: Attempt) -> Part | None:
        del attempt
        return None

    async def submit(self, attempt: Attempt) -> VenueOrder:
        self._seen.add(attempt.instrument.symbol)
        return await self._venue().place(attempt, self._window)

    async def cancel(self, attempt: Attempt) -> None:
        await self._venue().cancel(attempt)

    async def modify(self, attempt: Attempt, change: Modification) -> VenueOrder:
        """Nothing of a Binance order changes in place: it is cancelled, and another placed."""
        del attempt, change
        raise BrokerRejected("Binance changes no order in place", code="MODIFY")

    async def find(self, attempt: Attempt) -> VenueOrder | None:
        """The order with its trades so far.

        Once that could be proof, "no such order" is believed only when neither the list of all
        orders shows it, nor there is a trade whose order that list does not show, nor other
        `Evidence` of it.
        """
        venue, symbol = self._venue(), attempt.instrument.symbol
        self._seen.add(symbol)
        found = await venue.order(attempt)
        if found is None and self._could_be_proof(attempt):
            found = await self._look_everywhere(venue, attempt)
        if found is None:
            return None
        trades = await venue.trades(symbol, orderId=int(found.broker_order_id))
        return replace(found, executions=tuple(trades))

    def _could_be_proof(self, attempt: Attempt) -> bool:
        """Whether "no such order" would be believed by now: before, one cheap question will do."""
        wait = self.capabilities.absence_proven_after
        return attempt.send_by is None or self._now() >= attempt.send_by + wait

    async def _look_everywhere(self, venue: Venue, attempt: Attempt) -> VenueOrder | None:
        symbol = attempt.instrument.symbol
        since = attempt.send_by or attempt.created_at
        if since is None or symbol not in venue.listings:
            return None
        start = milliseconds(since - self._window - _BEFORE)
        orders = await venue.orders(symbol, startTime=start)
        orders += await venue.open_orders([symbol])
        for order in orders:
            if order.venue_order_id == attempt.venue_order_id:
                return order
        shown = {order.broker_order_id for order in orders}
        for trade in await venue.trades(symbol, startTime=start):
            forbid_unattributed(trade, attempt, shown)
        if attempt.broker_order_id is not None:
            return None
        evidence = Evidence(venue, self._symbols, self._held_before)
        await evidence.forbids_absence(attempt, since - self._window, shown)
        # Last of all: it may have become visible while the other questions were asked.
        return await venue.order(attempt)

    async def open_orders(self) -> Sequence[VenueOrder]:
        return await self._venue().open_orders()

    async def executions(self, since: datetime) -> Sequence[Execution]:
        _, history = self._opened()
        return await history.executions(since)

    def unreadable(self) -> Sequence[Unreadable]:
        return self._unread.take()

    async def watch(
        self, waiting: Callable[[], Sequence[Attempt]]
    ) -> AsyncGenerator[VenueOrder, None]:
        venue, history = self._opened()
        polling = Polling(venue, history, self.health_check)
        while True:
            attempts = waiting()
            self._seen |= {attempt.instrument.symbol for attempt in attempts}
            async for news in polling.round(attempts):
                yield news
            await asyncio.sleep(self._poll_interval.total_seconds())

    async def positions(self) -> Sequence[VenuePosition]:
        """None: a spot account holds balances (`account`)."""
        return ()

    async def account(self) -> Account:
        """Named by its uid; balances with what is locked in orders."""
        venue = self._venue()
        answer = await venue.account()
        held, name = read(wire.held, answer, self._unread), str(venue.uid)
        return Account(name, self._is_real, dict(held.balances), identity=name, as_of=held.as_of)

    async def accounts(self) -> Sequence[Account]:
        """The one that the key belongs to."""
        return [await self.account()]

    async def quote(self, instrument: Instrument) -> Quote:
        return await self._venue().quote(instrument)

    async def quotes(self, instruments: Sequence[Instrument]) -> Sequence[Quote]:
        """None of a symbol that is not traded now: at its last prices nobody can trade."""
        venue, symbols = self._venue(), [instrument.symbol for instrument in instruments]
        if time.monotonic() - self._refreshed > _STATUS_SECONDS:
            await venue.listings.refresh(symbols)
            self._refreshed = time.monotonic()
        return await venue.quotes(symbols)

    def halted(self, instruments: Sequence[Instrument]) -> Sequence[str]:
        """Those symbols that are listed and not traded now."""
        listings = self._venue().listings
        symbols = [instrument.symbol for instrument in instruments]
        return [one for one in symbols if one in listings and not listings.trades(one)]

    async def candles(
        self, instrument: Instrument, interval: str, since: datetime | None, limit: int
    ) -> Sequence[Candle]:
        request: dict[str, object] = {"interval": interval, "limit": min(limit, _MOST_CANDLES)}
        if since is not None:
            request["startTime"] = milliseconds(since)
        return await self._venue().candles(instrument, request)

    async def order_book(self, instrument: Instrument, limit: int) -> OrderBook:
        return await self._venue().order_book(instrument, min(limit, _MOST_PRICES))

    async def recent_trades(self, instrument: Instrument, limit: int) -> Sequence[PublicTrade]:
        return await self._venue().recent_trades(instrument, min(limit, _MOST_CANDLES))

    async def _symbols(self) -> set[str]:
        return self._seen | set(await self._traded())

    async def _load(self, venue: Venue, *, again: bool = False) -> None:
        if again or not venue.listings.all_rules():
            await venue.listings.load(again=again)
            limits = venue.listings.limits
            venue.client.budget.limits(limits.get(_WEIGHT), limits.get(_ORDERS))
            self._loaded = time.monotonic()

    def _venue(self) -> Venue:
        return self._opened()[0]

    def _opened(self) -> tuple[Venue, History]:
        if self._open is None:
            raise BrokerUnavailable("not connected to Binance")
        return self._open


def _check_may_trade(account: Json) -> None:
    if not account.get("canTrade"):
        raise CredentialsRefused("Binance: this key may not trade; give it spot trading")
