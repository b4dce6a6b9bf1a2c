"""What executions make of an order: how far it is filled, at which price, in which state."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from execution.domain.settlement import Progress, progress, state_after, total
from execution.domain.vocabulary import OrderState

S = OrderState
OPEN = [state for state in OrderState if not state.is_final]
ENDED = [S.CANCELLED, S.REJECTED, S.EXPIRED]
numbers = st.decimals(min_value="0.00000001", max_value=1_000_000, places=8)
pairs = st.lists(st.tuples(numbers, numbers), max_size=20)


def after(
    state: OrderState,
    filled: str,
    said: OrderState | None = None,
    said_filled: str | None = None,
) -> OrderState:
    """The state of an order for ten once `filled` is recorded."""
    reported = None if said_filled is None else Decimal(said_filled)
    return state_after(
        state,
        Decimal(10),
        Decimal(filled),
        own=Decimal(filled),
        reported_state=said,
        reported_quantity=reported,
    )


def test_progress_after_each_fill() -> None:
    """Quantity and average price grow fill by fill."""
    fills = [(Decimal(1), Decimal(10)), (Decimal(3), Decimal(14)), (Decimal(4), Decimal(17))]
    assert list(progress(fills)) == [
        Progress(Decimal(1), Decimal(10)),
        Progress(Decimal(4), Decimal(13)),
        Progress(Decimal(8), Decimal(15)),
    ]
    assert total(fills) == Progress(Decimal(8), Decimal(15))


def test_nothing_filled_has_no_price() -> None:
    """Without fills, or with busted ones alone, there is no average price."""
    assert total([]) == Progress(Decimal(0), None)
    assert total([(Decimal(0), Decimal(99))]) == Progress(Decimal(0), None)


def test_average_keeps_28_digits() -> None:
    """A third is written to 28 digits."""
    fills = [(Decimal(1), Decimal(100)), (Decimal(2), Decimal(101))]
    assert total(fills).average_price == Decimal("100.6666666666666666666666667")


@given(pairs)
def test_total_is_the_sum(fills: list[tuple[Decimal, Decimal]]) -> None:
    """The quantity is the exact sum, the price the weighted average to 1e-18."""
    reached = total(fills)
    quantity = sum((Fraction(pair[0]) for pair in fills), Fraction(0))
    value = sum((Fraction(pair[0]) * Fraction(pair[1]) for pair in fills), Fraction(0))
    assert reached.filled_quantity == quantity
    if reached.average_price is None:
        assert not fills
    else:
        error = abs(Fraction(reached.average_price) * quantity - value)
        assert error <= value * Fraction(1, 10**18)
    assert [*progress(fills)][-1:] == ([reached] if fills else [])


def test_total_keeps_all_digits_a_request_may_have() -> None:
    """An order of 33 digits that is filled whole is filled whole."""
    quantity = Decimal("123456789012345.123456789012345678")
    filled = total([(quantity, Decimal(1))]).filled_quantity
    assert (
        state_after(
            S.SUBMITTED, quantity, filled, own=filled, reported_state=None, reported_quantity=None
        )
        is S.FILLED
    )


@pytest.mark.parametrize("state", OrderState)
@pytest.mark.parametrize("filled", ["10", "10.000000000000000001", "12"])
def test_full_is_filled(state: OrderState, filled: str) -> None:
    """What holds its whole quantity, or more, is FILLED, even after a cancel came too late."""
    assert after(state, filled) is S.FILLED
    assert after(state, filled, S.CANCELLED, filled) is S.FILLED


@pytest.mark.parametrize("state", ENDED)
@pytest.mark.parametrize("filled", ["0", "3"])
def test_ended_stays_ended(state: OrderState, filled: str) -> None:
    """A late execution that leaves a final order short does not open it again."""
    assert after(state, filled) is state
    assert after(state, filled, S.EXPIRED, filled) is state


@pytest.mark.parametrize("state", OPEN)
def test_partly_filled(state: OrderState) -> None:
    """Some is PARTIALLY_FILLED, nothing is SUBMITTED, whatever the order was before."""
    assert after(state, "3") is S.PARTIALLY_FILLED
    assert after(state, "0") is S.SUBMITTED
    assert after(state, "3", S.PARTIALLY_FILLED, "3") is S.PARTIALLY_FILLED
    assert after(state, "0", S.UNKNOWN, "0") is S.SUBMITTED


@pytest.mark.parametrize("said", ENDED)
@pytest.mark.parametrize("filled", ["0", "3"])
def test_last_word_of_the_venue(said: OrderState, filled: str) -> None:
    """A final word ends the order once every execution that it speaks of is here, not before."""
    assert after(S.SUBMITTED, filled, said, filled) is said
    assert after(S.SUBMITTED, filled, said, "4").is_working
    assert after(S.SUBMITTED, filled, said, None).is_working


def test_filled_is_counted_not_believed() -> None:
    """FILLED from the venue with too little recorded is PARTIALLY_FILLED: more must be coming."""
    assert after(S.SUBMITTED, "3", S.FILLED, "3") is S.PARTIALLY_FILLED
    assert after(S.SUBMITTED, "0", S.FILLED, "10") is S.SUBMITTED


def test_busted_fill_does_not_reopen() -> None:
    """An order that a bust leaves short is no longer FILLED, and over all the same."""
    assert after(S.FILLED, "4") is S.CANCELLED
    assert after(S.FILLED, "0") is S.CANCELLED
    assert after(S.FILLED, "4", S.CANCELLED, "4") is S.CANCELLED
