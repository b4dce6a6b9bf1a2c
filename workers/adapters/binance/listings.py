"""Which symbols Binance lists, what it takes of each, and whether each is traded now."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from execution.domain.errors import BrokerRejected, BrokerUnavailable, RejectionScope
from execution.domain.instruments import Instrument
from execution.domain.trading_rules import TradingRules
from workers.adapters.answers import Unread, read
from workers.adapters.binance import outcomes, wire
from workers.adapters.binance.client import Client
from workers.adapters.binance.wire import Json

T = TypeVar("T")
Question = Callable[[Awaitable[Any]], Awaitable[Any]]


class Listings:
    """Symbols in our spelling and Binance's. `ask` awaits a question, with the port's errors."""

    def __init__(self, client: Client, ask: Question, unread: Unread) -> None:
        self._client, self._ask, self._unread = client, ask, unread
        self._markets: dict[str, str] = {}
        self._symbols: dict[str, str] = {}
        self._rules: dict[str, TradingRules] = {}
        self.limits: dict[str, int] = {}

    async def load(self, *, again: bool = False) -> None:
        """Read which symbols there are, what each takes, and the venue's limits.

        `limits`: REQUEST_WEIGHT a minute, ORDERS in ten seconds.
        """
        if self._markets and not again:
            return
        loaded = await self._ask(self._client.load_markets(again))
        spot = [market for market in loaded.values() if market["spot"]]
        rules = {one.symbol: one for one in self._unread.each(_rules_of, spot, "symbol")}
        markets = {_symbol_of(market): market["id"] for market in spot}
        markets = {symbol: market for symbol, market in markets.items() if symbol in rules}
        one = next(iter(markets.values()), None)
        if one is None:
            raise BrokerUnavailable("Binance lists no symbols")
        # ccxt keeps the symbols of this answer only.
        said = await self._ask(self._client.public_get_exchangeinfo({"symbol": one}))
        self.limits = read(_limits, said)
        self._rules, self._markets = rules, markets
        self._symbols = {market: symbol for symbol, market in markets.items()}

    async def refresh(self, symbols: Iterable[str]) -> None:
        """Read anew what it takes of some symbols, and whether they are traded now.

        One that it lists no more is known as such from then on.
        """
        listed = [symbol for symbol in symbols if symbol in self._markets]
        if not listed:
            return
        request = {"symbols": as_parameter(self._markets[symbol] for symbol in listed)}
        try:
            answer = await self._ask(self._client.public_get_exchangeinfo(request))
        except outcomes.NotListed as error:
            if len(listed) == 1:
                self.delist(listed[0], error)
                return
            for symbol in listed:
                await self.refresh([symbol])
            return
        for item in read(_symbols_in, answer):
            symbol = self._symbols.get(str(item.get("symbol")), "")
            if symbol:
                found = self._unread.optional(_read_rules(symbol), item, "symbol")
                self._rules[symbol] = found or self._rules[symbol]

    def delist(self, symbol: str, error: Exception) -> None:
        """Ask no more about a symbol that is not listed any more; somebody is told, once."""
        market = self._markets.pop(symbol, None)
        self._rules.pop(symbol, None)
        if market is not None:
            self._symbols.pop(market, None)
            self._unread.add("what is asked of a symbol that was traded here:", symbol, error)

    def halt(self, symbol: str) -> None:
        """The venue has just refused an order for its symbol's state."""
        if symbol in self._rules:
            self._rules[symbol] = replace(self._rules[symbol], tradable=False)

    def trades(self, symbol: str) -> bool:
        """Whether the venue takes orders of a symbol now, as far as is known."""
        return symbol in self._rules and self._rules[symbol].tradable

    def of(self, instrument: Instrument) -> str:
        """Binance's name of an instrument. BrokerRejected (TERMS) when it lists none."""
        market = self._markets.get(instrument.symbol)
        if market is None:
            raise BrokerRejected(
                f"symbol: {instrument.symbol} is not listed at Binance",
                code="-1121",
                scope=RejectionScope.TERMS,
            )
        return market

    def market(self, symbol: str) -> str:
        """Binance's name of a symbol. NotListed."""
        market = self._markets.get(symbol)
        if market is None:
            raise outcomes.NotListed(f"{symbol} is not listed at Binance")
        return market

    def symbol(self, market: object) -> str | None:
        """Our name of what Binance calls so; None for what it does not list."""
        return self._symbols.get(str(market))

    def __contains__(self, symbol: str) -> bool:
        """Whether a symbol of ours is listed there."""
        return symbol in self._markets

    def rules(self, symbol: str) -> TradingRules:
        """What the venue takes of a symbol it lists."""
        return self._rules[symbol]

    def all_rules(self) -> Sequence[TradingRules]:
        """What it takes of each."""
        return tuple(self._rules.values())


def as_parameter(markets: Iterable[str]) -> str:
    """Symbols as Binance takes several."""
    return json.dumps(list(markets), separators=(",", ":"), ensure_ascii=False)


def _symbols_in(answer: Json) -> list[Json]:
    return list(answer["symbols"])


def _symbol_of(market: Json) -> str:
    return f"{market['base']}-{market['quote']}"


def _rules_of(market: Json) -> TradingRules:
    return wire.rules(_symbol_of(market), market["info"])


def _read_rules(symbol: str) -> Callable[[Json], TradingRules]:
    return lambda item: wire.rules(symbol, item)


def _limits(information: Json) -> dict[str, int]:
    windows = {("REQUEST_WEIGHT", "MINUTE", 1), ("ORDERS", "SECOND", 10)}
    return {
        limit["rateLimitType"]: int(limit["limit"])
        for limit in information["rateLimits"]
        if (limit["rateLimitType"], limit["interval"], limit["intervalNum"]) in windows
    }
