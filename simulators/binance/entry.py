"""Reads a new order, alone or as the leg of an order list, and refuses what makes no sense."""

from __future__ import annotations

import secrets
import string
from collections.abc import Collection
from decimal import Decimal

from simulators.binance.errors import ApiError, either, mandatory, not_required
from simulators.binance.parameters import Parameters
from simulators.binance.records import ZERO, Order
from simulators.binance.symbols import (
    ALLOWED_STP_MODES,
    CONTINGENT,
    DEFAULT_STP_MODE,
    LIMITS_WITH_STOP,
    ORDER_TYPES,
)

SIDES = ("BUY", "SELL")
_TIMES_IN_FORCE = ("GTC", "IOC", "FOK")
_WITH_PRICE = LIMITS_WITH_STOP | {"LIMIT", "LIMIT_MAKER"}
_WITH_TIME = LIMITS_WITH_STOP | {"LIMIT"}
_ALPHABET = string.ascii_letters + string.digits
_MIN_STRATEGY_TYPE = 1_000_000


def generate_id() -> str:
    """A client id of the venue's own making: 22 letters and digits, as Binance's are."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(22))


class Leg:
    """The parameters of one order. `prefix` is what an order list puts before their names.

    `pendingAbove` makes `stopPrice` `pendingAboveStopPrice`. `shared` are parameters that an order
    list has only once for several legs, by their plain names: "side" and "quantity".
    """

    def __init__(
        self, parameters: Parameters, prefix: str = "", shared: dict[str, str] | None = None
    ) -> None:
        self._parameters = parameters
        self._prefix = prefix
        self._shared = shared or {}

    def read(self, symbol: str, now: int, *, types: Collection[str] = ORDER_TYPES) -> Order:
        """The order of this leg, without its order id.

        ApiError says what is missing, malformed or too much for its type.
        """
        parameters = self._parameters
        side = parameters.choice(self.name("side"), SIDES, ApiError(-1117, "Invalid side."))
        if side is None:
            raise mandatory(self.name("side"))
        kind = parameters.required(self.name("type"))
        if kind not in ORDER_TYPES:
            raise ApiError(-1116, "Invalid orderType.")
        if kind not in types:
            raise ApiError(-1158, "Order type not supported in OCO.")
        time_in_force = self._time_in_force(kind)
        client_id = parameters.client_id(
            self.name("clientOrderId") if self._prefix else "newClientOrderId"
        )
        order = Order(
            symbol=symbol,
            order_id=0,
            client_order_id=client_id or generate_id(),
            given_id=client_id,
            side=side,
            type=kind,
            time_in_force=time_in_force,
            quantity=ZERO,
            created=now,
            updated=now,
            strategy_id=parameters.integer(self.name("strategyId")),
            strategy_type=parameters.integer(self.name("strategyType")),
            stp_mode=read_stp_mode(parameters),
        )
        if order.strategy_type is not None and order.strategy_type < _MIN_STRATEGY_TYPE:
            raise ApiError(-1134, "`strategyType` was less than 1000000.")
        self._read_numbers(order)
        return order

    def name(self, plain: str) -> str:
        """What a parameter is called here."""
        if plain in self._shared:
            return self._shared[plain]
        return f"{self._prefix}{plain[0].upper()}{plain[1:]}" if self._prefix else plain

    def _read_numbers(self, order: Order) -> None:
        """Quantity and prices, as the order's type needs them."""
        price = self._positive("price", "Invalid price.")
        if order.type not in _WITH_PRICE and price is not None:
            raise not_required(self.name("price"))
        if order.type in _WITH_PRICE and price is None:
            raise mandatory(self.name("price"))
        order.price = price or ZERO
        self._read_quantity(order)
        self._read_stop(order)
        self._read_iceberg(order)

    def _read_quantity(self, order: Order) -> None:
        quantity = self._positive("quantity", "Invalid quantity.")
        spends = None if self._prefix else self._positive("quoteOrderQty", "Invalid quoteOrderQty.")
        if order.type != "MARKET" and spends is not None:
            raise not_required("quoteOrderQty")
        if quantity is None and spends is None:
            if order.type == "MARKET" and not self._prefix:
                raise either("quantity", "quoteOrderQty")
            raise mandatory(self.name("quantity"))
        if quantity is not None and spends is not None:
            raise ApiError(-1128, "Combination of optional parameters invalid.")
        order.quantity, order.quote_quantity = quantity or ZERO, spends or ZERO

    def _read_stop(self, order: Order) -> None:
        order.stop_price = self._positive("stopPrice", "Invalid stopPrice.")
        order.trailing_delta = self._parameters.integer(self.name("trailingDelta"))
        sent = {"stopPrice": order.stop_price, "trailingDelta": order.trailing_delta}
        if order.type in CONTINGENT and order.stop_price is None and order.trailing_delta is None:
            raise either(self.name("stopPrice"), self.name("trailingDelta"))
        for name, value in sent.items():
            if order.type not in CONTINGENT and value is not None:
                raise not_required(self.name(name))

    def _read_iceberg(self, order: Order) -> None:
        order.iceberg_quantity = self._positive("icebergQty", "Invalid icebergQty.")
        if order.iceberg_quantity is None:
            return
        if order.type not in _WITH_PRICE:
            raise not_required(self.name("icebergQty"))
        if order.time_in_force != "GTC":
            raise ApiError(-2010, "Unsupported order combination")
        if order.iceberg_quantity >= order.quantity:
            raise ApiError(-2010, "IcebergQty exceeds QTY.")

    def _time_in_force(self, kind: str) -> str:
        name = self.name("timeInForce")
        value = self._parameters.choice(
            name, _TIMES_IN_FORCE, ApiError(-1115, "Invalid timeInForce.")
        )
        if kind in _WITH_TIME and value is None:
            raise mandatory(name)
        if kind not in _WITH_TIME and value is not None:
            raise not_required(name)
        return value or "GTC"

    def _positive(self, plain: str, refusal: str) -> Decimal | None:
        value = self._parameters.decimal(self.name(plain))
        if value is not None and not value:
            raise ApiError(-1013, refusal)
        return value


def read_stp_mode(parameters: Parameters) -> str:
    """The self-trade prevention mode, the symbol's own by default.

    One that the symbol does not allow (`allowedSelfTradePreventionModes`: NONE is none of them) is
    refused; no document says with which code.
    """
    mode = parameters.choice(
        "selfTradePreventionMode",
        ALLOWED_STP_MODES,
        ApiError(-1130, "Data sent for parameter 'selfTradePreventionMode' is not valid."),
    )
    return mode or DEFAULT_STP_MODE


def read_response_type(parameters: Parameters) -> str | None:
    """ACK, RESULT or FULL; None leaves it to the order's type."""
    return parameters.choice(
        "newOrderRespType",
        ("ACK", "RESULT", "FULL"),
        ApiError(-1130, "Data sent for parameter 'newOrderRespType' is not valid."),
    )
