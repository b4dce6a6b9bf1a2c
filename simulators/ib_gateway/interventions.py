"""What only this gateway's control port can do.

POST /executions     book an execution: as in `simulators.ledger.interventions`; a CORRECTION's id
                     ends in the next number, a BUST is a correction to no shares. With
                     `commission` its report follows
POST /positions      {"symbol", "change", "account"?}: so much comes, or goes (negative), without an
                     execution: an assignment, an expiry, a split, a transfer
POST /commission     {"execution_id", "commission"}: what an execution cost is another amount
POST /orders         an order made by hand at TWS: {"symbol", "side", "quantity", "order_type"?,
                     "limit_price"?, "stop_price"?, "time_in_force"?, "account"?}
POST /orders/modify  change an order by hand: {"venue_order_id" | "broker_order_id", "quantity"?,
                     "limit_price"?, "stop_price"?}
POST /orders/cancel  end an order: {"venue_order_id" | "broker_order_id", "state"?, "reason"?,
                     "code"?, "by_hand"?}; REJECTED is told as 201 or as `code`, the others as
                     202; what a person cancels at TWS (`by_hand`) takes its OCA group along
POST /liquidity      {"symbol", "size", "slice"?}: how much trades at the price (null: any amount),
                     and how much in one execution
POST /open, /close   the opening or closing auction: {"symbol", "price"?}, else at the middle
POST /day            the trading day ends: DAY orders expire, its executions are no longer told
POST /restart        the daily restart: {"seconds"?, "end_day"?}
POST /drop           cut connections: {"client_id"?}, else all
POST /freeze         {"seconds"}: the gateway hangs: it takes connections, reads and says nothing
POST /connectivity   {"code": 1100 | 1101 | 1102 | 2103 ...}
POST /shortable      {"symbol", "shares": N | null, "locate"?}: null is any number; with `locate`
                     sales of more wait (404) instead of being refused (201)
POST /data_access    {"symbol", "access": "live" | "part" | "none"}: 10090, 354 or delayed data
POST /contracts      list a contract: {"symbol", "listed_at"?, "name"?, "currency"?}: a share, and
                     the symbol is ambiguous if it is listed elsewhere; answers its contract id
POST /contracts/rename  {"symbol", "to"}: a company and its options get another ticker; their
                     contract ids, and what the ledger calls them, stay
POST /contracts/spell   {"symbol", "local_symbol"}: TWS spells a contract anew
POST /times          how executions' times are written: {"form"?, "zone"?, "name"?}; see
                     `Spelling.change`
POST /garble         a field of executions' messages that cannot be read: {"field", "value"?,
                     "times"?}; see `Spelling.garble`
GET  /clients        {"clients": [...], "entered": {...}}: the ids of those that are connected, and
                     how often each id has connected
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from aiohttp import web

from simulators.control import json_object, text_of
from simulators.decimals import parse_decimal
from simulators.ib_gateway import reports
from simulators.ib_gateway.catalogue import as_json
from simulators.ib_gateway.codes import CONNECTIVITY
from simulators.ib_gateway.listings import share
from simulators.ib_gateway.records import Order

if TYPE_CHECKING:
    from simulators.ib_gateway.gateway import IbGateway

_ENDS = frozenset({"CANCELLED", "EXPIRED", "REJECTED"})
_ACCESS = frozenset({"live", "part", "none"})
Body = dict[str, Any]


def intervention_routes(gateway: IbGateway) -> list[web.RouteDef]:
    """The extra routes for the control port of `gateway`."""
    strings = _Strings(gateway)

    def post(path: str, act: Callable[[Body], Body]) -> web.RouteDef:
        async def handle(request: web.Request) -> web.Response:
            body = await json_object(request) if request.can_read_body else {}
            return web.json_response(act(body))

        return web.post(path, handle)

    async def clients(_: web.Request) -> web.Response:
        entered = {str(client_id): times for client_id, times in gateway.entered.items()}
        return web.json_response({"clients": sorted(gateway.sessions), "entered": entered})

    return [
        post("/executions", strings.execution),
        post("/commission", strings.commission),
        post("/positions", strings.positions),
        post("/orders", strings.place),
        post("/orders/modify", strings.modify),
        post("/orders/cancel", strings.end),
        post("/liquidity", strings.liquidity),
        post("/open", strings.open),
        post("/close", strings.close),
        post("/day", strings.day),
        post("/restart", strings.restart),
        post("/drop", strings.drop),
        post("/freeze", strings.freeze),
        post("/connectivity", strings.connectivity),
        post("/shortable", strings.shortable),
        post("/data_access", strings.data_access),
        post("/contracts", strings.contracts),
        post("/contracts/rename", strings.rename),
        post("/contracts/spell", strings.spell),
        post("/times", strings.times),
        post("/garble", strings.garble),
        web.get("/clients", clients),
    ]


class _Strings:
    """One method a route: takes the request's object, gives the answer's. ValueError is a 400."""

    def __init__(self, gateway: IbGateway) -> None:
        self._gateway = gateway
        self._desk = gateway.desk
        self._matcher = gateway.matcher
        self._register = gateway.register

    def execution(self, body: Body) -> Body:
        """Book an execution of the venue's own making."""
        return reports.book(self._gateway, self._named(body), body).as_row()

    def commission(self, body: Body) -> Body:
        """Charge another amount for an execution than it was charged before."""
        trade = self._register.trade(text_of(body, "execution_id"))
        if trade is None:
            raise ValueError("there is no such execution")
        trade.charges = parse_decimal(body["commission"], "commission")
        self._matcher.charge(self._register.orders.get(trade.perm_id), trade)
        self._register.commit()
        return trade.as_row()

    def positions(self, body: Body) -> Body:
        """Move a position without an execution."""
        account = body.get("account", self._gateway.options.accounts[0])
        if account not in self._gateway.options.accounts:
            raise ValueError(f"{account!r} is no account")
        self._gateway.come(
            account, text_of(body, "symbol"), parse_decimal(body["change"], "change")
        )
        return {}

    def place(self, body: Body) -> Body:
        """Make an order by hand."""
        order = reports.manual_order(self._gateway, body)
        self._gateway.place_by_hand(order)
        return order.as_json()

    def modify(self, body: Body) -> Body:
        """Change a working order by hand."""
        order = self._working(body)
        names = ("quantity", "limit_price", "stop_price")
        for name in [name for name in names if name in body]:
            setattr(order, name, parse_decimal(body[name], name))
        self._register.touch(order)
        self._register.tell_both(order)
        self._matcher.match(order)
        self._register.commit()
        return order.as_json()

    def end(self, body: Body) -> Body:
        """End a working order."""
        order = self._working(body)
        state, code = body.get("state", "CANCELLED"), body.get("code")
        if state not in _ENDS or not isinstance(code, int | None):
            raise ValueError(f"state must be one of {', '.join(sorted(_ENDS))} and code a number")
        reason = body.get("reason", f"{state.lower()} by the venue")
        if body.get("by_hand"):
            self._desk.cancel(order)
        else:
            self._desk.end(order, state, reason, code)
        return order.as_json()

    def liquidity(self, body: Body) -> Body:
        """Limit what trades at the price."""
        symbol = text_of(body, "symbol")
        if self._matcher.market(symbol) is None:
            raise ValueError(f"set a price for {symbol} first")
        size, slice_size = (
            None if body.get(name) is None else parse_decimal(body[name], name)
            for name in ("size", "slice")
        )
        self._matcher.set_liquidity(symbol, size, slice_size)
        return {}

    def open(self, body: Body) -> Body:
        """Hold the opening auction."""
        return self._auction(body, closing=False)

    def close(self, body: Body) -> Body:
        """Hold the closing auction."""
        return self._auction(body, closing=True)

    def day(self, _: Body) -> Body:
        """End the trading day."""
        self._desk.end_day()
        return {}

    def restart(self, body: Body) -> Body:
        """Restart as every day."""
        seconds = _number(body, "seconds", 1.0)
        if body.get("end_day"):
            self._desk.end_day()
        self._gateway.restart(seconds)
        return {}

    def drop(self, body: Body) -> Body:
        """Cut connections."""
        if "client_id" not in body:
            self._gateway.disconnect(0)
            return {}
        session = self._gateway.sessions.get(body["client_id"])
        if session is None:
            raise ValueError(f"client {body['client_id']} is not connected")
        session.abort()
        return {}

    def freeze(self, body: Body) -> Body:
        """Hang for a while."""
        self._gateway.freeze(_number(body, "seconds", 1.0))
        return {}

    def connectivity(self, body: Body) -> Body:
        """Tell of the connection to IB's servers."""
        code = CONNECTIVITY.get(body.get("code", 0))
        if code is None:
            raise ValueError(f"code must be one of {', '.join(map(str, CONNECTIVITY))}")
        self._gateway.say(code)
        return {}

    def shortable(self, body: Body) -> Body:
        """Say how many shares can be borrowed."""
        symbol = text_of(body, "symbol")
        shares, locate = body.get("shares"), bool(body.get("locate"))
        if isinstance(shares, bool) or not isinstance(shares, int | None):
            raise ValueError(f"shares must be a number or null: {shares!r}")  # noqa: TRY004 - a 400
        self._gateway.set_shortable(symbol, shares, locate=locate)
        return {}

    def data_access(self, body: Body) -> Body:
        """Say which market data the account has."""
        access = body.get("access")
        if access not in _ACCESS:
            raise ValueError(f"access must be one of {', '.join(sorted(_ACCESS))}")
        self._gateway.data_access[text_of(body, "symbol")] = access
        return {}

    def contracts(self, body: Body) -> Body:
        """List a share."""
        contract = share(
            text_of(body, "symbol"),
            body.get("listed_at", "NASDAQ"),
            body.get("name", ""),
            currency=body.get("currency", "USD"),
        )
        self._gateway.catalogue.add(contract)
        self._register.note({"contract": as_json(contract)})
        return {"con_id": contract.con_id}

    def rename(self, body: Body) -> Body:
        """Give a company another ticker."""
        ticker = text_of(body, "symbol")
        try:
            changed = self._gateway.catalogue.rename(ticker, text_of(body, "to"))
        except KeyError:
            raise ValueError(f"there is no contract called {ticker!r}") from None
        for contract in changed:
            self._register.note({"contract": as_json(contract)})
        return {"con_id": changed[0].con_id}

    def spell(self, body: Body) -> Body:
        """Give a contract another local symbol."""
        contract = self._gateway.catalogue.by_ticker(text_of(body, "symbol"))
        spelled = replace(contract, local_symbol=text_of(body, "local_symbol"))
        self._gateway.catalogue.add(spelled)
        self._register.note({"contract": as_json(spelled)})
        return {"con_id": spelled.con_id}

    def times(self, body: Body) -> Body:
        """Write executions' times in another way."""
        self._register.spelling.change(body)
        return {}

    def garble(self, body: Body) -> Body:
        """Write a field of executions' messages so that it cannot be read."""
        self._register.spelling.garble(body)
        return {}

    def _auction(self, body: Body, *, closing: bool) -> Body:
        symbol = text_of(body, "symbol")
        price = self._matcher.mark(self._gateway.catalogue.by_ticker(symbol))
        if "price" in body:
            price = parse_decimal(body["price"], "price")
        if price is None:
            raise ValueError(f"set a price for {symbol} first, or say one")
        self._matcher.auction(symbol, price, closing=closing)
        return {}

    def _named(self, body: Body) -> Order | None:
        """The order that a request names: by permId, else the first of its orderRef."""
        if body.get("broker_order_id") is not None:
            wanted = str(body["broker_order_id"])
            return self._register.orders.get(int(wanted)) if wanted.isdigit() else None
        return next(iter(self._register.known_as(body.get("venue_order_id", ""))), None)

    def _working(self, body: Body) -> Order:
        order = self._named(body)
        if order is None or not order.is_working:
            raise ValueError("needs the venue_order_id or broker_order_id of a working order")
        return order


def _number(body: Body, name: str, default: float) -> float:
    value = body.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise ValueError(f"{name} must be a number of at least 0, not {value!r}")
    return float(value)
