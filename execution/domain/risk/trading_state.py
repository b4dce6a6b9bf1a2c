"""The trading state: ACTIVE, REDUCING, HALTED, for all or for one broker."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from execution.domain.orders import Order
from execution.domain.risk.exposure import Held, reduces

EVERYWHERE = "*"


class TradingState(StrEnum):
    """What may be sent: anything, only what reduces a position, or nothing but cancels."""

    ACTIVE = "ACTIVE"
    REDUCING = "REDUCING"
    HALTED = "HALTED"


@dataclass(frozen=True, slots=True)
class ScopeState:
    """The state of one scope, a broker or all.

    `halted_until` is the end of its last halt: what was accepted before and not sent stays unsent.
    """

    scope: str
    state: TradingState
    reason: str | None = None
    halted_until: datetime | None = None

    def holds_for(self, order: Order) -> bool:
        """Whether it is about an order, at the broker where it is now."""
        return self.scope in {EVERYWHERE, order.broker}

    @property
    def matters(self) -> bool:
        """False where nothing is or was ever stopped."""
        return self.state is not TradingState.ACTIVE or self.halted_until is not None

    def in_words(self) -> str:
        """Where and why: ` (every broker): maintenance`."""
        where = "every broker" if self.scope == EVERYWHERE else self.scope
        return f" ({where})" + (f": {self.reason}" if self.reason else "")


@dataclass(frozen=True, slots=True)
class Stop:
    """Why an order is not sent. `waits`: it is sent when the state allows, else it is refused."""

    reason: str
    waits: bool = False


def stop(
    order: Order, state: ScopeState, held: Held | None, accepted_at: datetime | None = None
) -> Stop | None:
    """Why a state does not let an order be sent; None when it does.

    A bracket's child waits for the end of a halt, since a position must not stay without its stop
    for good; one that replaces another at the venue, to fit what has been filled, passes. `held`
    None: whether the order reduces anything is not known yet, and left to be judged later.
    `accepted_at` is when its request came, where that is not when the order was made.
    """
    child = order.parent_order_id is not None
    if state.state is TradingState.HALTED:
        if child and order.attempt.attempt_no > 1:
            return None
        return Stop(f"HALTED{state.in_words()}", waits=child)
    if child:
        return None
    came = accepted_at or _accepted_at(order)
    if state.halted_until is not None and came < state.halted_until:
        ended = state.halted_until.isoformat(timespec="seconds")
        return Stop(f"HALTED until {ended}{_where(state)}: it was accepted before, and not sent")
    if state.state is TradingState.REDUCING and held is not None and not reduces(order, held):
        return Stop(f"REDUCING{state.in_words()}; only what reduces a position passes")
    return None


def _where(state: ScopeState) -> str:
    return "" if state.scope == EVERYWHERE else f" ({state.scope})"


def _accepted_at(order: Order) -> datetime:
    """When it was decided that there should be such an order.

    An attempt that follows another of a live order, under new terms, is younger than the order; one
    that was turned to paper is not.
    """
    follows = order.attempt.attempt_no > 1 and order.broker is order.requested_broker
    return order.attempt.created_at if follows else order.created_at
