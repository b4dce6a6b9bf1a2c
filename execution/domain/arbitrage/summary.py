"""The figures of a backtest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from execution.domain.arbitrage.backtest import Backtest, Trade
from execution.domain.arbitrage.signals import Direction
from execution.domain.decimals import exact

_SECONDS_OF_A_DAY = 24 * 3600


@dataclass(frozen=True, slots=True)
class Summary:
    """Counts, and money in dollars. Averages, the best and the worst are None without any trade.

    `won` and `lost` count closed trades by the sign of their PnL. `open_pnl` is that of the trade
    that the history's end left open. `lowest_pnl` is the least that any trade stood at on its way.
    """

    observations: int
    unusable: int
    unconverted: int
    first: datetime | None
    last: datetime | None
    closed: int
    open: int
    not_entered: int
    long_trust: int
    short_trust: int
    won: int
    lost: int
    pnl: Decimal
    open_pnl: Decimal
    costs: Decimal
    average_pnl: Decimal | None
    best_pnl: Decimal | None
    worst_pnl: Decimal | None
    lowest_pnl: Decimal | None
    average_days: Decimal | None
    longest_days: Decimal | None


@exact
def summarise(found: Backtest) -> Summary:
    """Add a backtest up."""
    closed = [trade for trade in found.trades if not trade.is_open]
    still_open = [trade for trade in found.trades if trade.is_open]
    results = [trade.pnl for trade in closed]
    days = [days_held(trade) for trade in closed]
    seen = [assessment.observation for assessment in found.assessments]
    return Summary(
        observations=len(seen),
        unusable=len(found.unusable),
        unconverted=sum(observation.unconverted for observation in seen),
        first=seen[0].interval if seen else None,
        last=seen[-1].interval if seen else None,
        closed=len(closed),
        open=len(still_open),
        not_entered=len(found.not_entered),
        long_trust=_count(found.trades, Direction.LONG_TRUST_SHORT_SPOT),
        short_trust=_count(found.trades, Direction.SHORT_TRUST_LONG_SPOT),
        won=sum(result > 0 for result in results),
        lost=sum(result < 0 for result in results),
        pnl=sum(results, Decimal(0)),
        open_pnl=sum((trade.pnl for trade in still_open), Decimal(0)),
        costs=sum((trade.costs for trade in found.trades), Decimal(0)),
        average_pnl=_average(results),
        best_pnl=max(results, default=None),
        worst_pnl=min(results, default=None),
        lowest_pnl=min((trade.lowest_pnl for trade in found.trades), default=None),
        average_days=_average(days),
        longest_days=max(days, default=None),
    )


def days_held(trade: Trade) -> Decimal:
    """Days from the one fill to the other, or to the end of the history."""
    seconds = Decimal((trade.closed.at - trade.opened.at).total_seconds())
    return seconds / _SECONDS_OF_A_DAY


def _count(trades: Sequence[Trade], direction: Direction) -> int:
    return sum(trade.entry.direction is direction for trade in trades)


def _average(values: Sequence[Decimal]) -> Decimal | None:
    return sum(values, Decimal(0)) / len(values) if values else None
