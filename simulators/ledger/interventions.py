"""What only this venue's control port can do: odd executions, orders ended, thin markets.

POST /executions     book an execution: {"venue_order_id" | "broker_order_id"?, "quantity", "price",
                     "kind"?, "corrects"?, "execution_id"?, "executed_at"?, "commission"?,
                     "symbol"?, "side"?, "account"?}. Without a known order: symbol and side are
                     needed.
                     Late, over the order's quantity or after its end: all is booked as told.
POST /orders/cancel  end an order: {"venue_order_id" | "broker_order_id", "state"?, "reason"?}
POST /liquidity      {"symbol", "size", "slice"?}: how much trades at the price (null: any amount),
                     and how much in one execution
"""

from __future__ import annotations

from typing import Any

from aiohttp import web

from simulators.control import json_object, text_of
from simulators.decimals import parse_decimal
from simulators.ledger.book import Book
from simulators.ledger.records import Order
from simulators.records import read_time

_ENDS = frozenset({"CANCELLED", "EXPIRED", "REJECTED"})


def intervention_routes(book: Book) -> list[web.RouteDef]:
    """The extra routes for the control port of `book`."""

    async def execution(request: web.Request) -> web.Response:
        body = await json_object(request)
        order = _order_of(book, body)
        return web.json_response(book.report(order, _report(body, order)).as_json())

    async def end(request: web.Request) -> web.Response:
        body = await json_object(request)
        order = _order_of(book, body)
        state = body.get("state", "CANCELLED")
        if order is None or not order.is_working or state not in _ENDS:
            raise ValueError(f"needs a working order and a state of {', '.join(sorted(_ENDS))}")
        book.end(order, state, body.get("reason", f"{state.lower()} by the venue"))
        return web.json_response(order.as_json())

    async def liquidity(request: web.Request) -> web.Response:
        body = await json_object(request)
        symbol = text_of(body, "symbol")
        if book.market(symbol) is None:
            raise ValueError(f"set a price for {symbol} first")
        sizes = [
            None if body.get(name) is None else parse_decimal(body[name], name)
            for name in ("size", "slice")
        ]
        book.set_liquidity(symbol, *sizes)
        return web.json_response({})

    return [
        web.post("/executions", execution),
        web.post("/orders/cancel", end),
        web.post("/liquidity", liquidity),
    ]


def _order_of(book: Book, body: dict[str, Any]) -> Order | None:
    """The order that a request names: by the venue's id, else the first of the client id."""
    if body.get("broker_order_id") is not None:
        return book.orders.get(body["broker_order_id"])
    return next(iter(book.known_as(body.get("venue_order_id", ""))), None)


def _report(body: dict[str, Any], order: Order | None) -> dict[str, Any]:
    """The fields of an execution to book. ValueError when it names no symbol or side."""
    report: dict[str, Any] = {
        name: parse_decimal(body.get(name), name)
        for name in ("quantity", "price", "commission")
        if name in body or name != "commission"
    }
    texts = (
        *("kind", "corrects", "execution_id", "commission_currency", "broker_order_id"),
        "account",
    )
    report |= {name: text_of(body, name) for name in texts if name in body}
    if "executed_at" in body:
        report["executed_at"] = read_time(body["executed_at"], "executed_at")
    if order is None:
        report |= {name: text_of(body, name) for name in ("symbol", "side")}
        return report | {"venue_order_id": body.get("venue_order_id")}
    return report | {
        "symbol": order.symbol,
        "side": order.side,
        "venue_order_id": order.venue_order_id,
        "broker_order_id": order.broker_order_id,
    }
