"""`execution arbitrage backtest FILE`."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any

import typer

from execution.cli.nav_chart import ChartsMissing, draw
from execution.cli.nav_history import Columns, readings
from execution.cli.orders import Json
from execution.cli.output import print_json, print_table
from execution.domain.arbitrage.backtest import Backtest, Costs, Rules, Trade, backtest
from execution.domain.arbitrage.coins import checked_fee
from execution.domain.arbitrage.legs import Sizing
from execution.domain.arbitrage.prices import DOLLAR, Freshness
from execution.domain.arbitrage.signals import Parameters, Signal
from execution.domain.arbitrage.summary import Summary, days_held, summarise
from execution.domain.decimals import plain
from execution.domain.errors import ConfigurationError

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


def _decimal(text: str | Decimal) -> Decimal:
    """An option's number; typer hands defaults over as they are."""
    try:
        return Decimal(text)
    except InvalidOperation:
        raise typer.BadParameter(f"{text!r} is not a number") from None


def _number(text: str) -> Any:
    """An option whose value is a decimal."""
    return typer.Option(parser=_decimal, metavar="NUMBER", help=text)


def register(app: typer.Typer) -> None:
    """Add the group of commands to `app`."""
    group = typer.Typer(no_args_is_help=True, help="Trust against spot: NAV arbitrage.")
    group.callback()(_group)
    group.command("backtest")(run_backtest)
    app.add_typer(group, name="arbitrage")


def _group() -> None:
    """Trust against spot: NAV arbitrage."""


def run_backtest(
    file: Annotated[Path, typer.Argument(help="CSV of daily closes, oldest first.")],
    window: Annotated[int, typer.Option(help="Observations that the next one is judged by.")] = 60,
    entry_z: Annotated[Decimal, _number("Enter beyond this Z ...")] = Decimal(2),
    entry_spread: Annotated[Decimal, _number("... and beyond this spread.")] = Decimal("0.02"),
    exit_z: Annotated[Decimal, _number("Exit when |Z| is below this.")] = Decimal("0.5"),
    longest_holding: Annotated[
        float | None, typer.Option(metavar="DAYS", help="Exit after so long; default: never.")
    ] = None,
    notional: Annotated[Decimal, _number("Dollars of the trust an entry.")] = Decimal(10_000),
    share_step: Annotated[Decimal, _number("Shares are traded in steps of.")] = Decimal(1),
    coin_step: Annotated[Decimal, _number("Coins are traded in steps of.")] = Decimal("0.00001"),
    trust_fee: Annotated[Decimal, _number("Rate of each fill of the trust.")] = Decimal(0),
    spot_fee: Annotated[Decimal, _number("Rate of each fill of the spot.")] = Decimal(0),
    borrow: Annotated[Decimal, _number("Rate a year of what is sold short.")] = Decimal(0),
    fill_after: Annotated[
        int, typer.Option(min=0, help="Fill so many observations after the signal.")
    ] = 0,
    annual_fee: Annotated[Decimal, _number("The trust's own fee, a year.")] = Decimal("0.02"),
    coins_max_age: Annotated[
        int, typer.Option(min=0, metavar="DAYS", help="Older coins per share are refused.")
    ] = 7,
    spot_currency: Annotated[str, typer.Option(help="What the spot is quoted in.")] = DOLLAR,
    date_column: Annotated[str, typer.Option()] = "date",
    trust_column: Annotated[str, typer.Option()] = "gbtc_close_usd",
    spot_column: Annotated[str, typer.Option()] = "btc_close_usd",
    coins_column: Annotated[str, typer.Option()] = "btc_per_share",
    conversion_column: Annotated[
        str | None, typer.Option(help="Dollars per unit of the spot's currency.")
    ] = None,
    chart: Annotated[
        Path | None,
        typer.Option(metavar="PNG", help="Where to draw; default: FILE's name, .png, here."),
    ] = None,
    no_chart: Annotated[bool, typer.Option("--no-chart", help="Do not draw.")] = False,
    as_json: Json = False,
) -> None:
    """Run a history through the detector: its trades, their sum, and a chart.

    Rates and spreads are fractions: 0.02 is 2 %. Needs no database and no broker.
    """
    try:
        checked_fee(annual_fee)
        rules = Rules(
            Parameters(window, entry_z, entry_spread, exit_z, _days(longest_holding)),
            Freshness(coins_max_age_days=coins_max_age),
            sizing=Sizing(notional, share_step, coin_step),
            costs=Costs(trust_fee, spot_fee, borrow),
            fill_after=fill_after,
        )
    except ConfigurationError as error:
        raise typer.BadParameter(str(error)) from None
    columns = Columns(date_column, trust_column, spot_column, coins_column, conversion_column)
    history = readings(file, columns, spot_currency=spot_currency, annual_fee=annual_fee)
    found = backtest(history, rules)
    summary = summarise(found)
    drawn, problem = (None, None) if no_chart else _draw(found, file, chart)
    if as_json:
        print_json(_document(found, summary, drawn))
    else:
        _print(found, summary, drawn)
    if problem is not None:
        if chart is not None:
            raise problem  # it was asked for by name
        typer.echo(str(problem), err=True)


def _days(number: float | None) -> timedelta | None:
    try:
        return None if number is None else timedelta(days=number)
    except (ValueError, OverflowError):
        raise typer.BadParameter(f"{number} is no number of days") from None


def _draw(
    found: Backtest, file: Path, chart: Path | None
) -> tuple[Path | None, ChartsMissing | None]:
    """The chart's file, or why there is none: a table is worth having without it."""
    path = chart or Path(f"{file.stem}.png")
    title = f"{file.name}: {len(found.trades)} trades"
    try:
        draw(found, title, path)
    except ChartsMissing as missing:
        return None, missing
    return path, None


def _print(found: Backtest, summary: Summary, drawn: Path | None) -> None:
    print_table(f"{len(found.trades)} trades", _COLUMNS, [_row(trade) for trade in found.trades])
    for line in _words(found, summary):
        typer.echo(line)
    if drawn is not None:
        typer.echo(f"chart: {drawn}")


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


def _document(found: Backtest, summary: Summary, drawn: Path | None) -> dict[str, Any]:
    """What `--json` prints."""
    return {
        "parameters": {
            "detector": asdict(found.rules.parameters),
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
