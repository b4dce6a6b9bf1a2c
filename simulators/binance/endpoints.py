"""What an endpoint of the REST API is, and what is asked of every symbol parameter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from simulators.binance.book import SymbolBook
from simulators.binance.errors import ApiError, either, mandatory
from simulators.binance.exchange import Exchange
from simulators.binance.parameters import Parameters
from simulators.binance.records import Order


class Rendered(str):
    """JSON that is text already."""

    __slots__ = ()


Weight = int | Callable[[Parameters], int]
Answer = Callable[[Parameters], Any]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One path and method. `answer` gives what JSON spells, or Rendered text; or raises ApiError.

    `operation` is what a fault calls it: submit, cancel, modify or query. `counts` says that the
    answer carries the order count.
    """

    method: str
    path: str
    weight: Weight
    answer: Answer
    signed: bool = False
    operation: str = "query"
    counts: bool = False

    def weigh(self, parameters: Parameters) -> int:
        """What one request costs."""
        return self.weight if isinstance(self.weight, int) else self.weight(parameters)


def book_of(exchange: Exchange, parameters: Parameters) -> SymbolBook:
    """The book that `symbol` names. ApiError -1102 without one, -1121 for one unknown here."""
    symbol = parameters.symbol()
    if symbol is None:
        raise mandatory("symbol")
    return named_book(exchange, symbol)


def named_book(exchange: Exchange, symbol: str) -> SymbolBook:
    """The book of a symbol. ApiError -1121 when there is none."""
    book = exchange.store.books.get(symbol)
    if book is None or not book.listed:
        raise ApiError(-1121)
    return book


def find_order(
    book: SymbolBook,
    parameters: Parameters,
    order_id_name: str = "orderId",
    client_id_name: str = "origClientOrderId",
) -> Order | None:
    """The order that the parameters name, or None.

    ApiError -1102 when they name nothing, -2039 when they name two different orders.
    """
    order_id = parameters.integer(order_id_name)
    client_id = parameters.client_id(client_id_name)
    if order_id is None and client_id is None:
        raise either(client_id_name, order_id_name)
    order = book.find(order_id, client_id)
    if order is None and client_id is not None and order_id in book.orders:
        raise ApiError(-2039, "Client order ID is not correct for this order ID.")
    return order
