"""All limits and trading states at one version, and which of them are about an order."""

from __future__ import annotations

from dataclasses import dataclass

from execution.domain.orders import Order
from execution.domain.risk.limits import PRICED, Limit
from execution.domain.risk.trading_state import ScopeState, TradingState
from execution.domain.risk.unprotected import Unprotected


@dataclass(frozen=True, slots=True)
class Concern:
    """What of the controls is about one order; empty for most orders of most services."""

    states: tuple[ScopeState, ...] = ()
    limits: tuple[Limit, ...] = ()
    unprotected: tuple[Unprotected, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.states or self.limits or self.unprotected)

    @property
    def needs_measuring(self) -> bool:
        """Whether it takes what is held and open to judge by it."""
        reducing = any(one.state is TradingState.REDUCING for one in self.states)
        return bool(self.limits or self.unprotected) or reducing

    @property
    def needs_price(self) -> bool:
        """Whether a limit among them asks for a price of the market."""
        return any(limit.kind in PRICED for limit in self.limits)


@dataclass(frozen=True, slots=True)
class Controls:
    """What operators have set, and what is unprotected; `version` grows with every change of it."""

    version: int
    states: tuple[ScopeState, ...] = ()
    limits: tuple[Limit, ...] = ()
    unprotected: tuple[Unprotected, ...] = ()

    def concerning(self, order: Order) -> Concern:
        """What is about an order. No limit holds for a bracket's child: its parent was judged."""
        states = tuple(one for one in self.states if one.matters and one.holds_for(order))
        if order.parent_order_id is not None:
            return Concern(states)
        return Concern(
            states,
            tuple(limit for limit in self.limits if limit.fits(order)),
            tuple(one for one in self.unprotected if one.holds_for(order)),
        )
