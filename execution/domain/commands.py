"""Cancel and modify as producers ask for them, validated like orders."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from execution.domain.decimals import plain
from execution.domain.orders import Order
from execution.domain.ports import Modification
from execution.domain.requests import Identifier, Number, validated
from execution.domain.vocabulary import OrderType

CommandId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class CommandKind(StrEnum):
    """What is asked of an order that was placed before."""

    CANCEL = "CANCEL"
    MODIFY = "MODIFY"


class CancelRequest(BaseModel):
    """`tasks.cancel_order`: the same cancel_id again is the same cancel."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    client_order_id: Identifier
    cancel_id: CommandId

    def canonical(self) -> dict[str, Any]:
        """The request as JSON."""
        return self.model_dump()


class ModifyRequest(BaseModel):
    """`tasks.modify_order`: `quantity` is the new total; what is left out stays as it is.

    `expected_version` is the order's version that the change was decided on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    client_order_id: Identifier
    modify_id: CommandId
    expected_version: Annotated[int, Field(strict=True, ge=1, lt=2**31)]
    quantity: Number | None = None
    limit_price: Number | None = None
    stop_price: Number | None = None

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if self.quantity is None and self.limit_price is None and self.stop_price is None:
            raise PydanticCustomError(
                "quantity", "one of quantity, limit_price, stop_price is required"
            )
        return self

    def canonical(self) -> dict[str, Any]:
        """The request as JSON, numbers in plain notation, what is left out left out."""
        return {
            name: plain(value) if isinstance(value, Decimal) else value
            for name, value in self
            if value is not None
        }

    def modification(self) -> Modification:
        """The change as an adapter takes it."""
        return Modification(self.quantity, self.limit_price, self.stop_price)


def parse_cancel(payload: Mapping[str, Any]) -> CancelRequest:
    """Validate a cancel. RequestRefused names field, value and rule."""
    return validated(CancelRequest, payload)


def parse_modify(payload: Mapping[str, Any]) -> ModifyRequest:
    """Validate a modify. RequestRefused names field, value and rule."""
    return validated(ModifyRequest, payload)


_HAS_LIMIT = frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.LIMIT_ON_CLOSE})
_HAS_STOP = frozenset({OrderType.STOP, OrderType.STOP_LIMIT})


def why_not(order: Order, request: ModifyRequest, *, sent: bool) -> str | None:
    """Why a change cannot be made of an order, naming field, value and rule; None when it can.

    `sent` says that it was already on its way: then the version was right when it set out.
    """
    if order.state.is_final:
        return f"the order is {order.state}"
    if not sent and request.expected_version != order.version:
        return (
            f"expected_version: {request.expected_version} is stale, "
            f"the order is at version {order.version}"
        )
    if request.quantity is not None and order.parent_order_id is not None:
        return "quantity: a bracket's child is for what its parent has filled and is still open"
    if request.quantity is not None and request.quantity < order.filled_quantity:
        return (
            f"quantity: {plain(request.quantity)} is less than "
            f"the {plain(order.filled_quantity)} already filled"
        )
    if request.quantity is not None and request.quantity == order.filled_quantity:
        return f"quantity: {plain(request.quantity)} is what is filled already: cancel what is left"
    if request.limit_price is not None and order.order_type not in _HAS_LIMIT:
        return f"limit_price: {order.order_type} has none"
    if request.stop_price is not None and order.order_type not in _HAS_STOP:
        return f"stop_price: {order.order_type} has none"
    return None
