"""`execution arbitrage`: `backtest FILE`; the others are in `nav_status` and `nav_confirm`."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any

import typer

from execution.cli import nav_confirm, nav_status
from execution.cli.nav_chart import ChartsMissing, draw
from execution.cli.nav_history import Columns, readings
from execution.cli.nav_report import document, show
from execution.cli.orders import Json
from execution.cli.output import print_json, print_line
from execution.domain.arbitrage.backtest import Backtest, Costs, Rules, backtest
from execution.domain.arbitrage.coins import checked_fee
from execution.domain.arbitrage.legs import Sizing
from execution.domain.arbitrage.prices import DOLLAR, Freshness
from execution.domain.arbitrage.signals import Parameters
from execution.domain.arbitrage.summary import summarise
from execution.domain.errors import ConfigurationError


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
    group = typer.Typer(
        no_args_is_help=True, rich_markup_mode=None, help="Trust against spot: NAV arbitrage."
    )
    group.callback()(_group)
    group.command("backtest")(run_backtest)
    group.command("status")(nav_status.status)
    group.command("run")(nav_status.run)
    group.command("confirm")(nav_confirm.confirm)
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
        print_json(document(found, summary, drawn))
    else:
        show(found, summary, drawn)
    if problem is not None:
        if chart is not None:
            raise problem  # it was asked for by name
        print_line(str(problem), error=True)


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
