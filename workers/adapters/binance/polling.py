"""What became of the orders that wait, round by round, in as few questions as it takes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace

from execution.domain.ports import Attempt
from execution.domain.reports import Execution, VenueOrder
from workers.adapters.alone import of_one
from workers.adapters.binance.history import History
from workers.adapters.binance.outcomes import NotListed
from workers.adapters.binance.venue import Venue

FEW = 5
"""Up to so many orders are asked for one by one; more of them together."""
_SNAPSHOT_OF_ALL = 13
"""From so many symbols on, one snapshot of all open orders is cheaper than one for each."""
_PATIENCE = 10
"""Rounds in which a final state is held back while trades that it speaks of are missing."""


class Polling:
    """Remembers what was told of each waiting order, so that only news is told.

    A final state is told with all the trades that belong to it: after it nobody asks again.
    """

    def __init__(
        self, venue: Venue, history: History, health_check: Callable[[], Awaitable[None]]
    ) -> None:
        self._venue = venue
        self._health_check = health_check
        self._history = history
        self._told: dict[str, VenueOrder] = {}
        self._held_back: dict[str, int] = {}

    async def round(self, attempts: Sequence[Attempt]) -> AsyncGenerator[VenueOrder, None]:
        """One look at all of them."""
        names = {attempt.venue_order_id for attempt in attempts}
        self._told = {name: said for name, said in self._told.items() if name in names}
        self._held_back = {name: n for name, n in self._held_back.items() if name in names}
        if len(attempts) > FEW:
            changed = await self._changed_of_many(attempts)
        else:
            changed = [
                (attempt, order)
                for attempt in attempts
                if (order := await self._order(attempt)) is not None and self._is_news(order)
            ]
        traded = await self._trades([order for _, order in changed])
        for attempt, order in changed:
            with_trades = replace(order, executions=tuple(traded.get(_key(order), ())))
            if self._complete(attempt, with_trades):
                self._told[attempt.venue_order_id] = with_trades
                yield with_trades

    def _is_news(self, order: VenueOrder) -> bool:
        told = self._told.get(order.venue_order_id or "")
        if told is None:
            return True
        return (order.state, order.filled_quantity) != (told.state, told.filled_quantity) or (
            _traded(told) != order.filled_quantity
        )

    async def _changed_of_many(
        self, attempts: Sequence[Attempt]
    ) -> list[tuple[Attempt, VenueOrder]]:
        """A snapshot of what works; what differs from the last, and what is not in it any more."""
        traded = {attempt.instrument.symbol for attempt in attempts}
        symbols = sorted(symbol for symbol in traded if symbol in self._venue.listings)
        every = len(symbols) >= _SNAPSHOT_OF_ALL
        working = {
            order.venue_order_id: order
            for order in await self._venue.open_orders(None if every else symbols)
        }
        changed: list[tuple[Attempt, VenueOrder]] = []
        left: dict[str, list[Attempt]] = {}
        for attempt in attempts:
            order = working.get(attempt.venue_order_id)
            if order is None:
                left.setdefault(attempt.instrument.symbol, []).append(attempt)
            elif self._is_news(order):
                changed.append((attempt, order))
        for symbol, gone in left.items():
            changed += await self._ended(symbol, gone)
        return changed

    async def _ended(
        self, symbol: str, attempts: Sequence[Attempt]
    ) -> list[tuple[Attempt, VenueOrder]]:
        """What became of orders that work no more: one by one, or in pages where they are many."""
        known = [attempt.broker_order_id for attempt in attempts]
        ids = [int(one) for one in known if one is not None]
        found: dict[str | None, VenueOrder] = {}
        if len(ids) > FEW and symbol in self._venue.listings:
            listed = await self._venue.orders(symbol, orderId=min(ids))
            found = {order.venue_order_id: order for order in listed}
        ended = []
        for attempt in attempts:
            order = found.get(attempt.venue_order_id) or await self._order(attempt)
            if order is not None and self._is_news(order):
                ended.append((attempt, order))
        return ended

    async def _order(self, attempt: Attempt) -> VenueOrder | None:
        """One order, where the venue tells of it."""
        name = attempt.venue_order_id
        return await of_one(self._venue.order(attempt), self._health_check, name)

    async def _trades(self, orders: Sequence[VenueOrder]) -> dict[tuple[str, str], list[Execution]]:
        """The trades of orders that have any, by symbol and order id."""
        by_symbol: dict[str, list[str]] = {}
        for order in orders:
            if order.filled_quantity:
                by_symbol.setdefault(order.symbol, []).append(order.broker_order_id)
        found: dict[tuple[str, str], list[Execution]] = {}
        for symbol, ids in by_symbol.items():
            with suppress(NotListed):
                if len(ids) > FEW:
                    for name, trades in (await self._history.of_symbol(symbol)).items():
                        found[symbol, name] = trades
                for name in ids:
                    if (symbol, name) not in found:
                        found[symbol, name] = await self._venue.trades(symbol, orderId=int(name))
        return found

    def _complete(self, attempt: Attempt, order: VenueOrder) -> bool:
        """False while a final state speaks of trades that are not listed yet, for some rounds."""
        if not order.state.is_final or _traded(order) == order.filled_quantity:
            return True
        rounds = self._held_back.get(attempt.venue_order_id, 0) + 1
        self._held_back[attempt.venue_order_id] = rounds
        return rounds > _PATIENCE


def _traded(order: VenueOrder) -> object:
    return sum(trade.quantity for trade in order.executions)


def _key(order: VenueOrder) -> tuple[str, str]:
    return (order.symbol, order.broker_order_id)
