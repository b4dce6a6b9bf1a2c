"""The chart of a backtest: spread and Z over time, entries and exits marked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from execution.domain.arbitrage.backtest import Backtest, Trade
from execution.domain.arbitrage.signals import Direction, Signal
from execution.domain.errors import ExecutionError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LONG, _SHORT, _LINE, _LIMIT = "#1b7f3b", "#b3261e", "#30507a", "#888888"
_COLOURS = {Direction.LONG_TRUST_SHORT_SPOT: _LONG, Direction.SHORT_TRUST_LONG_SPOT: _SHORT}
_NAMES = {
    Direction.LONG_TRUST_SHORT_SPOT: ("long trust, short spot", "^"),
    Direction.SHORT_TRUST_LONG_SPOT: ("short trust, long spot", "v"),
}


class ChartsMissing(ExecutionError):
    """The optional library that draws is not installed."""


def draw(found: Backtest, title: str, path: Path) -> None:
    """Write the chart as a PNG file. Raises ChartsMissing, or ExecutionError for the file."""
    try:
        # Half a second and 40 MB: only who draws pays. The figure is made without pyplot, which
        # keeps figures and asks for a screen; Agg draws PNG wherever it runs.
        from matplotlib.figure import Figure  # noqa: PLC0415
    except ImportError:
        raise ChartsMissing(
            "no chart: matplotlib is not installed; it comes with the extra `charts` "
            "(pip install 'superintel-execution[charts]')"
        ) from None
    figure = Figure(figsize=(13, 7.5), dpi=110, layout="constrained")
    spread, z = figure.subplots(2, 1, sharex=True)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    _spreads(spread, found)
    _scores(z, found)
    try:
        with path.open("wb") as file:
            figure.savefig(file, format="png", backend="agg")
    except OSError as error:
        raise ExecutionError(f"the chart {path} cannot be written: {error.strerror}") from None


def _times(times: Sequence[datetime]) -> list[float]:
    """Times as the numbers that matplotlib plots them by."""
    from matplotlib.dates import date2num  # noqa: PLC0415 - as above

    return [float(date2num(time)) for time in times]  # type: ignore[no-untyped-call]


def _spreads(axes: Axes, found: Backtest) -> None:
    limit = float(found.rules.parameters.entry_spread) * 100
    seen = found.assessments
    axes.plot(
        _times([one.observation.at for one in seen]),
        [float(one.spread) * 100 for one in seen],
        color=_LINE,
        linewidth=0.9,
        zorder=2,
    )
    axes.set_ylabel("spread: trust / NAV - 1, %")
    _levels(axes, [limit, -limit])
    _trades(axes, found.trades, lambda signal: float(signal.spread) * 100)
    if found.trades:
        axes.legend(loc="upper right", frameon=False, fontsize=9)


def _scores(axes: Axes, found: Backtest) -> None:
    rules = found.rules.parameters
    # A gap where nothing could be judged.
    axes.plot(
        _times([one.observation.at for one in found.assessments]),
        [float("nan") if one.score is None else float(one.score.z) for one in found.assessments],
        color=_LINE,
        linewidth=0.8,
        zorder=2,
    )
    axes.set_ylabel(f"Z over the {rules.window} before")
    entry, leaving = float(rules.entry_z), float(rules.exit_z)
    _levels(axes, [entry, -entry])
    if leaving:
        axes.axhspan(-leaving, leaving, color=_LIMIT, alpha=0.15, linewidth=0)
    _trades(axes, found.trades, lambda signal: float(signal.score.z))


def _levels(axes: Axes, levels: Sequence[float]) -> None:
    axes.axhline(0, color=_LIMIT, linewidth=0.6)
    for level in levels:
        axes.axhline(level, color=_LIMIT, linewidth=0.8, linestyle="--")
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.01)
    axes.xaxis_date()


def _trades(axes: Axes, trades: Sequence[Trade], value: Callable[[Signal], float]) -> None:
    """Mark entries and exits, and shade the time between."""
    for trade in trades:
        axes.axvspan(
            *_times([trade.opened.at, trade.closed.at]),
            color=_COLOURS[trade.entry.direction],
            alpha=0.12,
            linewidth=0,
        )
    for direction, (name, marker) in _NAMES.items():
        entries = [trade.entry for trade in trades if trade.entry.direction is direction]
        if entries:
            axes.scatter(
                _times([entry.at for entry in entries]),
                [value(entry) for entry in entries],
                color=_COLOURS[direction],
                marker=marker,
                s=42,
                zorder=3,
                label=f"enter {name}",
            )
    exits = [trade.exit for trade in trades if trade.exit is not None]
    if exits:
        axes.scatter(
            _times([leaving.at for leaving in exits]),
            [value(leaving) for leaving in exits],
            facecolor="white",
            edgecolor="black",
            marker="o",
            s=24,
            zorder=3,
            label="exit",
        )
