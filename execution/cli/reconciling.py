"""`execution reconcile`: what the venues hold against what we have of it, now."""

from __future__ import annotations

import time
from contextlib import closing
from typing import Annotated, Any

import typer

from execution.cli.messages import Messages
from execution.cli.operator import who
from execution.cli.orders import Json
from execution.cli.output import print_json, print_line, print_table
from execution.cli.stamped import open_verified_store
from execution.domain.errors import ExecutionError
from execution.domain.vocabulary import BrokerName, SessionStatus
from execution.intake import new_id
from execution.store import reading, reconciliations
from execution.store.engine import Store
from execution.supervisor.control import connected_settings

_LOOK_EVERY = 0.2


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(reconcile)


def reconcile(
    broker: Annotated[
        BrokerName | None, typer.Argument(help="Default: every live broker that is connected.")
    ] = None,
    wait: Annotated[float, typer.Option(help="Seconds to wait for the brokers' workers.")] = 60.0,
    as_json: Json = False,
) -> None:
    """Compare open orders and positions with the venues; list what differs, correct nothing.

    The broker's own worker asks. What differs raises an alert, what does not settles it. Exit
    status 1 when something differs or could not be compared.
    """
    settings = connected_settings()
    with closing(open_verified_store()) as store, Messages(settings, store) as messages:
        asked = {new_id(): name for name in _brokers(store, broker)}
        if not asked:
            raise ExecutionError("no live broker is connected: see `execution brokers`")
        for key, name in asked.items():
            with store.transaction() as connection:
                reconciliations.ask(connection, key, name, who())
            messages.task("tasks.reconcile_broker", key, name.queue)
        deadline = time.monotonic() + wait
        results = [
            {"broker": name.value, **_await(store, key, name, deadline)}
            for key, name in asked.items()
        ]
    if as_json:
        print_json(results)
    else:
        _tell(results)
    if any(not _is_clean(result) for result in results):
        raise typer.Exit(1)


def _brokers(store: Store, wanted: BrokerName | None) -> list[BrokerName]:
    """Those that have a session which is ready, or the one that was named."""
    if wanted is BrokerName.PAPER:
        raise ExecutionError("paper keeps its book in our own database: nothing to compare with")
    if wanted is not None:
        return [wanted]
    with store.statement() as connection:
        rows = reading.broker_overview(connection)
    ready = {row["broker"] for row in rows if row["status"] == SessionStatus.LIVE_READY}
    return [name for name in BrokerName if name in ready and name is not BrokerName.PAPER]


def _await(store: Store, key: Any, broker: BrokerName, deadline: float) -> dict[str, Any]:
    while True:
        with store.statement() as connection:
            row = reconciliations.outcome(connection, key)
        if row is not None:
            return {"problem": row["problem"], **(row["found"] or {})}
        if time.monotonic() > deadline:
            return {"problem": f"no worker of queue {broker.queue} has answered in time"}
        time.sleep(_LOOK_EVERY)


def _is_clean(result: dict[str, Any]) -> bool:
    return result["problem"] is None and result["positions_compared"] and not result["breaks"]


def _tell(results: list[dict[str, Any]]) -> None:
    for result in results:
        name = result["broker"]
        if result["problem"] is not None:
            print_line(f"{name}: not compared: {result['problem']}")
            continue
        orders = f"{result['open_orders']} open orders"
        moving = "" if result["positions_compared"] else "; positions are moving: ask again"
        print_line(f"{name}: {len(result['breaks'])} breaks, {orders}{moving}")
    rows = [
        (result["broker"], found["kind"], found["message"])
        for result in results
        for found in result.get("breaks", ())
    ]
    if rows:
        print_table("breaks", ("broker", "kind", "what differs"), rows)
