"""docs/arbitrage.md: its output, its defaults and its figures are those of the code."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from execution.cli import app
from execution.cli.arbitrage import run_backtest
from execution.cli.nav_history import Columns, readings
from execution.domain.arbitrage.backtest import Costs, Rules, backtest
from execution.domain.arbitrage.groups import PERMITTED, GroupState
from execution.domain.arbitrage.signals import Direction, Parameters
from execution.domain.arbitrage.summary import summarise
from execution.settings import Settings
from tests.nav_histories import REAL

DOCUMENT = (Path(__file__).parents[2] / "docs" / "arbitrage.md").read_text(encoding="utf-8")
COSTS = Costs(Decimal("0.001"), Decimal("0.001"), Decimal("0.1"))
RULES = {
    "defaults": Rules(),
    "filled at the next close (`--fill-after 1`)": Rules(fill_after=1),
    "fees 0.1 % a fill, borrowing at 10 % a year": Rules(costs=COSTS),
    "both": Rules(costs=COSTS, fill_after=1),
    "window 30": Rules(Parameters(window=30)),
    "window 120": Rules(Parameters(window=120)),
    "longest holding 20 days": Rules(Parameters(longest_holding=timedelta(days=20))),
}


def money(value: Decimal) -> str:
    """As the table writes it."""
    return f"{value:+,.0f}".replace("-", "\N{MINUS SIGN}")


def row(rules: Rules) -> list[str]:
    """The figures of a run on the real history."""
    seen = readings(REAL, Columns(), spot_currency="USD", annual_fee=Decimal("0.02"))
    found = backtest(seen, rules)
    summary = summarise(found)
    closed = [trade for trade in found.trades if not trade.is_open]
    sides = [
        sum((t.pnl for t in closed if t.entry.direction is direction), Decimal(0))
        for direction in Direction
    ]
    assert summary.worst_pnl is not None
    assert summary.lowest_pnl is not None
    return [
        f"{summary.closed}, {summary.open} open" if summary.open else str(summary.closed),
        str(summary.won),
        *map(money, [summary.pnl, *sides, summary.worst_pnl, summary.lowest_pnl]),
    ]


@pytest.mark.parametrize("name", RULES)
def test_figures(name: str) -> None:
    """Each row of the table of results."""
    (line,) = re.findall(rf"^\| {re.escape(name)} \| (.*) \|$", DOCUMENT, re.MULTILINE)
    assert line.split(" | ") == row(RULES[name])


def test_the_table_has_no_other_row() -> None:
    """Every row of figures is checked above."""
    section = DOCUMENT.split("## What the real history shows")[1]
    assert len(re.findall(r"^\| [^|]* \| \d+(?:, \d+ open)? \| ", section, re.MULTILINE)) == len(
        RULES
    )


def test_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first lines and the last are what the command prints."""
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"^```console\n\$ [^\n]*\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
    printed = CliRunner().invoke(app, ["arbitrage", "backtest", str(REAL)]).stdout
    lines = [line.rstrip() for line in printed.splitlines()]
    first, last = (part.splitlines() for part in block.split("...\n"))
    shown = [line for line in first if "─" not in line]  # the rule is as wide as the table
    assert shown == [line for line in lines if "─" not in line][: len(shown)]
    assert last == lines[-len(last) :]


def test_defaults() -> None:
    """Those of the table of parameters, and no option is left out."""
    signature = inspect.signature(run_backtest)
    defaults: Mapping[str, Any] = {
        f"--{name.replace('_', '-')}": parameter.default
        for name, parameter in signature.parameters.items()
        if name not in {"file", "as_json"}
    }
    section = DOCUMENT.split("## Parameters")[1].split("## What")[0]
    told: dict[str, str] = {}
    for options, default in re.findall(r"^\| (`--[^|]*`) \| ([^|]*) \|", section, re.MULTILINE):
        names, values = re.findall(r"`(--[a-z-]+)`", options), default.split(", ")
        told |= dict(zip(names, values if len(values) == len(names) else values * 4, strict=False))
    assert set(told) == set(defaults)
    for name, default in told.items():
        if re.fullmatch(r"[\d.]+|USD", default):
            assert str(defaults[name]) == default, name


def test_settings() -> None:
    """Every variable of the arbitrage, with its default."""
    section = DOCUMENT.split("## Running it")[1].split("## Before")[0]
    told: dict[str, str] = {}
    for names, defaults in re.findall(r"^\| (`NAV_[^|]*`) \| ([^|]*) \|", section, re.MULTILINE):
        variables = re.findall(r"`(NAV_[A-Z_]+)`", names)
        values = [value.strip("`") for value in defaults.strip().split(", ")]
        told |= dict(
            zip(variables, values * (1 if len(values) > 1 else len(variables)), strict=True)
        )
    fields = {
        name.upper(): field.default
        for name, field in Settings.model_fields.items()
        if name.startswith("nav_")
    }
    assert told == {name: spoken(default) for name, default in fields.items()}


def spoken(default: object) -> str:
    """A default as the table writes it."""
    if default is None:
        return "none"
    if isinstance(default, timedelta):
        return f"{default.total_seconds():g}"
    return str(default).lower() if isinstance(default, bool) else str(default)


def test_states() -> None:
    """The table of states is that of the code."""
    section = DOCUMENT.split("## A group")[1].split("`decide`")[0]
    for states, ways in re.findall(
        r"^\| ([A-Z, ]+) \| [^|]* \| ([^|]*) \|$", section, re.MULTILINE
    ):
        told = set(re.findall(r"\b(?:OPEN|UNWINDING|WAITING|CLOSING|CLOSED|UNWOUND)\b", ways))
        for state in states.split(", "):
            permitted = {str(one) for one in PERMITTED[GroupState(state)]}
            if state == "WAITING":
                assert permitted == {"OPENING", "CLOSING", "UNWINDING"}
            else:
                assert told == permitted, state
