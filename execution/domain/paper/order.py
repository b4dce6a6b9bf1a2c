"""An order in the paper venue's book: its terms, and all that it remembers between two looks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from execution.domain.ports import Attempt
from execution.domain.vocabulary import OrderState, OrderType, Side, TimeInForce

ON_CLOSE = frozenset({OrderType.MARKET_ON_CLOSE, OrderType.LIMIT_ON_CLOSE})
STOPS = frozenset({OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP})
IMMEDIATE = frozenset({TimeInForce.IOC, TimeInForce.FOK})


@dataclass(frozen=True, slots=True)
class PaperOrder:
    """One order of the book; times are aware UTC, prices in the instrument's currency.

    `ends_at` is when its time in force ends (DAY: the session's close), None for never;
    `closes_at` the close that an on-close order waits for. `triggered_at` says that a stop was
    reached; `trail_extreme` is the lowest ask (BUY) or highest bid (SELL) that a trailing stop has
    seen. Orders with the same
    `one_cancels_other` cover the same position: what one fills, the others give up.
    `taken_quantity` is what it took of the size of the quote of `taken_at`. `version` is of the row
    it was read from.
    """

    venue_order_id: str
    client_order_id: str
    symbol: str
    side: Side
    order_type: OrderType
    quantity: Decimal
    time_in_force: TimeInForce
    accepted_at: datetime
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_amount: Decimal | None = None
    trail_percent: Decimal | None = None
    reference_price: Decimal | None = None
    one_cancels_other: UUID | None = None
    rerouted: bool = False
    ends_at: datetime | None = None
    closes_at: datetime | None = None
    state: OrderState = OrderState.SUBMITTED
    reason: str | None = None
    filled_quantity: Decimal = Decimal(0)
    executions: int = 0
    triggered_at: datetime | None = None
    trail_extreme: Decimal | None = None
    taken_at: datetime | None = None
    taken_quantity: Decimal = Decimal(0)
    version: int = 1

    @property
    def leaves_quantity(self) -> Decimal:
        """What is still to be filled."""
        return self.quantity - self.filled_quantity

    @property
    def awaits_trigger(self) -> bool:
        """True for a stop that has not been reached."""
        return self.order_type in STOPS and self.triggered_at is None

    @property
    def is_immediate(self) -> bool:
        """True when what it cannot do at once is cancelled."""
        return self.time_in_force in IMMEDIATE


def covering(order: PaperOrder, filled_by_others: Decimal) -> PaperOrder:
    """A new order less what others of its group have filled already; over when nothing is left."""
    left = order.quantity - filled_by_others
    if left > 0:
        return replace(order, quantity=left)
    return replace(order, state=OrderState.CANCELLED, reason="one cancels the other")


def needs_session(attempt: Attempt) -> bool:
    """Whether an order depends on when its session closes."""
    return attempt.time_in_force is TimeInForce.DAY or attempt.order_type in ON_CLOSE


def accept(attempt: Attempt, now: datetime, session_close: datetime | None) -> PaperOrder:
    """The order of an attempt that the venue takes at `now`.

    `session_close` is the first close after `now`, where the order `needs_session`.
    """
    on_close = attempt.order_type in ON_CLOSE
    ends_at = None
    if attempt.time_in_force is TimeInForce.GTD:
        ends_at = attempt.expires_at
    elif attempt.time_in_force is TimeInForce.DAY and not on_close:
        ends_at = session_close
    return PaperOrder(
        venue_order_id=attempt.venue_order_id,
        client_order_id=attempt.client_order_id,
        symbol=attempt.instrument.symbol,
        side=attempt.side,
        order_type=attempt.order_type,
        quantity=attempt.quantity,
        time_in_force=attempt.time_in_force,
        accepted_at=now,
        limit_price=attempt.limit_price,
        stop_price=attempt.stop_price,
        trail_amount=attempt.trail_amount,
        trail_percent=attempt.trail_percent,
        reference_price=attempt.reference_price,
        one_cancels_other=attempt.one_cancels_other,
        rerouted=attempt.rerouted,
        ends_at=ends_at,
        closes_at=session_close if on_close else None,
    )
