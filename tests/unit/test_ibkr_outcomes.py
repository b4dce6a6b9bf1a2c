"""The one table of TWS's message codes: every row, and what the port makes of it."""

from __future__ import annotations

import pytest

from execution.domain.errors import (
    BrokerError,
    BrokerRejected,
    BrokerUnavailable,
    OutcomeUnknown,
    RateLimited,
    RejectionScope,
)
from workers.adapters.ibkr import outcomes
from workers.adapters.ibkr.outcomes import CODES, MESSAGES, REFUSALS, Outcome

_ORDER, _TERMS = RejectionScope.ORDER, RejectionScope.TERMS


@pytest.mark.parametrize("code", CODES)
def test_every_row(code: int) -> None:
    """A refusal is BrokerRejected with code and scope; the rest is what it says."""
    outcome = CODES[code]
    error = outcomes.of_change(code, "words")
    match outcome:
        case Outcome.REFUSED | Outcome.ABSENT:
            expected: tuple[type[BrokerError], RejectionScope | None] = (BrokerRejected, _ORDER)
        case Outcome.IMPOSSIBLE:
            expected = (BrokerRejected, _TERMS)
        case Outcome.UNAVAILABLE:
            expected = (BrokerUnavailable, None)
        case Outcome.LIMITED:
            expected = (RateLimited, None)
        case _:
            expected = (OutcomeUnknown, None)
    assert type(error) is expected[0]
    assert getattr(error, "scope", None) is expected[1]
    assert f"{code}: words" in str(error)
    assert isinstance(outcomes.of_question(code, "words"), BrokerUnavailable)


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        (100, Outcome.LIMITED),
        (103, Outcome.ID_USED),
        (110, Outcome.IMPOSSIBLE),
        (161, Outcome.REFUSED),
        (200, Outcome.IMPOSSIBLE),
        (201, Outcome.REFUSED),
        (202, Outcome.ENDED),
        (326, Outcome.UNAVAILABLE),
        (404, Outcome.REMARK),
        (1100, Outcome.UNKNOWN),
        (1101, Outcome.REMARK),
        (1102, Outcome.REMARK),
        (2104, Outcome.REMARK),
        (2199, Outcome.REMARK),
        (2200, Outcome.UNKNOWN),
        (10147, Outcome.ABSENT),
        (10148, Outcome.ABSENT),
        (10349, Outcome.REMARK),
        (99999, Outcome.UNKNOWN),
    ],
)
def test_the_codes_that_mislead(code: int, outcome: Outcome) -> None:
    """What the library takes for the end of an order, or for a warning, by what it is."""
    assert outcomes.outcome_of(code) is outcome


@pytest.mark.parametrize("words", MESSAGES)
def test_every_message_of_201(words: str) -> None:
    """The text decides, whatever stands around it."""
    text = f"Order rejected - reason:{words.capitalize()} for this order."
    assert outcomes.outcome_of(201, text) is MESSAGES[words]
    assert outcomes.outcome_of(202, text) is Outcome.ENDED


@pytest.mark.parametrize(
    ("code", "known_id", "error"),
    [
        (103, True, OutcomeUnknown),
        (103, False, BrokerUnavailable),
        (104, True, OutcomeUnknown),
        (105, True, OutcomeUnknown),
        (135, True, OutcomeUnknown),
        (504, False, BrokerUnavailable),
        (322, False, OutcomeUnknown),
        (201, True, BrokerRejected),
    ],
)
def test_a_new_order_under_a_used_id(code: int, known_id: bool, error: type[BrokerError]) -> None:  # noqa: FBT001
    """That an order has the id is no refusal when it may be this one."""
    assert type(outcomes.of_new_order(code, "words", known_id=known_id)) is error


def test_reasons_without_what_stands_before_each() -> None:
    """And whole where nothing follows."""
    assert outcomes.reason_of("Order rejected - reason:margin call") == "margin call"
    assert outcomes.reason_of("Order Canceled - reason:") == "Order Canceled - reason:"
    assert outcomes.reason_of("No security definition") == "No security definition"


def test_refusals_are_what_has_a_scope() -> None:
    """Nothing else refuses an order that was accepted."""
    assert {Outcome.REFUSED, Outcome.ABSENT, Outcome.IMPOSSIBLE} == REFUSALS
