"""What executions make of an order's quantity, average price and state."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Context, Decimal, localcontext

from execution.domain.decimals import ARITHMETIC
from execution.domain.vocabulary import OrderState

_AVERAGE = Context(prec=28)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an order is filled: `average_price` is None while nothing is."""

    filled_quantity: Decimal
    average_price: Decimal | None


def progress(fills: Iterable[tuple[Decimal, Decimal]]) -> Iterator[Progress]:
    """How far an order is after each of its (quantity, price) pairs, in their order."""
    quantity, value = Decimal(0), Decimal(0)
    for filled, price in fills:
        with localcontext(ARITHMETIC):
            quantity += filled
            value += filled * price
        yield Progress(quantity, _AVERAGE.divide(value, quantity) if quantity else None)


def total(fills: Iterable[tuple[Decimal, Decimal]]) -> Progress:
    """How far an order is after all of them."""
    *_, last = Progress(Decimal(0), None), *progress(fills)
    return last


def state_after(
    state: OrderState,
    quantity: Decimal,
    filled: Decimal,
    *,
    own: Decimal,
    reported_state: OrderState | None,
    reported_quantity: Decimal | None,
    replaced: bool = False,
) -> OrderState:
    """The order's state once `filled` of `quantity` is recorded, `own` of it by this attempt.

    `reported_*` is what the venue last said of the attempt that is current; `replaced` says that
    another attempt follows this one, whose end is then not the order's. A cancelled order
    whose cancel came too late for the last execution is FILLED; one that stays short of its
    quantity keeps its final state, and one that was FILLED until an execution was busted is
    CANCELLED for the rest: what the venue has ended it does not take up again. A final word of the
    venue counts once all it speaks of is here.
    """
    if filled >= quantity:
        return OrderState.FILLED
    if state is OrderState.FILLED:
        return OrderState.CANCELLED
    if state.is_final:
        return state
    if (
        reported_state is not None
        and reported_state.is_final
        and reported_state is not OrderState.FILLED
        and reported_quantity == own
        and not replaced
    ):
        return reported_state
    return OrderState.PARTIALLY_FILLED if filled else OrderState.SUBMITTED
