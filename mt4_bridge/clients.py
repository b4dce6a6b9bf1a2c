"""The clients' side: place, modify, close, and every question."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response

from mt4_bridge import models, views
from mt4_bridge.bodies import Close, Modify, Moment, Place
from mt4_bridge.bridge import Answer, Bridge
from mt4_bridge.clock import milliseconds, moment
from mt4_bridge.errors import UnknownSymbol
from mt4_bridge.magic import COMMAND_ID
from mt4_bridge.presence import Snapshot, SymbolState
from mt4_bridge.security import CLIENT, bridge_of
from mt4_bridge.wire import plain

_REFUSALS: dict[int | str, dict[str, Any]] = {
    401: {"model": models.Failure, "description": "No token, or the wrong one"},
    413: {"model": models.Failure, "description": "The body is too large; nothing was taken"},
    422: {"model": models.Failure, "description": "Malformed; nothing was taken"},
}
_AWAY: dict[int | str, dict[str, Any]] = {
    503: {"model": models.Failure, "description": "No terminal can be believed now"}
}
_CHANGES: dict[int | str, dict[str, Any]] = _AWAY | {
    400: {"model": models.Failure, "description": "The body cannot be read; nothing was taken"},
    202: {"model": models.Command, "description": "Taken; its outcome is not known yet"},
    409: {"model": models.Failure, "description": "The key or the id is another command's"},
    410: {"model": models.Failure, "description": "`valid_until` is past; nothing was taken"},
}

router = APIRouter(responses=_REFUSALS, dependencies=[Depends(CLIENT)])

TheBridge = Annotated[Bridge, Depends(bridge_of)]
Key = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[!-~]{1,128}$",
        description="The same key and body again: the first answer again.",
    ),
]
Wait = Annotated[
    float | None,
    Query(ge=0, le=30, allow_inf_nan=False, description="Seconds to wait for the outcome."),
]


@router.post("/order/place", responses=_CHANGES)
async def place(
    body: Place, key: Key, bridge: TheBridge, response: Response, wait: Wait = None
) -> models.Command:
    """Place a market or pending order."""
    return _told(await bridge.change("PLACE", body, key, wait), response)


@router.post("/order/modify", responses=_CHANGES)
async def modify(
    body: Modify, key: Key, bridge: TheBridge, response: Response, wait: Wait = None
) -> models.Command:
    """Change stop loss, take profit, or a pending order's price and end."""
    return _told(await bridge.change("MODIFY", body, key, wait), response)


@router.post("/order/close", responses=_CHANGES)
async def close(
    body: Close, key: Key, bridge: TheBridge, response: Response, wait: Wait = None
) -> models.Command:
    """Close a position in whole or in part, or delete a pending order."""
    return _told(await bridge.change("CLOSE", body, key, wait), response)


@router.get(
    "/order/{id}", responses={404: {"model": models.Failure, "description": "Never heard of it"}}
)
async def order(
    command_id: Annotated[str, Path(alias="id", pattern=COMMAND_ID)], bridge: TheBridge
) -> models.Command:
    """A command by its id: its outcome so far, its order and its executions."""
    return models.Command.model_validate(bridge.order(command_id))


@router.get("/orders", responses=_AWAY)
async def orders(bridge: TheBridge) -> models.OpenOrders:
    """The pending orders of the account, ours or not."""
    return _open(bridge, positions=False)


@router.get("/positions", responses=_AWAY)
async def positions(bridge: TheBridge) -> models.OpenOrders:
    """The open positions of the account, each ticket by itself, first in first out."""
    return _open(bridge, positions=True)


@router.get("/executions", responses=_AWAY)
async def executions(bridge: TheBridge, since: Annotated[Moment, Query()]) -> models.Executions:
    """Every execution of the account since then, ours or not, oldest first."""
    snapshot = bridge.believed()
    rows = bridge.store.connection.execute(
        "SELECT * FROM executions WHERE executed_at >= ? ORDER BY executed_at, sequence",
        (milliseconds(since),),
    ).fetchall()
    return models.Executions.model_validate(
        {"as_of": moment(snapshot.taken_at), "executions": views.executions(rows)}
    )


