"""One order as TWS reports it, and the operation under way on it.

An order's state is read from orderStatus, the executions and the message codes together. A code
alone never ends an order: with a status Cancelled it does, and what is Inactive with it is
cancelled first.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from execution.domain.reports import VenueOrder
from execution.domain.vocabulary import OrderState, Side
from workers.adapters.ibkr import orders, outcomes
from workers.adapters.ibkr.fills import Fill, effective, revised
from workers.adapters.ibkr.outcomes import Said

FILLED, INACTIVE, PENDING_CANCEL = "Filled", "Inactive", "PendingCancel"
CANCELLED = frozenset({"Cancelled", "ApiCancelled"})
WORKS = frozenset({"PreSubmitted", "Submitted"})
ON_ITS_WAY = frozenset({"", "PendingSubmit", "ApiPending"})
"""The statuses of an order that TWS has not passed on."""
CANCEL_TAKEN = frozenset({PENDING_CANCEL, "PreSubmitted"})
"""How TWS shows an order with a cancel that it has passed on, and that is not done."""
_REJECTED_WORDS = "Rejected by System"
_TOGETHER = timedelta(seconds=5)
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(slots=True)
class Cancel:
    """A cancel that was asked for on this connection. `accepted`: TWS has passed it on.

    Another is not sent then, and no earlier than at `again_at` on the loop's clock otherwise.
    """

    again_at: float = math.inf
    accepted: bool = False


@dataclass(slots=True, eq=False)
class Entry:
    """One order. `status` is TWS's last word of it, empty while there is none.

    `order_id` is None for what another client or a person made. `contract` is TWS's, once it has
    named it. `refusal` is the last message code about the order itself, with its text, `remark`
    the last that is known for a mere warning; `ended` is the text of 202 or of a completed order.
    `stopped_at` is when it was shown as Cancelled or Inactive. `worked`: it was taken up once.
    `closed`: TWS has reported how much of it filled in the end. `withdrawn`: it was refused, kept
    as Inactive, and we cancel it; `over`: there is nothing left to cancel. `cancel` is what was
    asked for otherwise. `sent_at`, and `looked_at`, when another connection was asked, are on the
    loop's clock.

    `round` is the last synchronisation in which it was heard of. `told` is what the port was told
    last. Until `quiet_until`, on the loop's clock, it is news only for who waits for it; what was
    `dismissed` is news no more, unless it trades.
    """

    ref: str
    perm_id: int = 0
    order_id: int | None = None
    client_id: int | None = None
    sent_here: bool = False
    symbol: str = ""
    contract: Any = None
    side: Side = Side.BUY
    quantity: Decimal = Decimal(0)
    order_type: str = ""
    limit_price: Decimal | None = None
    aux_price: Decimal | None = None
    good_till: str = ""
    group: str = ""
    status: str = ""
    filled: Decimal = Decimal(0)
    why_held: str = ""
    refusal: Said | None = None
    refused_at: datetime = _LONG_AGO
    remark: Said | None = None
    ended: str = ""
    stopped_at: datetime | None = None
    worked: bool = False
    closed: bool = False
    withdrawn: bool = False
    over: bool = False
    cancel: Cancel | None = None
    sent_at: float = 0.0
    looked_at: float = -math.inf
    round: int = 0
    told: VenueOrder | None = None
    quiet_until: float = 0.0
    dismissed: bool = False
    fills: list[Fill] = field(default_factory=list)

    def show(self, status: str, now: datetime) -> None:
        """Take in a status that TWS shows."""
        stopped = status in CANCELLED or status == INACTIVE
        self.stopped_at = (self.stopped_at or now) if stopped else None
        self.worked = self.worked or status in WORKS
        self.status = status

    @property
    def heard(self) -> bool:
        """Whether TWS has said anything of it."""
        return bool(self.status or self.fills)

    @property
    def code(self) -> Said | None:
        """The last message code about the order itself, a warning too."""
        return self.refusal or self.remark

    @property
    def executed(self) -> Decimal:
        """What its executions add up to."""
        return effective(self.fills)

    @property
    def filled_quantity(self) -> Decimal:
        """What is filled: TWS may say so before it tells the execution, or after."""
        executed = self.executed
        return executed if revised(self.fills) else max(executed, self.filled)

    @property
    def is_refused(self) -> bool:
        """Whether its end is a refusal.

        A code refuses an order that had worked only if the end came with it: otherwise it was a
        warning, or concerned a change.
        """
        if self.ended.startswith(_REJECTED_WORDS):
            return True
        together = self.stopped_at is None or self.stopped_at - self.refused_at <= _TOGETHER
        return self.refusal is not None and (not self.worked or self.withdrawn or together)

    @property
    def to_be_withdrawn(self) -> bool:
        """Whether TWS has refused an order of this client, and keeps it as Inactive."""
        kept = self.status == INACTIVE and self.is_refused and not self.over
        return kept and self.order_id is not None and not self.withdrawn

    def state(self, now: datetime) -> OrderState:
        """What all of it makes of the order."""
        filled = self.filled_quantity
        if self.quantity and filled >= self.quantity:
            return OrderState.FILLED
        # openOrder may show Filled before the filled quantity is known.
        if self.status == FILLED and self.closed:
            return OrderState.FILLED if filled else OrderState.CANCELLED
        if self.status in CANCELLED:
            return self._cancelled(now, refused=self.is_refused and not filled)
        # TWS shows as Inactive what it has refused, but also what it will take up again.
        if self.status == INACTIVE and self.over:
            refused = self.is_refused and not filled
            return OrderState.REJECTED if refused else OrderState.CANCELLED
        return OrderState.PARTIALLY_FILLED if filled else OrderState.SUBMITTED

    def _cancelled(self, now: datetime, *, refused: bool) -> OrderState:
        if self.cancel is not None:
            return OrderState.CANCELLED
        if refused:
            return OrderState.REJECTED
        until = orders.good_till(self.good_till)
        return OrderState.EXPIRED if until is not None and until <= now else OrderState.CANCELLED

    def reason(self) -> str | None:
        """Why it is over, in TWS's words."""
        if self.refusal is not None and (self.is_refused or not self.ended):
            return outcomes.reason_of(self.refusal[1])
        return self.ended or (outcomes.reason_of(self.remark[1]) if self.remark else None)

    def order(self, now: datetime) -> VenueOrder:
        """The order with all that was executed of it."""
        state = self.state(now)
        reports = [report for fill in self.fills for report in fill.reports()]
        return VenueOrder(
            broker_order_id=str(self.perm_id or self.order_id or ""),
            state=state,
            symbol=self.symbol,
            side=self.side,
            quantity=self.quantity,
            filled_quantity=self.filled_quantity,
            venue_order_id=self.ref or None,
            reason=self.reason() if state.is_final else None,
            limit_price=self.limit_price if self.order_type in orders.LIMITED else None,
            stop_price=self.aux_price if self.order_type in orders.STOPPED else None,
            executions=tuple(reports),
        )


class Operation:
    """A new order, a change or a cancel under way, and what completes it.

    `answered` is set by a message code, kept in `code`, or once it is `taken`: what ends it comes
    soon then, or may take long.
    """

    def __init__(
        self,
        entry: Entry,
        done: Callable[[], bool],
        *,
        new: bool = False,
        taken: Callable[[], bool] = lambda: False,
    ) -> None:
        self.entry, self.new = entry, new
        self._done, self._taken = done, taken
        self.future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.answered = asyncio.Event()
        self.code: Said | None = None

    def look(self) -> None:
        """TWS has reported something about the order."""
        if not self.future.done() and self._done():
            self.future.set_result(None)
        if self._taken():
            self.answered.set()

    def error(self, code: int, text: str) -> None:
        """A message code that may decide it."""
        self.code = (code, text)
        self.answered.set()
