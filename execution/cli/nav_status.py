"""`execution arbitrage status` and `run`: how the pair stands, and the rounds by hand."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

import typer
from sqlalchemy import Connection

from execution.arbitrage.assembly import Arbitrage, assemble
from execution.arbitrage.watching import Look
from execution.cli.messages import Messages
from execution.cli.orders import Json
from execution.cli.output import print_json, print_line, print_table
from execution.cli.stamped import open_store, open_trading_store
from execution.domain.arbitrage.groups import Role, exposure
from execution.domain.arbitrage.permission import objections
from execution.domain.arbitrage.result import result
from execution.domain.decimals import plain
from execution.domain.errors import EventsUnavailable, ExecutionError, StoreUnavailable
from execution.events.connection import connect
from execution.events.publisher import Publisher
from execution.settings import Settings
from execution.store import alerts, groups, reading
from execution.store import arbitrage as observations
from execution.store.clock import database_time
from execution.store.engine import Store
from execution.store.groups import Stored
from execution.supervisor.control import connected_settings

_SHOWN_OBSERVATIONS = 10
_SHOWN_GROUPS = 5
_OBSERVED = ("interval_at", "trust_price", "spot_price", "nav_per_share", "spread", "z")


def status(
    limit: Annotated[int, typer.Option(min=1, help="How many observations.")] = _SHOWN_OBSERVATIONS,
    as_json: Json = False,
) -> None:
    """Show observations with spread and Z, the group with its legs and PnL, and why no entry."""
    with _arbitrage(open_store()) as (found, store, _):
        shown = _shown(found, store, limit)
    if as_json:
        print_json(shown)
        return
    _print(shown)


def run(
    once: Annotated[bool, typer.Option("--once", help="One round, and no more.")] = False,
    as_json: Json = False,
) -> None:
    """Look at the pair and move groups on, in the foreground, as the workers' clock does.

    It may run beside the clock: of one signal there is one group, whoever saw it.
    """
    with _arbitrage(open_trading_store()) as (found, store, settings):
        if found.plan.coins is None:
            raise ExecutionError("NAV_COINS_PER_SHARE and NAV_COINS_AS_OF are not set")
        with closing(connect(settings.require_redis_url())) as client:
            publisher = Publisher(store, client, settings.step_deadline)
            if once:
                _tell(_round(found, publisher), as_json=as_json)
                return
            while True:
                try:
                    _tell(_round(found, publisher), as_json=as_json)
                except (StoreUnavailable, EventsUnavailable) as error:
                    print_line(f"execution: {error}", error=True)
                time.sleep(settings.nav_poll.total_seconds())


def _round(found: Arbitrage, publisher: Publisher) -> Look:
    look = found.watch.once()
    found.mover.once()
    publisher.flush()
    return look


def _tell(look: Look, *, as_json: bool) -> None:
    if as_json:
        group = None if look.group_id is None else str(look.group_id)
        print_json({"at": datetime.now(UTC), "said": look.said, "group_id": group})
    else:
        print_line(f"{datetime.now(UTC):%H:%M:%S} {look.said}")


@contextmanager
def _arbitrage(store: Store) -> Iterator[tuple[Arbitrage, Store, Settings]]:
    settings = connected_settings()
    with (
        closing(store),
        closing(connect(settings.require_redis_url())) as client,
        Messages(settings, store) as messages,
    ):
        yield assemble(settings, store, client, messages), store, settings


def _shown(found: Arbitrage, store: Store, limit: int) -> dict[str, Any]:
    plan = found.plan
    with store.transaction() as connection:
        now = database_time(connection)
        current = groups.unfinished(connection, plan.pair)
        newest = groups.newest(connection, plan.pair, _SHOWN_GROUPS)
        earlier = [groups.load(connection, group_id) for group_id in newest]
        return {
            "pair": {"trust": plan.pair.trust, "spot": plan.pair.spot},
            "interval": plan.interval.name,
            "enabled": plan.enabled,
            "execution_mode": plan.mode,
            "coins_per_share": None if plan.coins is None else plan.coins.value,
            "coins_as_of": None if plan.coins is None else plan.coins.as_of,
            "last_look": groups.last_look(connection, plan.pair, plan.interval.name),
            "observations": observations.observations(
                connection, plan.pair, plan.interval.name, limit
            ),
            "group": None if current is None else _group(found, connection, current),
            "no_entry": _no_entry(found, connection, current, now),
            "groups": [
                _line(one)
                for one in earlier
                if one is not None and (current is None or one.group != current.group)
            ],
        }


def _line(stored: Stored) -> dict[str, Any]:
    group, row = stored.group, stored.signal
    return {
        "group_id": group.group_id,
        "direction": group.direction,
        "execution_mode": group.mode,
        "state": group.state,
        "reason": stored.reason,
        "entered_at": row["entered_at"],
        "ended_at": row["ended_at"],
        "pnl": stored.pnl,
        "uncounted": row["uncounted"],
    }


def _group(found: Arbitrage, connection: Connection, stored: Stored) -> dict[str, Any]:
    """A group with its orders, what it holds and what closing it now would earn."""
    group, row = stored.group, stored.signal
    quoted = found.knowledge.prices([stored.pair.trust, stored.pair.spot])
    symbols = {Role.TRUST: stored.pair.trust, Role.SPOT: stored.pair.spot}
    marks = {role: quoted[name].mid for role, name in symbols.items() if name in quoted}
    rate = row["conversion"] or Decimal(1)
    earned = result(groups.fills(connection, group.group_id, group.mode), marks, rate)
    held = {symbols[role]: exposure(group.legs, role)[1] for role in Role}
    return {
        **_line(stored),
        "phase": group.phase,
        "spread": row["spread"],
        "z": row["z"],
        "exit_reason": group.exit_reason,
        "held": held,
        "pnl": earned.pnl,
        "uncounted": earned.uncounted,
        "legs": [
            {
                "client_order_id": leg.client_order_id,
                "symbol": symbols[leg.role],
                "purpose": leg.purpose,
                "side": leg.side,
                "quantity": leg.quantity,
                "filled": leg.filled,
                "state": "REFUSED" if leg.refused else leg.state or "ACCEPTED",
                "reason": leg.reason,
            }
            for leg in group.legs
        ],
        "alerts": [
            alert["message"]
            for alert in reading.alerts(connection, 1000, settled=False)
            if alert["kind"] == alerts.NAV_GROUP and str(group.group_id) == alert["key"]
        ],
        "history": groups.history(connection, group.group_id),
    }


def _no_entry(
    found: Arbitrage, connection: Connection, current: Stored | None, now: datetime
) -> list[str]:
    """Why there would be no entry now, whatever the next observation says, each way."""
    plan = found.plan
    if current is not None:
        return [f"group {current.group.group_id} is {current.group.state}"]
    reasons = [] if plan.enabled else ["NAV_ARBITRAGE_ENABLED is not set"]
    if plan.coins is None:
        reasons.append("NAV_COINS_PER_SHARE and NAV_COINS_AS_OF are not set")
    else:
        problem = plan.coins.problem(now.date(), plan.freshness.coins_max_age_days)
        reasons += [problem] if problem else []
    newest = observations.last_window(connection, plan.pair, plan.interval.name, 1)
    if newest:
        known = found.knowledge.circumstances(connection, plan, plan.mode, now)
        for name, legs in found.watch.both_ways(connection, newest[0]):
            reasons += [f"{name}: {why}" for why in objections(legs, newest[0], known, plan.bounds)]
    return reasons


def _print(shown: dict[str, Any]) -> None:
    pair, look, group = shown["pair"], shown["last_look"], shown["group"]
    acting = "acts" if shown["enabled"] else "only observes"
    print_line(
        f"{pair['trust']} against {pair['spot']}, every {shown['interval']}, "
        f"{shown['execution_mode']}, {acting}"
    )
    print_line(
        "not looked at yet"
        if look is None
        else f"last look {look['looked_at']:%F %T}: {look['said']}"
    )
    names = (*_OBSERVED, "action", "reason", "declined")
    rows = [[row[name] for name in names] for row in map(_rounded, shown["observations"])]
    print_table("observations", names, rows)
    if group is not None:
        _print_group(group)
    for reason in shown["no_entry"]:
        print_line(f"no entry: {reason}")
    if shown["groups"]:
        columns = ("entered_at", "direction", "execution_mode", "state", "pnl", "reason")
        rows = [[_money(row)[name] for name in columns] for row in shown["groups"]]
        print_table("groups before", columns, rows)


def _print_group(group: dict[str, Any]) -> None:
    held = ", ".join(f"{plain(amount)} {name}" for name, amount in group["held"].items())
    print_line(
        f"{group['direction']} is {group['state']} since {group['history'][-1]['at']:%F %T}: "
        f"holds {held}; PnL {group['pnl']:+,.2f} USD"
    )
    names = ("client_order_id", "symbol", "purpose", "side", "quantity", "filled", "state")
    print_table("legs", names, [[leg[name] for name in names] for leg in group["legs"]])
    for alert in group["alerts"]:
        print_line(f"alert: {alert}")


def _rounded(row: dict[str, Any]) -> dict[str, Any]:
    """For people: NAV in cents, spread in hundredths of a percent, Z in hundredths."""
    spread, z = row["spread"], row["z"]
    return {
        **row,
        "nav_per_share": f"{row['nav_per_share']:.2f}",
        "spread": f"{spread:+.2%}",
        "z": None if z is None else f"{z:+.2f}",
    }


def _money(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "pnl": None if row["pnl"] is None else f"{row['pnl']:+,.2f}"}
