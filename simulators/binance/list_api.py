"""Order lists: OCO, OTO and OTOCO, their cancels and queries."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from simulators.binance.endpoints import Answer, Endpoint, book_of
from simulators.binance.entry import Leg, generate_id, read_response_type
from simulators.binance.errors import ApiError, either, filter_failure, rejected
from simulators.binance.exchange import Exchange
from simulators.binance.parameters import Parameters
from simulators.binance.records import NEVER, ZERO, Order, OrderList
from simulators.binance.store import Store
from simulators.binance.symbols import CONTINGENT, MAX_ORDER_LISTS
from simulators.binance.views import cancelled_view, list_view, placed_view

_DAY = 24 * 60 * 60 * 1000
_WORKING_TYPES = ("LIMIT", "LIMIT_MAKER")
_PAIR_TYPES = (*sorted(CONTINGENT), "LIMIT_MAKER")


class ListApi:
    """The endpoints of order lists."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._store = exchange.store
        self._desk = exchange.desk

    def endpoints(self) -> list[Endpoint]:
        """What this part answers."""
        prefix = "/api/v3"
        return [
            _new(f"{prefix}/orderList/oco", self._oco),
            _new(f"{prefix}/orderList/oto", self._oto),
            _new(f"{prefix}/orderList/otoco", self._otoco),
            Endpoint(
                "DELETE", f"{prefix}/orderList", 1, self._cancel, signed=True, operation="cancel"
            ),
            Endpoint("GET", f"{prefix}/orderList", 4, self._query, signed=True),
            Endpoint("GET", f"{prefix}/allOrderList", 20, self._all, signed=True),
            Endpoint("GET", f"{prefix}/openOrderList", 6, self._open, signed=True),
        ]

    def _oco(self, parameters: Parameters) -> dict[str, Any]:
        legs = self._pair(parameters, ("above", "below"), {"side": "side", "quantity": "quantity"})
        return self._place(parameters, "OCO", legs, pair=[0, 1])

    def _oto(self, parameters: Parameters) -> dict[str, Any]:
        working = self._leg(parameters, "working", types=_WORKING_TYPES)
        pending = self._leg(parameters, "pending")
        return self._place(parameters, "OTO", [working, pending], pair=[])

    def _otoco(self, parameters: Parameters) -> dict[str, Any]:
        working = self._leg(parameters, "working", types=_WORKING_TYPES)
        shared = {"side": "pendingSide", "quantity": "pendingQuantity"}
        pendings = self._pair(parameters, ("pendingAbove", "pendingBelow"), shared)
        return self._place(parameters, "OTO", [working, *pendings], pair=[1, 2])

    def _pair(
        self, parameters: Parameters, prefixes: tuple[str, str], shared: dict[str, str]
    ) -> list[Order]:
        """The two legs of which one cancels the other, the above one first."""
        legs = [
            self._leg(parameters, prefix, types=_PAIR_TYPES, shared=shared) for prefix in prefixes
        ]
        _check_pair(*legs)
        return legs

    def _leg(
        self,
        parameters: Parameters,
        prefix: str,
        *,
        types: Sequence[str] | None = None,
        shared: dict[str, str] | None = None,
    ) -> Order:
        symbol = book_of(self._exchange, parameters).rules.symbol
        leg = Leg(parameters, prefix, shared)
        now = self._exchange.clock()
        return leg.read(symbol, now) if types is None else leg.read(symbol, now, types=types)

    def _place(
        self, parameters: Parameters, contingency: str, legs: list[Order], *, pair: list[int]
    ) -> dict[str, Any]:
        book = book_of(self._exchange, parameters)
        client_id = parameters.client_id("listClientOrderId")
        response_type = read_response_type(parameters)
        parameters.finish()
        opened = [item for item in self._store.lists.values() if item.status == "EXECUTING"]
        for already, leg in enumerate(legs):
            self._desk.screen(leg, already=already)
        if sum(item.symbol == book.rules.symbol for item in opened) >= MAX_ORDER_LISTS:
            raise filter_failure("MAX_NUM_ORDER_LISTS")
        if any(item.list_client_order_id == client_id for item in opened):
            raise rejected("Duplicate order sent.")
        if len({leg.client_order_id for leg in legs}) < len(legs):
            raise rejected("Duplicate order sent.")
        self._desk.charge(len(legs))
        self._examine(contingency, legs)
        order_list = OrderList(
            order_list_id=0,
            contingency=contingency,
            list_client_order_id=client_id or generate_id(),
            symbol=book.rules.symbol,
            created=self._exchange.clock(),
            pair=pair,
        )
        self._exchange.place_list(order_list, legs)
        reports = []
        for place, leg in enumerate(legs):
            # What waits for a working order that fills at once is told as waiting all the same.
            waits = contingency == "OTO" and place > 0
            trades = [] if waits else book.trades_of(leg.order_id)
            reports.append(placed_view(_as_waiting(leg) if waits else leg, trades, response_type))
        return list_view(order_list, legs) | {
            "listStatusType": "EXEC_STARTED",
            "listOrderStatus": "EXECUTING",
            "orderReports": reports,
        }

    def _examine(self, contingency: str, legs: list[Order]) -> None:
        """The working order, or both of an OCO, must be fit to work now; the pending ones wait."""
        if contingency == "OCO":
            _check_prices(legs, self._exchange)
        for place, leg in enumerate(legs):
            if contingency == "OTO" and place:
                leg.status = "PENDING_NEW"
                self._desk.examine_waiting(leg)
            else:
                self._desk.examine(leg)

    def _cancel(self, parameters: Parameters) -> dict[str, Any]:
        book = book_of(self._exchange, parameters)
        order_list = self._find(parameters, "listClientOrderId")
        cancel_id = parameters.client_id("newClientOrderId") or generate_id()
        parameters.finish()
        if order_list is None or order_list.symbol != book.rules.symbol:
            raise ApiError(-2011)
        members = self._store.members(order_list)
        self._desk.cancel(next((member for member in members if member.is_open), None))
        return cancelled_list(self._store, order_list, cancel_id)

    def _query(self, parameters: Parameters) -> dict[str, Any]:
        order_list = self._find(parameters, "origClientOrderId")
        parameters.finish()
        if order_list is None:
            raise ApiError(-2013, "Order list does not exist.")
        return self._view(order_list)

    def _all(self, parameters: Parameters) -> list[dict[str, Any]]:
        first = parameters.integer("fromId")
        start, end = parameters.integer("startTime"), parameters.integer("endTime")
        limit = parameters.limit()
        parameters.finish()
        if first is not None and (start is not None or end is not None):
            raise ApiError(-1128, "Combination of optional parameters invalid.")
        if start is not None and end is not None and end - start > _DAY:
            raise ApiError(-1127, "More than 24 hours between startTime and endTime.")
        found = [
            item
            for item in self._store.lists.values()
            if item.order_list_id >= (first or 0)
            and item.created >= (start or 0)
            and (end is None or item.created <= end)
        ]
        chosen = found[-limit:] if first is None and start is None else found[:limit]
        return [self._view(item) for item in chosen]

    def _open(self, parameters: Parameters) -> list[dict[str, Any]]:
        parameters.finish()
        return [
            self._view(item) for item in self._store.lists.values() if item.status == "EXECUTING"
        ]

    def _find(self, parameters: Parameters, client_id_name: str) -> OrderList | None:
        list_id = parameters.integer("orderListId")
        client_id = parameters.client_id(client_id_name)
        if list_id is None and client_id is None:
            raise either(client_id_name, "orderListId")
        for item in reversed(self._store.lists.values()):
            if list_id in {None, item.order_list_id} and client_id in {
                None,
                item.list_client_order_id,
            }:
                return item
        return None

    def _view(self, order_list: OrderList) -> dict[str, Any]:
        return list_view(order_list, self._store.members(order_list))


