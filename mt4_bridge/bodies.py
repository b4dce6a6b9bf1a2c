"""What clients may ask for: the bodies of the three POSTs, checked field by field.

Lots and prices are decimal strings in the terminal's units (lots, not units of the base currency),
times ISO 8601 with a zone.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from mt4_bridge.magic import COMMAND_ID
from mt4_bridge.wire import plain

DECIMAL = r"^\d{1,12}(\.\d{1,8})?$"
_LARGEST_TICKET = 2**31 - 1


def _positive(text: str) -> str:
    """Above 0, and spelled in the one way that a comparison of bodies needs."""
    if not Decimal(text):
        raise ValueError("must be above 0")
    return plain(Decimal(text))


def _spelled(text: str) -> str:
    return plain(Decimal(text))


def _storable(moment: datetime) -> datetime:
    """UTC, within years that every part of the way can write."""
    if not datetime(2000, 1, 1, tzinfo=UTC) <= moment <= datetime(2199, 12, 31, tzinfo=UTC):
        raise ValueError("must lie between 2000 and 2199")
    return moment.astimezone(UTC)


CommandId = Annotated[str, Field(pattern=COMMAND_ID, description="Chosen by the client, once.")]
Positive = Annotated[str, Field(pattern=DECIMAL), AfterValidator(_positive)]
Level = Annotated[
    str, Field(pattern=DECIMAL, description="A price; 0 takes it away."), AfterValidator(_spelled)
]
TicketNumber = Annotated[int, Field(ge=1, le=_LARGEST_TICKET, strict=True)]
Moment = Annotated[AwareDatetime, AfterValidator(_storable)]
Deviation = Annotated[
    int,
    Field(ge=0, le=10_000, strict=True, description="Worst slippage taken, in points."),
]


class Change(BaseModel):
    """What every command says. `valid_until`: the terminal refuses to send it after that."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: CommandId
    valid_until: Moment

    def as_command(self) -> dict[str, Any]:
        """The command as it is stored and compared; what is not given is left out."""
        return self.model_dump(mode="json", exclude_none=True)


class Place(Change):
    """A market order, or a pending one at `price`."""

    symbol: Annotated[str, Field(pattern=r"^[A-Za-z0-9._#+-]{1,31}$")]
    side: Literal["BUY", "SELL"]
    order_type: Literal["MARKET", "LIMIT", "STOP"]
    lots: Positive
    price: Positive | None = None
    stop_loss: Positive | None = None
    take_profit: Positive | None = None
    expires_at: Annotated[Moment, Field(description="Of a pending order.")] | None = None
    deviation: Deviation = 30

    @model_validator(mode="after")
    def _whole(self) -> Place:
        """A pending order has a price, a market order neither price nor end."""
        if (self.order_type == "MARKET") != (self.price is None):
            raise ValueError("price is for LIMIT and STOP orders, which need it")
        if self.order_type == "MARKET" and self.expires_at is not None:
            raise ValueError("expires_at is for LIMIT and STOP orders")
        return self


class _OfOrder(Change):
    """A command about an order: the command that placed it, or its ticket."""

    order_id: CommandId | None = None
    ticket: TicketNumber | None = None

    @model_validator(mode="after")
    def _named(self) -> _OfOrder:
        if (self.order_id is None) == (self.ticket is None):
            raise ValueError("give order_id or ticket, and not both")
        return self


class Modify(_OfOrder):
    """Changes stop loss, take profit, and price and end of a pending order; at least one."""

    price: Positive | None = None
    stop_loss: Level | None = None
    take_profit: Level | None = None
    expires_at: Moment | None = None

    @model_validator(mode="after")
    def _something(self) -> Modify:
        if all(
            value is None
            for value in (self.price, self.stop_loss, self.take_profit, self.expires_at)
        ):
            raise ValueError("give price, stop_loss, take_profit or expires_at")
        return self


class Close(_OfOrder):
    """Closes a position, in whole or by `lots`, or deletes a pending order.

    `target` says which of the two is meant: an order that was pending a moment ago may be a
    position by now.
    """

    target: Literal["POSITION", "PENDING"]
    lots: Positive | None = None
    deviation: Deviation = 30

    @model_validator(mode="after")
    def _whole(self) -> Close:
        if self.target == "PENDING" and self.lots is not None:
            raise ValueError("a pending order is deleted in whole: no lots")
        return self
