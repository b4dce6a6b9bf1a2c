"""What a person may say became of an order whose outcome nobody else can tell."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from execution.domain.decimals import exact, plain
from execution.domain.identity import instrument_key
from execution.domain.orders import Order
from execution.domain.reports import Execution
from execution.domain.requests import Number
from execution.domain.vocabulary import OrderState

_LONGEST_EVIDENCE = 2_000
# A person reads times off another clock, and to the second.
_CLOCKS_DIFFER = timedelta(minutes=1)


class Told(StrEnum):
    """What became of an order; `never-arrived` says that it provably did not reach its venue.

    `working` ends nothing: it books executions that the venue has not reported of an order that
    works there.
    """

    NEVER_ARRIVED = "never-arrived"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    FILLED = "filled"
    WORKING = "working"

    @property
    def state(self) -> OrderState:
        """The state that an order ends in, or works in, by it."""
        match self:
            case Told.NEVER_ARRIVED:
                return OrderState.REJECTED
            case Told.WORKING:
                return OrderState.PARTIALLY_FILLED
            case _:
                return OrderState(self.value.upper())


def _time(value: object) -> object:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        moment = None
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        raise PydanticCustomError("time", "must be an ISO 8601 time with its UTC offset")
    return moment.astimezone(UTC)


class ToldExecution(BaseModel):
    """An execution as a person reads it off the venue's own records.

    `execution_id` is the venue's: when the venue tells of it after all, it is known by it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    execution_id: Annotated[str, Field(pattern=r"^[!-~]{1,64}$")]
    quantity: Number
    price: Number
    at: Annotated[datetime, BeforeValidator(_time)] | None = None
    commission: Number | None = None
    commission_currency: Annotated[str, Field(pattern=r"^[A-Z0-9]{1,12}$")] | None = None

    def of(self, order: Order) -> Execution:
        """The same as an execution of an order's current attempt; one without a time is now."""
        return Execution(
            execution_id=self.execution_id,
            symbol=order.symbol,
            side=order.side,
            quantity=self.quantity,
            price=self.price,
            executed_at=self.at or order.read_at,
            venue_order_id=order.attempt.venue_order_id,
            broker_order_id=order.attempt.broker_order_id,
            commission=self.commission,
            commission_currency=self.commission_currency,
            instrument_key=instrument_key(order.broker, order.symbol),
        )


@dataclass(frozen=True, slots=True)
class Resolution:
    """What somebody (`by`) says of an order, and how they know."""

    told: Told
    by: str
    evidence: str
    executions: tuple[Execution, ...] = ()

    @property
    def quantity(self) -> Decimal:
        """How much of the order they say was executed."""
        return _sum(execution.quantity for execution in self.executions)

    def reason(self, order: Order) -> str:
        """What the order says of it from then on."""
        never = self.told is Told.NEVER_ARRIVED
        what = f"never reached {order.broker}" if never else f"{self.told} at {order.broker}"
        return f"{what} (settled by {self.by}: {self.evidence})"


def one_line(evidence: str) -> str:
    """Evidence on one line, printable, of a bounded length; empty when there is nothing in it."""
    words = " ".join(evidence.split())
    return "".join(char for char in words if char.isprintable())[:_LONGEST_EVIDENCE]


@exact
def _sum(quantities: Iterable[Decimal]) -> Decimal:
    return sum(quantities, Decimal(0))


def why_not(order: Order, said: Resolution) -> str | None:
    """Why an order cannot be settled so; None when it can."""
    if order.state is not OrderState.UNKNOWN and not order.state.is_working:
        return f"it is {order.state}, not UNKNOWN: there is nothing to settle"
    if order.unapplied:
        return "an execution of it has been heard of: it is settled by that"
    ids = [execution.execution_id for execution in said.executions]
    if len(set(ids)) != len(ids):
        return "execution_id: each execution has one of its own"
    for execution in said.executions:
        moment = execution.executed_at
        if moment < order.created_at - _CLOCKS_DIFFER:
            return f"at: {moment.isoformat()} is before the order came"
        if moment > order.read_at + _CLOCKS_DIFFER:
            return f"at: {moment.isoformat()} is in the future"
    return _contradiction(order, said)


@exact
def _contradiction(order: Order, said: Resolution) -> str | None:
    """Why the end that is told and the executions do not fit; None when they do."""
    filled = order.filled_quantity + said.quantity
    if said.told is Told.WORKING and not order.state.is_working:
        return f"working: it is {order.state}; say how it ended"
    if said.told.state is OrderState.REJECTED and filled:
        return f"{said.told}: {plain(filled)} of it were executed, so it was not refused"
    if said.told is Told.FILLED and filled < order.quantity:
        part, whole = plain(filled), plain(order.quantity)
        return f"filled: {part} of {whole} are not all of it; cancelled ends it after a part"
    if said.told is not Told.FILLED and filled >= order.quantity:
        return f"{said.told}: all {plain(order.quantity)} were executed, so it is filled"
    return None