def _new(path: str, answer: Answer) -> Endpoint:
    return Endpoint("POST", path, 1, answer, signed=True, operation="submit", counts=True)


def cancelled_list(store: Store, order_list: OrderList, cancel_id: str) -> dict[str, Any]:
    """The answer to the cancel of a list, or of one of its orders."""
    members = store.members(order_list)
    return list_view(order_list, members) | {
        "transactionTime": max(member.updated for member in members),
        "orderReports": [
            cancelled_view(member, cancel_id) for member in members if member.status == "CANCELED"
        ],
    }


def _as_waiting(leg: Order) -> Order:
    """A leg as it was while it waited."""
    waiting = copy.copy(leg)
    waiting.status, waiting.executed, waiting.quote_executed = "PENDING_NEW", ZERO, ZERO
    waiting.working_time = NEVER
    return waiting


def _check_pair(above: Order, below: Order) -> None:
    """Which types may stand above and below. ApiError as Binance documents for each mistake."""
    if not above.is_contingent and not below.is_contingent:
        raise ApiError(-1168, "At least one OCO order must be contingent.")
    if above.buys:
        if above.type == "LIMIT_MAKER":
            raise ApiError(-1165, "A limit order in a buy OCO must be below.")
        if below.type.startswith("STOP_LOSS"):
            raise ApiError(-1196, "A stop loss order in a buy OCO must be above.")
        if above.type.startswith("TAKE_PROFIT"):
            raise ApiError(-1198, "A take profit order in a buy OCO must be below.")
        return
    if below.type == "LIMIT_MAKER":
        raise ApiError(-1166, "A limit order in a sell OCO must be above.")
    if above.type.startswith("STOP_LOSS"):
        raise ApiError(-1197, "A stop loss order in a sell OCO must be below.")
    if below.type.startswith("TAKE_PROFIT"):
        raise ApiError(-1199, "A take profit order in a sell OCO must be above.")


def _check_prices(legs: Sequence[Order], exchange: Exchange) -> None:
    """The above leg's price lies above the last one, the below leg's below it."""
    last = exchange.store.book(legs[0]).tape.last
    if last is None:
        return
    above, below = ((leg.stop_price if leg.is_contingent else leg.price) for leg in legs)
    if (above and above <= last.price) or (below and below >= last.price):
        raise rejected("The relationship of the prices for the orders is not correct.")
