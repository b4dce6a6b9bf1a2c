"""The venue's own port: HTTP with JSON, numbers as plain decimal strings, times as ISO 8601.

GET  /health                          {"status": "ok", "time"}
GET  /account                         {"account", "accounts": [...], "real", "balances"}
POST /orders                          submit: venue_order_id, symbol, side, order_type, quantity,
                                      time_in_force, limit_price?, stop_price?, trail_amount?,
                                      trail_percent?, expires_at?, valid_until? (the fence),
                                      account?
GET  /orders                          {"orders": [...]}: the working ones
GET  /orders/{venue_order_id}         {"orders": [...]}: all of that id, oldest first; or 404
POST /orders/{venue_order_id}/cancel  {"broker_order_id"?}
POST /orders/{venue_order_id}/modify  {"quantity"?, "limit_price"?, "stop_price"?,
                                      "broker_order_id"?}
GET  /executions?since=TIME | ?after=SEQUENCE
GET  /positions                       {"positions": [{"account", "symbol", "quantity",
                                      "average_price"}]}
GET  /quote?symbol=                   {"symbol", "bid", "ask", "time"}

An order is answered with every execution the venue has for it. A refusal is a 4xx with
{"code", "reason", "scope"}; 503 with "taken": false says that nothing was taken.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from simulators.control import json_object
from simulators.decimals import plain
from simulators.faults import FaultKind, Faults
from simulators.ledger.book import Book
from simulators.ledger.positions import fold_positions
from simulators.ledger.records import Order, Refusal, Trade, effective
from simulators.records import read_time

Answer = Callable[[web.Request, dict[str, Any]], dict[str, Any]]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Disconnect = Callable[[float], Awaitable[None]]


class VenuePort:
    """The routes over one book. `disconnect(seconds)` drops every connection, this one too."""

    def __init__(self, book: Book, disconnect: Disconnect) -> None:
        self._book = book
        self._faults: Faults = book.faults
        self._disconnect = disconnect

    def app(self) -> web.Application:
        """The application to listen with."""
        app = web.Application()
        app.add_routes(
            [
                web.post("/orders", self._guard("submit", self._submit)),
                web.post("/orders/{venue_order_id}/cancel", self._guard("cancel", self._cancel)),
                web.post("/orders/{venue_order_id}/modify", self._guard("modify", self._modify)),
                web.get("/orders/{venue_order_id}", self._guard("query", self._order)),
                web.get("/orders", self._guard("query", self._open_orders)),
                web.get("/executions", self._guard("query", self._executions)),
                web.get("/positions", self._guard("query", self._positions)),
                web.get("/account", self._guard("query", self._account)),
                web.get("/quote", self._guard("query", self._quote)),
                web.get("/health", self._guard("query", self._health)),
            ]
        )
        return app

    def _guard(self, operation: str, answer: Answer) -> Handler:
        """Whatever may go wrong around one operation, in the order in which it would."""

        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                body = await json_object(request) if request.method == "POST" else {}
            except ValueError as error:
                return _refused(Refusal("bad_request", str(error), status=400))
            match = self._match(request, body)
            try:
                stopped = await self._before(request, operation, match)
                if stopped is not None:
                    return stopped
                result = answer(request, body)
            except Refusal as refusal:
                return _refused(refusal)
            return await self._after(request, operation, match, result)

        return handle

    def _match(self, request: web.Request, body: dict[str, Any]) -> dict[str, str | None]:
        """What a fault may be narrowed to: the symbol and the client id in question."""
        venue_order_id = request.match_info.get("venue_order_id") or body.get("venue_order_id")
        symbol = body.get("symbol") or request.query.get("symbol")
        if symbol is None and venue_order_id is not None:
            symbol = next((order.symbol for order in self._book.known_as(venue_order_id)), None)
        return {"symbol": symbol, "venue_order_id": venue_order_id}

    async def _before(
        self, request: web.Request, operation: str, match: dict[str, str | None]
    ) -> web.Response | None:
        if fault := self._faults.take(FaultKind.DISCONNECT, operation, **match):
            await self._disconnect(fault.seconds)
            return _drop(request)
        if fault := self._faults.take(FaultKind.UNAVAILABLE, operation, **match):
            words = {"code": "unavailable", "reason": "not serving", "taken": False}
            return web.json_response(words, status=503)
        if self._faults.take(FaultKind.DROP_REQUEST, operation, **match):
            return _drop(request)
        if fault := self._faults.take(FaultKind.DELAY, operation, **match):
            await asyncio.sleep(fault.seconds)
        if fault := self._faults.take(FaultKind.REJECT, operation, **match):
            raise Refusal(fault.code, fault.reason, scope=fault.scope)
        return None

    async def _after(
        self,
        request: web.Request,
        operation: str,
        match: dict[str, str | None],
        result: dict[str, Any],
    ) -> web.Response:
        if fault := self._faults.take(FaultKind.DELAY_REPLY, operation, **match):
            await asyncio.sleep(fault.seconds)
        if self._faults.take(FaultKind.DROP_REPLY, operation, **match):
            return _drop(request)
        if fault := self._faults.take(FaultKind.ERROR_REPLY, operation, **match):
            return web.Response(status=fault.status, text="internal error")
        return web.json_response(result)

    def _submit(self, _: web.Request, body: dict[str, Any]) -> dict[str, Any]:
        return self._view(self._book.submit(body))

    def _cancel(self, request: web.Request, body: dict[str, Any]) -> dict[str, Any]:
        venue_order_id = request.match_info["venue_order_id"]
        return self._view(self._book.cancel(venue_order_id, body.get("broker_order_id")))

    def _modify(self, request: web.Request, body: dict[str, Any]) -> dict[str, Any]:
        venue_order_id = request.match_info["venue_order_id"]
        return self._view(self._book.modify(venue_order_id, body, body.get("broker_order_id")))

    def _order(self, request: web.Request, _: dict[str, Any]) -> dict[str, Any]:
        venue_order_id = request.match_info["venue_order_id"]
        orders = self._book.known_as(venue_order_id)
        if not orders:
            raise Refusal("unknown_order", f"{venue_order_id} is not known here", status=404)
        return {"orders": [self._view(order) for order in orders]}

    def _open_orders(self, _: web.Request, __: dict[str, Any]) -> dict[str, Any]:
        return {"orders": [self._view(order) for order in self._book.working()]}

    def _executions(self, request: web.Request, _: dict[str, Any]) -> dict[str, Any]:
        trades = list(self._book.trades)
        try:
            if "since" in request.query:
                since = read_time(request.query["since"], "since")
                trades = [trade for trade in trades if trade.executed_at >= since]
            after = int(request.query.get("after", "0"))
        except ValueError as error:
            raise Refusal("bad_request", str(error), status=400) from None
        trades = [trade for trade in trades if trade.sequence > after]
        return {"executions": self._reports(sorted(trades, key=lambda trade: trade.executed_at))}

    def _positions(self, _: web.Request, __: dict[str, Any]) -> dict[str, Any]:
        held = fold_positions(effective(self._book.trades))
        return {
            "positions": [
                {
                    "account": account,
                    "symbol": symbol,
                    "quantity": plain(quantity),
                    "average_price": plain(average),
                }
                for (account, symbol), (quantity, average) in held.items()
            ]
        }

    def _account(self, _: web.Request, __: dict[str, Any]) -> dict[str, Any]:
        options = self._book.options
        balances = {name: plain(value) for name, value in self._book.balances.items()}
        return {
            "account": options.account,
            "accounts": [options.account, *options.others],
            "real": options.real,
            "balances": balances,
        }

    def _quote(self, request: web.Request, _: dict[str, Any]) -> dict[str, Any]:
        symbol = request.query.get("symbol", "")
        market = self._book.market(symbol)
        if market is None:
            raise Refusal("no_market", f"there is no market in {symbol}", status=404)
        time = self._book.clock().isoformat()
        return {"symbol": symbol, "bid": plain(market.bid), "ask": plain(market.ask), "time": time}

    def _health(self, _: web.Request, __: dict[str, Any]) -> dict[str, Any]:
        return {"status": "ok", "time": self._book.clock().isoformat()}

    def _view(self, order: Order) -> dict[str, Any]:
        """An order with its executions, as the venue tells it, which a fault may distort."""
        trades = self._book.trades_of(order)
        view = order.as_json()
        if trades and self._faults.take(
            FaultKind.FILL_BEFORE_STATUS, symbol=order.symbol, venue_order_id=order.venue_order_id
        ):
            view |= {"state": "SUBMITTED", "filled_quantity": "0"}
        return view | {"executions": self._reports(trades)}

    def _reports(self, trades: list[Trade]) -> list[dict[str, Any]]:
        reports = []
        for trade in trades:
            twice = self._faults.take(
                FaultKind.DUPLICATE_REPORT,
                symbol=trade.symbol,
                venue_order_id=trade.venue_order_id,
            )
            reports += [trade.as_json()] * (2 if twice else 1)
        return reports


def _refused(refusal: Refusal) -> web.Response:
    words = {"code": refusal.code, "reason": refusal.reason, "scope": refusal.scope}
    return web.json_response(words, status=refusal.status)


def _drop(request: web.Request) -> web.Response:
    """Abort the connection; the response that the framework wants goes nowhere."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
