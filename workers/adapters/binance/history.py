"""Trades of the account, symbol by symbol, asked for no more often than something happened.

Binance tells trades only by symbol, for a fifth of a percent of a minute's weight each. So all
symbols are looked through when nothing is known yet, once a minute, and whenever the balances have
changed; otherwise one question for the account is enough.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from execution.domain.reports import Execution
from workers.adapters.binance.outcomes import NotListed
from workers.adapters.binance.venue import Venue
from workers.adapters.binance.wire import Json, milliseconds

_LOOK_AGAIN_SECONDS = 60.0
_OVERLAP = timedelta(minutes=10)
_KEPT = timedelta(days=2)


class History:
    """What was traded since a session connected, and before that as far as was asked.

    `symbols` gives those that may have been traded, in our spelling, read anew every time.
    """

    def __init__(self, venue: Venue, symbols: Callable[[], Awaitable[Iterable[str]]]) -> None:
        self._venue = venue
        self._symbols = symbols
        self._since: dict[str, datetime] = {}
        self._last_id: dict[str, int] = {}
        self._trades: dict[str, dict[str, Execution]] = {}
        self._account: object = None
        self._looked = -_LOOK_AGAIN_SECONDS

    async def executions(self, since: datetime) -> Sequence[Execution]:
        """Every trade since then in the symbols that may have been traded, oldest first."""
        account = _what_moves(await self._venue.account())
        symbols = [symbol for symbol in await self._symbols() if symbol in self._venue.listings]
        again = time.monotonic() - self._looked > _LOOK_AGAIN_SECONDS
        moved = account != self._account
        for symbol in symbols:
            with suppress(NotListed):  # delisted since; the others are asked about all the same
                if since < self._since.get(symbol, since + timedelta(seconds=1)):
                    await self._from(symbol, since)
                elif again:
                    await self._from(symbol, max(since, self._newest(symbol, since) - _OVERLAP))
                elif moved:
                    await self._further(symbol)
        if again:
            self._looked = time.monotonic()
        self._account = account
        self._forget(since - _KEPT)
        found = [
            trade
            for symbol in symbols
            for trade in self._trades.get(symbol, {}).values()
            if trade.executed_at >= since
        ]
        return sorted(found, key=lambda trade: (trade.executed_at, int(trade.execution_id)))

    async def of_symbol(self, symbol: str) -> dict[str, list[Execution]]:
        """All trades known of a symbol, the newest too, by their order's id."""
        await self._further(symbol)
        by_order: dict[str, list[Execution]] = {}
        for trade in self._trades.get(symbol, {}).values():
            by_order.setdefault(trade.broker_order_id or "", []).append(trade)
        return by_order

    async def _from(self, symbol: str, since: datetime) -> None:
        start = milliseconds(since)
        self._keep(symbol, await self._venue.trades(symbol, startTime=start))
        self._since[symbol] = min(since, self._since.get(symbol, since))

    async def _further(self, symbol: str) -> None:
        if symbol in self._last_id:
            after = self._last_id[symbol] + 1
            self._keep(symbol, await self._venue.trades(symbol, fromId=after))
        elif symbol in self._since:
            await self._from(symbol, self._since[symbol])

    def _keep(self, symbol: str, trades: Sequence[Execution]) -> None:
        kept = self._trades.setdefault(symbol, {})
        for trade in trades:
            kept[trade.execution_id] = trade
            last = self._last_id.get(symbol, -1)
            self._last_id[symbol] = max(last, int(trade.execution_id))

    def _newest(self, symbol: str, otherwise: datetime) -> datetime:
        times = (trade.executed_at for trade in self._trades.get(symbol, {}).values())
        return max(times, default=otherwise)

    def _forget(self, before: datetime) -> None:
        for symbol, trades in self._trades.items():
            self._trades[symbol] = {
                name: trade for name, trade in trades.items() if trade.executed_at >= before
            }


def _what_moves(account: Json) -> object:
    """What a trade changes of an account."""
    balances = sorted(
        (item["asset"], item["free"], item["locked"]) for item in account.get("balances", ())
    )
    return (account.get("updateTime"), balances)
