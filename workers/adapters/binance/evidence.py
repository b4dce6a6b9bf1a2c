"""Whether an order that Binance shows nowhere may have been taken all the same.

Its answers come from several sources, some of them behind ("Data sources" of the REST API, read
2026-11-30): an order that was taken may be invisible for a while. It has left traces by then: its
trades, what the account holds, and how many orders the account has placed. Nothing here proves
that an order is absent; each of them forbids to believe it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from datetime import datetime
from decimal import Decimal

from execution.domain.errors import BrokerUnavailable
from execution.domain.ports import Attempt
from execution.domain.reports import Execution, Held, VenueOrder
from workers.adapters.answers import read
from workers.adapters.binance import wire
from workers.adapters.binance.venue import Venue
from workers.adapters.binance.wire import milliseconds

HeldBefore = Callable[[datetime], Awaitable[Held | None]]
_ROUNDED = Decimal("0.00000001")
"""What one amount of money may be rounded by."""


class Evidence:
    """Looks for traces of an order, in as few questions as it takes.

    `symbols` gives those that may have been traded, `held_before` what the account held before a
    time by our clock, as far as anybody looked.
    """

    def __init__(
        self,
        venue: Venue,
        symbols: Callable[[], Awaitable[Iterable[str]]],
        held_before: HeldBefore,
    ) -> None:
        self._venue, self._symbols, self._held_before = venue, symbols, held_before

    async def forbids_absence(
        self, attempt: Attempt, since: datetime, shown: Collection[str | None]
    ) -> None:
        """BrokerUnavailable where the order, sent after `since`, may be there.

        Also where nobody knows what the account held before. `shown` are Binance's ids of the
        orders that it shows.
        """
        before = await self._held_before(since)
        if before is None:
            raise BrokerUnavailable(
                "Binance shows no such order, and nobody knows what the account held before it"
            )
        now = read(wire.held, await self._venue.account(), self._venue.unread)
        symbols = [symbol for symbol in await self._symbols() if symbol in self._venue.listings]
        assets = attempt.instrument.symbol.split("-")
        trades = await self._trades(symbols, assets, before)
        for trade in trades:
            # It may have become visible since the orders were listed, and must explain nothing.
            if trade.executed_at >= since:
                forbid_unattributed(trade, attempt, shown)
        moved = unexplained(before, now, trades, assets)
        if moved:
            amounts = ", ".join(f"{amount:+f} {asset}" for asset, amount in moved.items())
            raise BrokerUnavailable(
                f"Binance shows no such order, and the account has moved by {amounts} that no "
                "known execution explains"
            )
        await self._count(attempt, symbols)

    async def _trades(
        self, symbols: Iterable[str], assets: Iterable[str], before: Held
    ) -> list[Execution]:
        """The trades since then in whatever shares an asset."""
        found = list[Execution]()
        for symbol in symbols:
            if set(symbol.split("-")) & set(assets):
                found += await self._venue.trades(symbol, startTime=milliseconds(before.as_of))
        return found

    async def _count(self, attempt: Attempt, symbols: Iterable[str]) -> None:
        """Hold the account's count of unfilled orders against the orders that are shown.

        It falls as orders trade, so it may hide one, but never makes one up.
        """
        counted = self._venue.counted_before(attempt.venue_order_id)
        if counted is None:
            return
        now = await self._venue.unfilled_today()
        if now is None or now.at.date() != counted.at.date():
            return
        shown = list[VenueOrder]()
        for symbol in symbols:
            shown += await self._venue.orders(symbol, startTime=milliseconds(counted.at) + 1)
        more = now.orders - counted.orders
        if more > len(shown):
            raise BrokerUnavailable(
                f"Binance shows no such order, and counts {more} new orders of the account where "
                f"it shows {len(shown)}"
            )


def forbid_unattributed(trade: Execution, attempt: Attempt, shown: Collection[str | None]) -> None:
    """BrokerUnavailable for a trade that may be the attempt's: of no order that is shown."""
    if trade.symbol != attempt.instrument.symbol:
        return
    mine = trade.venue_order_id == attempt.venue_order_id
    if mine or (trade.venue_order_id is None and trade.broker_order_id not in shown):
        raise BrokerUnavailable(
            f"Binance tells trade {trade.execution_id} of {trade.symbol}, of an order that it "
            "does not show"
        )


def unexplained(
    before: Held, now: Held, trades: Iterable[Execution], assets: Iterable[str]
) -> Mapping[str, Decimal]:
    """By how much more than these trades say some assets have moved; empty if by nothing.

    Of the trades count those between the two times of the venue's.
    """
    moved = {
        asset: now.balances.get(asset, Decimal(0)) - before.balances.get(asset, Decimal(0))
        for asset in assets
    }
    count = 0
    for trade in trades:
        if not before.as_of < trade.executed_at <= now.as_of:
            continue
        count += 1
        for asset, amount in _effect(trade).items():
            if asset in moved:
                moved[asset] -= amount
    allowed = _ROUNDED * count
    return {asset: amount for asset, amount in moved.items() if abs(amount) > allowed}


def _effect(trade: Execution) -> Mapping[str, Decimal]:
    """What a trade does to the account."""
    base, _, quote = trade.symbol.partition("-")
    sign = trade.side.sign
    effect = {base: sign * trade.quantity, quote: -sign * trade.quantity * trade.price}
    if trade.commission is not None and trade.commission_currency is not None:
        paid = effect.get(trade.commission_currency, Decimal(0)) - trade.commission
        effect[trade.commission_currency] = paid
    return effect
