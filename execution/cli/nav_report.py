"""How a backtest is told: a table and sentences for people, a document for scripts."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import Any

from execution.cli.output import print_line, print_table
from execution.domain.arbitrage.backtest import Backtest, Trade
from execution.domain.arbitrage.signals import Parameters, Signal
from execution.domain.arbitrage.summary import Summary, days_held
from execution.domain.decimals import plain

_SHOWN = Decimal("1e-12")
_MOST_LEFT_OUT = 20
_COLUMNS = (
    "direction",
    "entered",
    "exited",
    "days",
    "Z in",
    "Z out",
    "spread in",
    "spread out",
    "shares",
    "coins",
    "PnL",
    "lowest",
    "exit",
)


def show(found: Backtest, summary: Summary, drawn: Path | None) -> None:
    """Print the trades as a table, their sum in words, and where the chart is."""
    print_table(f"{len(found.trades)} trades", _COLUMNS, [_row(trade) for trade in found.trades])
    for line in _words(found, summary):
        print_line(line)
    if drawn is not None:
        print_line(f"chart: {drawn}")


def _row(trade: Trade) -> list[str]:
    left = trade.exit
    return [
        trade.entry.direction,
        f"{trade.opened.at:%Y-%m-%d}",
        "open" if left is None else f"{trade.closed.at:%Y-%m-%d}",
        f"{days_held(trade):.0f}",
        f"{trade.entry.score.z:+.2f}",
        "" if left is None else f"{left.score.z:+.2f}",
        f"{trade.entry.spread:+.2%}",
        "" if left is None else f"{left.spread:+.2%}",
        plain(trade.legs.trust.quantity),
        plain(trade.legs.spot.quantity),
        f"{trade.pnl:+,.2f}",
        f"{trade.lowest_pnl:+,.2f}",
        "" if left is None else str(left.exit_reason),
    ]


def _words(found: Backtest, summary: Summary) -> list[str]:
    """The summary as sentences; what is nothing is left out."""
    if summary.first is None or summary.last is None:
        return [f"no observation is usable; {summary.unusable} are not", *_left_out(found)]
    span = f"from {summary.first:%Y-%m-%d} to {summary.last:%Y-%m-%d}"
    lines = [f"{summary.observations} observations {span}"]
    if summary.closed:
        lines.append(
            f"closed {summary.closed}: {summary.won} won, {summary.lost} lost, PnL "
            f"{summary.pnl:+,.2f} USD (average {summary.average_pnl:+,.2f}, best "
            f"{summary.best_pnl:+,.2f}, worst {summary.worst_pnl:+,.2f}); held "
            f"{summary.average_days:.1f} days on average, {summary.longest_days:.0f} at most"
        )
    if summary.open:
        lines.append(f"open at the end: {summary.open}, {summary.open_pnl:+,.2f} USD")
    if summary.lowest_pnl is not None:
        lines.append(f"lowest that a trade stood at: {summary.lowest_pnl:+,.2f} USD")
    if summary.costs:
        lines.append(f"costs: {summary.costs:,.2f} USD")
    if summary.unconverted:
        lines.append(f"{summary.unconverted} spot prices were taken for dollars unconverted")
    return lines + _left_out(found)


def _left_out(found: Backtest) -> list[str]:
    """What gave no observation and what no entry, the first of many."""
    lines = [
        f"unusable {one.interval:%Y-%m-%d}: {'; '.join(one.reasons)}" for one in found.unusable
    ]
    lines += [f"not entered {signal.at:%Y-%m-%d}: {why}" for signal, why in found.not_entered]
    more = len(lines) - _MOST_LEFT_OUT
    return lines if more <= 0 else [*lines[:_MOST_LEFT_OUT], f"and {more} more (--json has all)"]


def document(found: Backtest, summary: Summary, drawn: Path | None) -> dict[str, Any]:
    """What `--json` prints."""
    return {
        "parameters": {
            "detector": _detector(found.rules.parameters),
            "sizing": asdict(found.rules.sizing),
            "costs": asdict(found.rules.costs),
            "fill_after": found.rules.fill_after,
        },
        "summary": {name: _rounded(getattr(summary, name)) for name in Summary.__slots__},
        "trades": [_trade(trade) for trade in found.trades],
        "not_entered": [
            {**_signal(signal), "reason": reason} for signal, reason in found.not_entered
        ],
        "unusable": [
            {"interval": one.interval, "reasons": list(one.reasons)} for one in found.unusable
        ],
        "chart": drawn,
    }


def _detector(parameters: Parameters) -> dict[str, Any]:
    told = asdict(parameters)
    longest = told.pop("longest_holding")
    return {**told, "longest_holding_days": longest and longest / timedelta(days=1)}


def _trade(trade: Trade) -> dict[str, Any]:
    money = {
        name: _rounded(getattr(trade, name))
        for name in ("trust_pnl", "spot_pnl", "costs", "pnl", "lowest_pnl")
    }
    return {
        "direction": trade.entry.direction,
        "entry": _signal(trade.entry),
        "exit": None if trade.exit is None else _signal(trade.exit),
        "entered_at": trade.opened.at,
        "exited_at": None if trade.exit is None else trade.closed.at,
        "shares": trade.legs.trust.quantity,
        "coins": trade.legs.spot.quantity,
        "unhedged_coins": trade.legs.unhedged_coins,
        **money,
    }


def _signal(signal: Signal) -> dict[str, Any]:
    seen = signal.observation
    return {
        "action": signal.action,
        "at": signal.at,
        "trust_price": seen.trust_price,
        "spot_price": seen.spot_in_dollars,
        "coins_per_share": seen.coins_per_share,
        "nav_per_share": _rounded(signal.nav_per_share),
        "spread": _rounded(signal.spread),
        "mean": _rounded(signal.score.mean),
        "standard_deviation": _rounded(signal.score.standard_deviation),
        "z": _rounded(signal.score.z),
        "unconverted": seen.unconverted,
        "exit_reason": signal.exit_reason,
    }


def _rounded(value: Any) -> Any:
    """Decimals at 12 places: finer than anybody reads."""
    return value.quantize(_SHOWN, ROUND_HALF_EVEN) if isinstance(value, Decimal) else value
