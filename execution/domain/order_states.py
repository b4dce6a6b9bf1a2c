"""From which state an order may go to which, by a step or by a command.

Reports from the venue are recorded in any state: a late execution can turn a CANCELLED order into
a FILLED one, and a busted execution a FILLED order into a CANCELLED one.
"""

from __future__ import annotations

from collections.abc import Mapping

from execution.domain.vocabulary import OrderState

_Transitions = Mapping[OrderState, Mapping[OrderState, str]]
_S = OrderState

ORDER_TRANSITIONS: _Transitions = {
    _S.PENDING: {
        _S.SUBMITTING: "step 4 commits the intent to send",
        _S.CANCELLED: "cancelled before it was sent; or the rest of a part-filled order is refused",
        _S.REJECTED: "refused before it was sent, by a rule, a limit, a halt or `on_failure`",
        _S.EXPIRED: "its time was over before it could be sent",
    },
    _S.SUBMITTING: {
        _S.SUBMITTED: "the venue has it",
        _S.PARTIALLY_FILLED: "the venue has it, and an earlier attempt was filled in part",
        _S.UNKNOWN: "nobody can say whether it arrived",
        _S.PENDING: "it provably never left, or the venue took nothing: it is sent again, or "
        "goes to paper",
        _S.REJECTED: "the venue refuses it",
        _S.CANCELLED: "the venue refuses the rest of a part-filled order",
    },
    _S.UNKNOWN: {
        _S.SUBMITTED: "the venue has it after all",
        _S.PARTIALLY_FILLED: "the venue has it, and an earlier attempt was filled in part",
        _S.SUBMITTING: "it provably never arrived, and is sent again",
        _S.PENDING: "it provably never arrived: it is sent again later, or goes to paper",
        _S.REJECTED: "it provably never arrived, and is not sent again",
        _S.CANCELLED: "the same for the rest of a part-filled order",
    },
    _S.SUBMITTED: {
        _S.FILLED: "it is changed to no more than is filled",
        _S.CANCELLED: "the venue has ended it, or ended it short",
        _S.EXPIRED: "the venue has ended it: its time is over",
        _S.REJECTED: "the venue has ended it: refused after all",
        _S.PENDING: "another attempt follows: a change that the venue does not make in place, the "
        "next part, or paper",
    },
    _S.PARTIALLY_FILLED: {
        _S.FILLED: "it is changed to no more than is filled",
        _S.CANCELLED: "the venue has ended it, or ended it short",
        _S.EXPIRED: "the venue has ended it: its time is over",
        _S.PENDING: "another attempt follows: a change that the venue does not make in place, or "
        "the next part",
    },
    _S.FILLED: {
        _S.PARTIALLY_FILLED: "a change to a larger total had been made, though its reply was lost",
    },
}
"""What any order may do."""

_PLACED_AGAIN = "the child is placed again, for what its parent has filled since"
_ANOTHER_WORKS = "this attempt is over, and another one of the child works"

CHILD_TRANSITIONS: _Transitions = {
    _S.PENDING: {_S.SUBMITTED: _ANOTHER_WORKS, _S.PARTIALLY_FILLED: _ANOTHER_WORKS},
    _S.SUBMITTED: {_S.PARTIALLY_FILLED: _ANOTHER_WORKS},
    _S.PARTIALLY_FILLED: {_S.REJECTED: "the venue has ended its last attempt: refused after all"},
    _S.FILLED: {_S.PENDING: _PLACED_AGAIN},
    _S.CANCELLED: {_S.PENDING: _PLACED_AGAIN},
    _S.REJECTED: {_S.PENDING: _PLACED_AGAIN},
    _S.EXPIRED: {_S.PENDING: _PLACED_AGAIN},
}
"""What a bracket's child may do besides: several attempts of it may work at once."""


def may_become(before: OrderState, after: OrderState, *, child: bool = False) -> bool:
    """Whether a step or a command may leave an order in a state; it may always stay in its own."""
    if before is after or after in ORDER_TRANSITIONS.get(before, {}):
        return True
    return child and after in CHILD_TRANSITIONS.get(before, {})


def as_markdown() -> str:
    """The tables of the documentation (docs/architecture.md)."""
    lines = ["| from | to | when |", "|---|---|---|"]
    for suffix, table in (("", ORDER_TRANSITIONS), (" (a bracket's child)", CHILD_TRANSITIONS)):
        for before, following in table.items():
            lines += [f"| {before}{suffix} | {after} | {why} |" for after, why in following.items()]
    return "\n".join(lines)
