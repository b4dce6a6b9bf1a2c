"""Orders that a `hold_fills` fault keeps from filling, for some seconds or until it is cleared."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from simulators.binance.records import Order
from simulators.binance.symbols import SYMBOLS
from simulators.faults import Fault, FaultKind, Faults

_RELEASED = Fault(0, FaultKind.HOLD_FILLS)


class Holds:
    """Which fault holds which order. An order is held by one fault at most, and once."""

    def __init__(self, faults: Faults, clock: Callable[[], int]) -> None:
        self._faults = faults
        self._clock = clock
        self._held: dict[tuple[str, int], Fault] = {}

    def __contains__(self, order: Order) -> bool:
        """True while the order, which could fill, is kept from it."""
        key = (order.symbol, order.order_id)
        fault = self._held.get(key) or self._faults.take(
            FaultKind.HOLD_FILLS,
            symbol=SYMBOLS[order.symbol].dashed,
            venue_order_id=order.client_order_id,
        )
        if fault is None:
            return False
        self._held[key] = fault
        held_for = (self._clock() - order.created) / 1000
        return fault is not _RELEASED and not 0 < fault.seconds <= held_for

    def release(self, faults: Sequence[Fault]) -> None:
        """Let go of what those faults hold."""
        cleared = {fault.fault_id for fault in faults}
        for key, fault in self._held.items():
            if fault.fault_id in cleared:
                self._held[key] = _RELEASED

    def forget(self, order: Order) -> None:
        """An order is over."""
        self._held.pop((order.symbol, order.order_id), None)

    def symbols(self) -> Collection[str]:
        """Where something is held for some seconds, which time alone may end."""
        return {symbol for (symbol, _), fault in self._held.items() if fault.seconds}