@router.get("/account", responses=_AWAY)
async def account(bridge: TheBridge) -> models.Account:
    """The account, its money, and whether it is a demo."""
    snapshot = bridge.believed()
    state = snapshot.account
    return models.Account(
        as_of=moment(snapshot.taken_at),
        account=state.name,
        login=state.login,
        server=state.server,
        company=state.company,
        currency=state.currency,
        balance=plain(state.balance),
        equity=plain(state.equity),
        margin=plain(state.margin),
        free_margin=plain(state.free_margin),
        leverage=state.leverage,
        demo=state.demo,
        connected=state.connected,
        trade_allowed=state.trade_allowed,
        server_offset=snapshot.offset or 0,
    )


@router.get("/symbols", responses=_AWAY)
async def symbols(bridge: TheBridge) -> models.Symbols:
    """Every symbol that the terminal tells of, with its market."""
    snapshot = bridge.believed()
    return models.Symbols(symbols=[_symbol(one, snapshot) for one in snapshot.symbols.values()])


@router.get(
    "/symbols/{name}",
    responses=_AWAY | {404: {"model": models.Failure, "description": "No such symbol"}},
)
async def symbol(
    name: Annotated[str, Path(min_length=1, max_length=31)], bridge: TheBridge
) -> models.Symbol:
    """One symbol with its market."""
    snapshot = bridge.believed()
    if name not in snapshot.symbols:
        raise UnknownSymbol(f"the terminal does not tell of {name}")
    return _symbol(snapshot.symbols[name], snapshot)


@router.get("/health", responses={503: {"model": models.Health, "description": "Degraded"}})
async def health(request: Request, response: Response) -> models.Health:
    """Whether orders can be placed now, and if not, why."""
    bridge = bridge_of(request)
    bridge.expire()
    presence, reasons = bridge.presence, bridge.presence.problems()
    unsettled = bridge.store.connection.execute(
        "SELECT count(*) FROM commands WHERE stage IN ('NEW', 'LEASED', 'UNKNOWN')"
    ).fetchone()[0]
    if reasons:
        response.status_code = 503
    snapshot = presence.snapshot
    return models.Health(
        status="degraded" if reasons else "ok",
        reasons=reasons,
        warnings=_warnings(bridge),
        account=presence.bound_to,
        terminal=presence.speakers[-1].terminal if presence.speakers else None,
        heartbeat_at=None if snapshot is None else moment(snapshot.taken_at),
        unsettled=unsettled,
    )


def _told(answer: Answer, response: Response) -> models.Command:
    response.status_code = answer.status
    return models.Command.model_validate(answer.body)


def _warnings(bridge: Bridge) -> list[str]:
    if not bridge.missing:
        return []
    tickets = ", ".join(str(ticket) for ticket in sorted(bridge.missing)[:5])
    words = f"{len(bridge.missing)} tickets have left the terminal's lists ({tickets})"
    return [f"{words}: set its Account History tab to All History"]


def _open(bridge: Bridge, *, positions: bool) -> models.OpenOrders:
    snapshot = bridge.believed()
    rows = bridge.store.connection.execute(
        "SELECT * FROM tickets WHERE close_time IS NULL AND (type < 2) = ? "
        "ORDER BY open_time, ticket",
        (positions,),
    ).fetchall()
    told = [row for row in rows if row["ticket"] in snapshot.open_tickets]
    return models.OpenOrders.model_validate(
        {
            "as_of": moment(snapshot.taken_at),
            "tickets": [
                views.ticket(row)
                | {
                    "swap": plain(snapshot.open_tickets[row["ticket"]].swap),
                    "profit": plain(snapshot.open_tickets[row["ticket"]].profit),
                }
                for row in told
            ],
        }
    )


def _symbol(state: SymbolState, snapshot: Snapshot) -> models.Symbol:
    has_market = state.bid > 0 and state.ask > 0
    return models.Symbol(
        as_of=moment(snapshot.taken_at),
        name=state.name,
        bid=plain(state.bid) if has_market else None,
        ask=plain(state.ask) if has_market else None,
        quoted_at=None if state.quoted_at is None else moment(state.quoted_at),
        digits=state.digits,
        lot_size=plain(state.lot_size),
        lot_step=plain(state.lot_step),
        min_lot=plain(state.min_lot),
        max_lot=plain(state.max_lot),
        stops_level=state.stops_level,
        freeze_level=state.freeze_level,
        trade_allowed=state.trade_allowed,
    )
