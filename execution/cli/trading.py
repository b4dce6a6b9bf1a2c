"""`execution halt` and `resume`: whether anything is sent, for all brokers or for one."""

from __future__ import annotations

import time
from contextlib import closing
from typing import Annotated, Any

import typer
from sqlalchemy.exc import ProgrammingError

from execution.cli.operator import who
from execution.cli.orders import Json
from execution.cli.output import print_json, print_line
from execution.cli.stamped import open_store, open_verified_store
from execution.domain.errors import ExecutionError
from execution.domain.risk.trading_state import EVERYWHERE, TradingState
from execution.domain.vocabulary import BrokerName
from execution.store import controls
from execution.store.engine import Store
from execution.supervisor.control import connected_settings

_LOOK_EVERY = 0.05
Broker = Annotated[
    BrokerName | None, typer.Option("--broker", case_sensitive=False, help="Only this broker.")
]
Reason = Annotated[str | None, typer.Option("--reason", help="Why; orders are refused with it.")]

_MEANING = {
    TradingState.ACTIVE: "orders are sent",
    TradingState.REDUCING: "only what reduces a position is sent",
    TradingState.HALTED: "nothing is sent but cancels",
}


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command()(halt)
    app.command()(resume)


def halt(
    reducing: Annotated[
        bool, typer.Option("--reducing", help="Let pass what reduces a position.")
    ] = False,
    reason: Reason = None,
    broker: Broker = None,
    as_json: Json = False,
) -> None:
    """Send nothing any more but cancels; orders not sent yet end REJECTED.

    Returns when what was let through before has been answered, or is too late for its venue.
    """
    state = TradingState.REDUCING if reducing else TradingState.HALTED
    scope = broker or EVERYWHERE
    with closing(open_verified_store()) as store:
        with store.transaction() as connection:
            change = controls.set_state(connection, scope, state, who=who(), reason=reason)
        doubtful = _wait_for_those_on_their_way(store, scope)
    _tell(state, change.before, scope, as_json=as_json)
    for ended in change.ended:
        print_line(
            f"ended the transaction of {ended.process}, which was about to send an order and did "
            f"not commit for {ended.seconds:.0f} s: that order was not sent",
            error=True,
        )
    if doubtful:
        print_line(
            f"{doubtful} that had been let through before without an answer yet: "
            "see `execution orders`",
            error=True,
        )


def resume(reason: Reason = None, broker: Broker = None, as_json: Json = False) -> None:
    """Send orders again; those that were accepted before a halt's end stay unsent."""
    scope, state = broker or EVERYWHERE, TradingState.ACTIVE
    with closing(open_verified_store()) as store:
        with store.transaction() as connection:
            change = controls.set_state(connection, scope, state, who=who(), reason=reason)
        with store.statement() as connection:
            others = [row for row in controls.states(connection) if row["state"] != state]
    _tell(state, change.before, scope, as_json=as_json)
    for row in others:
        print_line(f"still {_line(row)}", error=True)


def _wait_for_those_on_their_way(store: Store, scope: str) -> int:
    """Wait while anything that was let through may reach its venue; returns what is in doubt."""
    deadline = time.monotonic() + connected_settings().submit_window.total_seconds()
    while True:
        with store.statement() as connection:
            count = controls.being_sent(connection, scope)
        if not count or time.monotonic() > deadline:
            return count
        time.sleep(_LOOK_EVERY)


def _tell(state: TradingState, before: TradingState, scope: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"scope": scope, "state": state, "before": before})
        return
    was = "" if before is state else f" (was {before})"
    print_line(f"{_where(scope)}: {state}{was}; {_MEANING[state]}")


def _where(scope: str) -> str:
    return "every broker" if scope == EVERYWHERE else scope


def stopped() -> list[dict[str, Any]] | None:
    """The scopes that are not ACTIVE; None where the database cannot be asked."""
    try:
        with closing(open_store()) as store, store.statement() as connection:
            rows = controls.states(connection)
    except (ExecutionError, ProgrammingError):  # not configured, away, or not migrated yet
        return None
    return [row for row in rows if row["state"] != TradingState.ACTIVE]


def in_words(rows: list[dict[str, Any]]) -> list[str]:
    """A line for each of them, or one that says that there is none."""
    return [f"trading: {_line(row)}" for row in rows] or ["trading: ACTIVE"]


def _line(row: dict[str, Any]) -> str:
    since = row["changed_at"].isoformat(sep=" ", timespec="seconds")
    why = f": {row['reason']}" if row["reason"] else ""
    return f"{row['state']} ({_where(row['scope'])}) since {since} by {row['changed_by']}{why}"
