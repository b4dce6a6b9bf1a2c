"""`execution limits set`, `remove`, `list`, `history`: what may be sent at most."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated

import typer

from execution.cli.operator import who
from execution.cli.orders import Json
from execution.cli.output import print_json, print_line, print_table
from execution.cli.stamped import open_store, open_verified_store
from execution.domain.decimals import plain
from execution.domain.errors import ExecutionError
from execution.domain.mapping import ExchangeMapper
from execution.domain.risk.limits import Limit, LimitKind, check_value
from execution.domain.vocabulary import BrokerName
from execution.store import controls
from execution.supervisor.control import connected_settings

Kind = Annotated[LimitKind, typer.Argument(metavar="KIND", help=f"{', '.join(LimitKind)}.")]
Broker = Annotated[
    BrokerName | None, typer.Option("--broker", case_sensitive=False, help="For one broker.")
]
Strategy = Annotated[str | None, typer.Option("--strategy", help="For one strategy.")]
Symbol = Annotated[str | None, typer.Option("--symbol", help="For one symbol.")]
Reason = Annotated[str | None, typer.Option("--reason", help="Why; it is kept.")]

limits = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="What may be sent at most; see docs/limits.md.",
)


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.add_typer(limits, name="limits")


@limits.command("set")
def set_limit(
    kind: Kind,
    value: Annotated[str, typer.Argument(help="In the kind's own unit; 0 lets nothing pass.")],
    broker: Broker = None,
    strategy: Strategy = None,
    symbol: Symbol = None,
    reason: Reason = None,
) -> None:
    """Set a limit; every limit that fits an order holds for it, so the strictest decides."""
    number = _number(value)
    check_value(kind, number)
    scope = (broker, strategy, _canonical(symbol))
    with closing(open_verified_store()) as store, store.transaction() as connection:
        before = controls.set_limit(connection, kind, number, scope, who=who(), reason=reason)
    was = "" if before is None else f" (was {plain(before)})"
    print_line(f"{_name(kind, scope)}: {plain(number)}{was}")


@limits.command("remove")
def remove_limit(
    kind: Kind,
    broker: Broker = None,
    strategy: Strategy = None,
    symbol: Symbol = None,
    reason: Reason = None,
) -> None:
    """Remove a limit; the others stay."""
    scope = (broker, strategy, _canonical(symbol))
    with closing(open_verified_store()) as store, store.transaction() as connection:
        before = controls.remove_limit(connection, kind, scope, who=who(), reason=reason)
    if before is None:
        raise ExecutionError(f"there is no {_name(kind, scope)}")
    print_line(f"{_name(kind, scope)}: removed (was {plain(before)})")


@limits.command("list")
def list_limits(as_json: Json = False) -> None:
    """List every limit, with who set it and why."""
    with closing(open_store()) as store, store.statement() as connection:
        rows = controls.limits(connection)
    if as_json:
        print_json(rows)
    elif not rows:
        print_line("there are no limits: docs/limits.md says which ones to set")
    else:
        names = ("kind", "value", "broker", "strategy", "symbol", "set_by", "set_at", "reason")
        print_table("limits", names, [[row[name] for name in names] for row in rows])


@limits.command("history")
def history(
    limit: Annotated[int, typer.Option(help="How many of the newest.")] = 100,
    as_json: Json = False,
) -> None:
    """List who changed limits and the trading state, when and why, newest first."""
    with closing(open_store()) as store, store.statement() as connection:
        rows = controls.history(connection, limit)
    if as_json:
        print_json(rows)
        return
    names = ("at", "who", "action", "what", "reason")
    print_table("changes", names, [[row[name] for name in names] for row in rows])


def _number(value: str) -> Decimal:
    try:
        return Decimal(value)
    except InvalidOperation:
        raise typer.BadParameter(f"{value!r} is no number", param_hint="VALUE") from None


def _canonical(symbol: str | None) -> str | None:
    """The symbol as orders have it. UnknownSymbol: no order could ever have it."""
    if symbol is None:
        return None
    mapper = ExchangeMapper(connected_settings().symbol_overrides)
    return mapper.map(symbol, None, on=datetime.now(UTC).date()).symbol


def _name(kind: LimitKind, scope: tuple[BrokerName | None, str | None, str | None]) -> str:
    broker, strategy, symbol = scope
    return f"{kind} ({Limit(0, kind, Decimal(0), broker, strategy, symbol).scope})"
