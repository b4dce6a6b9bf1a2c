"""New orders, cancels, cancel-replace and amendments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from simulators.binance.desk import RESTRICTIONS
from simulators.binance.endpoints import Endpoint, book_of, find_order
from simulators.binance.entry import Leg, generate_id, read_response_type
from simulators.binance.errors import ApiError, mandatory
from simulators.binance.exchange import Exchange
from simulators.binance.list_api import cancelled_list
from simulators.binance.numbers import eight
from simulators.binance.parameters import Parameters
from simulators.binance.records import Order
from simulators.binance.views import amended_view, cancelled_view, list_view, placed_view

_COMMISSION_TEST = 20
_OVERLIMIT_MODES = ("DO_NOTHING", "CANCEL_ONLY")


class TradingApi:
    """The endpoints that change single orders.

    A fault may hide from an answer that the order has traded: `tell` gives the order as it is to
    be told, None to tell it as it is.
    """

    def __init__(self, exchange: Exchange, tell: Callable[[Order], Order | None]) -> None:
        self._exchange = exchange
        self._tell = tell
        self._desk = exchange.desk
        self._store = exchange.store

    def endpoints(self) -> list[Endpoint]:
        """What this part answers."""
        prefix = "/api/v3"
        return [
            _trade("POST", f"{prefix}/order", 1, self._place, "submit", counts=True),
            _trade("POST", f"{prefix}/order/test", _weigh_test, self._test, "query"),
            _trade("DELETE", f"{prefix}/order", 1, self._cancel, "cancel"),
            _trade("DELETE", f"{prefix}/openOrders", 1, self._cancel_all, "cancel"),
            _trade(
                "POST", f"{prefix}/order/cancelReplace", 1, self._replace, "modify", counts=True
            ),
            _trade("PUT", f"{prefix}/order/amend/keepPriority", 4, self._amend, "modify"),
        ]

    def _place(self, parameters: Parameters) -> dict[str, Any]:
        order = self._read(parameters)
        response_type = read_response_type(parameters)
        parameters.finish()
        return self._placed(self._desk.place(order), response_type)

    def _test(self, parameters: Parameters) -> dict[str, Any]:
        order = self._read(parameters)
        read_response_type(parameters)
        with_rates = parameters.flag("computeCommissionRates")
        parameters.finish()
        self._desk.screen(order)
        if not with_rates:
            return {}
        options = self._exchange.options
        rates = {"maker": eight(options.fee_rate), "taker": eight(options.fee_rate)}
        none = dict.fromkeys(rates, "0.00000000")
        return {
            "standardCommissionForOrder": rates,
            "specialCommissionForOrder": none,
            "taxCommissionForOrder": none,
            "discount": {
                "enabledForAccount": options.bnb_fees,
                "enabledForSymbol": True,
                "discountAsset": "BNB",
                "discount": eight(options.bnb_discount),
            },
        }

    def _cancel(self, parameters: Parameters) -> dict[str, Any]:
        order = find_order(book_of(self._exchange, parameters), parameters)
        if order is not None and not self._store.shows(order.symbol, order.order_id):
            order = None
        cancel_id = parameters.client_id("newClientOrderId") or generate_id()
        restriction = _restriction(parameters)
        parameters.finish()
        cancelled = self._desk.cancel(order, restriction)
        order_list = self._store.order_list(cancelled[0])
        if order_list is None:
            return cancelled_view(cancelled[0], cancel_id)
        return cancelled_list(self._store, order_list, cancel_id)

    def _cancel_all(self, parameters: Parameters) -> list[dict[str, Any]]:
        book = book_of(self._exchange, parameters)
        parameters.finish()
        opened = list(book.open.values())
        if not opened:
            raise ApiError(-2011)
        answers, told = [], set()
        for order in opened:
            if order.is_open:
                self._desk.cancel(order)
            order_list = self._store.order_list(order)
            if order_list is None:
                answers.append(cancelled_view(order, generate_id()))
            elif order.order_list_id not in told:
                told.add(order.order_list_id)
                answers.append(cancelled_list(self._store, order_list, generate_id()))
        return answers

    def _replace(self, parameters: Parameters) -> dict[str, Any]:
        """Cancel one order and place another; what of it went wrong is in the answer's data."""
        book = book_of(self._exchange, parameters)
        stops = parameters.choice(
            "cancelReplaceMode",
            ("STOP_ON_FAILURE", "ALLOW_FAILURE"),
            ApiError(-1130, "Data sent for parameter 'cancelReplaceMode' is not valid."),
        )
        if stops is None:
            raise mandatory("cancelReplaceMode")
        overlimit = parameters.choice(
            "orderRateLimitExceededMode",
            _OVERLIMIT_MODES,
            ApiError(-1130, "Data sent for parameter 'orderRateLimitExceededMode' is not valid."),
        )
        old = find_order(book, parameters, "cancelOrderId", "cancelOrigClientOrderId")
        cancel_id = parameters.client_id("cancelNewClientOrderId") or generate_id()
        restriction = _restriction(parameters)
        new = self._read(parameters)
        response_type = read_response_type(parameters)
        parameters.finish()
        self._desk.screen(new)
        refusal: ApiError | None = None
        try:
            self._desk.charge(1)
        except ApiError as error:
            if overlimit != "CANCEL_ONLY":
                raise
            refusal = error
        cancelled, cancel_response = self._try_cancel(old, restriction, cancel_id)
        if not cancelled and stops == "STOP_ON_FAILURE":
            raise _replace_failure("FAILURE", "NOT_ATTEMPTED", cancel_response, None, refusal)
        placed, new_response = self._try_place(new, response_type, refusal)
        if cancelled and placed:
            return {
                "cancelResult": "SUCCESS",
                "newOrderResult": "SUCCESS",
                "cancelResponse": cancel_response,
                "newOrderResponse": new_response,
            }
        results = ("SUCCESS" if cancelled else "FAILURE", "SUCCESS" if placed else "FAILURE")
        raise _replace_failure(*results, cancel_response, new_response, refusal)

    def _amend(self, parameters: Parameters) -> dict[str, Any]:
        order = find_order(book_of(self._exchange, parameters), parameters)
        client_id = parameters.client_id("newClientOrderId")
        quantity = parameters.decimal("newQty")
        if quantity is None:
            raise mandatory("newQty")
        if not quantity:
            raise ApiError(-1013, "Invalid quantity.")
        parameters.finish()
        before = "" if order is None else order.client_order_id
        amended = self._desk.amend(order, quantity, client_id)
        answer = {
            "transactTime": amended.updated,
            "executionId": amended.amendments[-1]["executionId"],
            "amendedOrder": amended_view(amended, before),
        }
        order_list = self._store.order_list(amended)
        if order_list is None:
            return answer
        status = list_view(order_list, self._store.members(order_list))
        hidden = {"listStatusType", "transactionTime"}
        return answer | {
            "listStatus": {name: value for name, value in status.items() if name not in hidden}
        }

    def _read(self, parameters: Parameters) -> Order:
        book = book_of(self._exchange, parameters)
        return Leg(parameters).read(book.rules.symbol, self._exchange.clock())

    def _placed(self, order: Order, response_type: str | None) -> dict[str, Any]:
        earlier = self._tell(order)
        if earlier is not None:
            return placed_view(earlier, (), response_type)
        trades = self._store.book(order).trades_of(order.order_id)
        return placed_view(order, trades, response_type)

    def _try_cancel(
        self, order: Order | None, restriction: str | None, cancel_id: str
    ) -> tuple[bool, dict[str, Any]]:
        try:
            cancelled = self._desk.cancel(order, restriction)
        except ApiError as error:
            return False, error.as_json()
        order_list = self._store.order_list(cancelled[0])
        if order_list is not None:
            return True, cancelled_list(self._store, order_list, cancel_id)
        return True, cancelled_view(cancelled[0], cancel_id)

    def _try_place(
        self, order: Order, response_type: str | None, refusal: ApiError | None
    ) -> tuple[bool, dict[str, Any]]:
        try:
            if refusal is not None:
                raise refusal
            placed = self._desk.place_screened(order)
        except ApiError as error:
            return False, error.as_json()
        return True, self._placed(placed, response_type)


