"""An order as the lifecycle sees it: what was asked, where it stands, and its current attempt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from execution.domain.instruments import Instrument
from execution.domain.lifecycle import Step
from execution.domain.ports import Attempt
from execution.domain.vocabulary import (
    BrokerName,
    ExecutionMode,
    OnFailure,
    OrderState,
    OrderType,
    Side,
    TimeInForce,
)


@dataclass(frozen=True, slots=True)
class AttemptState:
    """How the current attempt stands. Times are aware UTC, of the database's clock.

    `replacement` holds the terms under which a new attempt follows, once this one is over at the
    venue (see `execution.store.following`); `closes` the venue's position that it closes.
    `channel` is the client id that alone can change it, where its broker's workers share several.
    `account` is the venue's own name of the account it is in (paper: the label asked for), from
    step 3 on at the latest.
    Of a bracket's child: `reduced` is what its venue has taken off its quantity for what the others
    of its group (`one_cancels_other`) filled, `group_filled` is what those have filled.
    """

    attempt_id: UUID
    attempt_no: int
    account: str
    venue_order_id: str
    broker_order_id: str | None
    quantity: Decimal
    filled_quantity: Decimal
    state: OrderState
    intent_at: datetime | None
    send_by: datetime | None
    lease_owner: UUID | None
    lease_until: datetime | None
    watcher: UUID | None
    reported_state: OrderState | None
    reported_quantity: Decimal | None
    reported_reason: str | None
    replacement: Mapping[str, Any] | None
    closes: str | None
    created_at: datetime
    channel: int | None = None
    reduced: Decimal = Decimal(0)
    one_cancels_other: UUID | None = None
    group_filled: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """An order and its current attempt, as read in one snapshot at `read_at` (database clock).

    `account` is what was asked for, `attempt.account` where it is. `version` grows with every
    change; a change is made only on the version that was read.
    `unapplied` counts execution reports that step 6 has yet to apply, `unfinished` fills that
    step 7 has yet to bring into a position. `standing` counts earlier attempts that still work at
    the venue, of a bracket's child.
    """

    order_id: UUID
    client_order_id: str
    instrument: Instrument
    side: Side
    order_type: OrderType
    quantity: Decimal
    time_in_force: TimeInForce
    limit_price: Decimal | None
    stop_price: Decimal | None
    trail_amount: Decimal | None
    trail_percent: Decimal | None
    expires_at: datetime | None
    outside_rth: bool
    post_only: bool
    reduce_only: bool
    reference_price: Decimal | None
    on_failure: OnFailure
    environment: str
    account: str
    requested_broker: BrokerName
    broker: BrokerName
    execution_mode: ExecutionMode
    state: OrderState
    reason: str | None
    filled_quantity: Decimal
    average_price: Decimal | None
    strategy: str | None
    take_profit_price: Decimal | None
    stop_loss_price: Decimal | None
    parent_order_id: UUID | None
    role: str | None
    version: int
    step: int
    due_at: datetime | None
    resends: int
    created_at: datetime
    updated_at: datetime
    read_at: datetime
    unapplied: int
    unfinished: int
    attempt: AttemptState
    standing: int = 0

    @property
    def symbol(self) -> str:
        """The instrument's canonical symbol."""
        return self.instrument.symbol

    @property
    def remaining(self) -> timedelta | None:
        """How long until what is due now is due; None when nothing is."""
        return None if self.due_at is None else max(self.due_at - self.read_at, timedelta(0))

    @property
    def awaits_fill(self) -> bool:
        """True if it is step 5's turn; False while steps 6 and 7 are under way.

        What is reported between steps 7 and 8 need not wait for the messages to be out.
        """
        if self.step == Step.UPDATE_POSITIONS:
            return self.unapplied > 0
        return not Step.AWAIT_FILL <= self.step < Step.UPDATE_POSITIONS

    @property
    def has_news(self) -> bool:
        """True if step 5 is due: something is not applied, or its venue's last word not settled."""
        reported = self.attempt.reported_state
        ended = reported is not None and reported.is_final and not self.state.is_final
        return ended or self.lacks_executions or self.unapplied > 0 or self.unfinished > 0

    @property
    def lacks_executions(self) -> bool:
        """True if the venue's total of the current attempt is more than it has reported of it.

        Of an attempt that is over there, also if it is less.
        """
        attempt = self.attempt
        total, ours = attempt.reported_quantity, attempt.filled_quantity
        if total is None or self.state.is_final:
            return False
        over = attempt.reported_state is not None and attempt.reported_state.is_final
        return total != ours if over else total > ours

    @property
    def working_state(self) -> OrderState:
        """What it is while it works at its venue."""
        return OrderState.PARTIALLY_FILLED if self.filled_quantity else OrderState.SUBMITTED

    @property
    def reduces_risk(self) -> bool:
        """True for orders that must never be simulated in place of the real thing."""
        return self.reduce_only or self.parent_order_id is not None

    @property
    def is_exit(self) -> bool:
        """True for a reduce-only order that has its own size, unlike a bracket's child."""
        return self.reduce_only and self.parent_order_id is None

    def for_venue(self) -> Attempt:
        """The current attempt as an adapter takes it."""
        return Attempt(
            attempt_id=self.attempt.attempt_id,
            order_id=self.order_id,
            client_order_id=self.client_order_id,
            broker=self.broker,
            account=self.attempt.account,
            venue_order_id=self.attempt.venue_order_id,
            instrument=self.instrument,
            side=self.side,
            order_type=self.order_type,
            quantity=self.attempt.quantity - self.attempt.reduced,
            time_in_force=self.time_in_force,
            limit_price=self.limit_price,
            stop_price=self.stop_price,
            trail_amount=self.trail_amount,
            trail_percent=self.trail_percent,
            expires_at=self.expires_at,
            outside_rth=self.outside_rth,
            post_only=self.post_only,
            reduce_only=self.reduce_only,
            reference_price=self.reference_price,
            broker_order_id=self.attempt.broker_order_id,
            one_cancels_other=self.attempt.one_cancels_other,
            group_filled=self.attempt.group_filled,
            rerouted=self.broker is not self.requested_broker,
            created_at=self.attempt.created_at,
            send_by=self.attempt.send_by,
            closes=self.attempt.closes,
        )