def _replace_failure(
    cancel_result: str,
    new_result: str,
    cancel_response: dict[str, Any],
    new_response: dict[str, Any] | None,
    refusal: ApiError | None,
) -> ApiError:
    """-2021 when one of the two worked (409), -2022 when neither did (400)."""
    partly = "SUCCESS" in {cancel_result, new_result}
    return ApiError(
        -2021 if partly else -2022,
        "Order cancel-replace partially failed." if partly else "Order cancel-replace failed.",
        status=429 if refusal is not None else 409 if partly else 400,
        data={
            "cancelResult": cancel_result,
            "newOrderResult": new_result,
            "cancelResponse": cancel_response,
            "newOrderResponse": new_response,
        },
    )


def _restriction(parameters: Parameters) -> str | None:
    return parameters.choice(
        "cancelRestrictions", RESTRICTIONS, ApiError(-1145, "Invalid cancelRestrictions")
    )


def _weigh_test(parameters: Parameters) -> int:
    return _COMMISSION_TEST if parameters.peek("computeCommissionRates") == "true" else 1


def _trade(
    method: str, path: str, weight: Any, answer: Any, operation: str, *, counts: bool = False
) -> Endpoint:
    return Endpoint(method, path, weight, answer, signed=True, operation=operation, counts=counts)
