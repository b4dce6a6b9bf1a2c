"""The one table of TWS's message codes: every row, and what the port makes of it."""

from __future__ import annotations

import pytest

from execution.domain.errors import (
    BrokerError,
    BrokerRejected,
    BrokerUnavailable,
    NotTaken,
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
        case Outcome.BARRED:
            expected = (BrokerRejected, RejectionScope.VENUE)
        case Outcome.UNAVAILABLE:
            expected = (NotTaken, None)
        case Outcome.NOT_NOW:
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
        (161, Outcome.NOT_NOW),
        (200, Outcome.IMPOSSIBLE),
        (201, Outcome.REFUSED),
        (202, Outcome.ENDED),
        (326, Outcome.UNAVAILABLE),
        (203, Outcome.REFUSED),
        (399, Outcome.REMARK),
        (404, Outcome.REMARK),
        (1100, Outcome.UNKNOWN),
        (1101, Outcome.REMARK),
        (1102, Outcome.REMARK),
        (2102, Outcome.NOT_NOW),
        (2104, Outcome.REMARK),
        (2137, Outcome.REMARK),
        (2161, Outcome.REMARK),
        (2199, Outcome.REMARK),
        (2200, Outcome.UNKNOWN),
        (10147, Outcome.ABSENT),
        (10148, Outcome.ABSENT),
        (10311, Outcome.REMARK),
        (10329, Outcome.REMARK),
        (10349, Outcome.REMARK),
        (99999, Outcome.UNKNOWN),
    ],
)
def test_the_codes_that_mislead(code: int, outcome: Outcome) -> None:
    """What the library takes for the end of an order, or for a warning, by what it is."""
    assert outcomes.outcome_of(code) is outcome


@pytest.mark.parametrize(
    ("code", "words"), [(code, words) for code, texts in MESSAGES.items() for words in texts]
)
def test_every_message(code: int, words: str) -> None:
    """The text decides, whatever stands around it."""
    text = f"Order rejected - reason:{words.capitalize()} for this order."
    assert outcomes.outcome_of(code, text) is MESSAGES[code][words]
    assert outcomes.outcome_of(202, text) is Outcome.ENDED


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (103, NotTaken),
        (104, NotTaken),
        (105, NotTaken),
        (504, NotTaken),
        (100, RateLimited),
        (135, BrokerRejected),
        (201, BrokerRejected),
        (322, BrokerRejected),
        (399, BrokerRejected),
        (460, BrokerRejected),
        (10311, BrokerRejected),
    ],
)
def test_a_new_order_that_tws_does_not_have(code: int, error: type[BrokerError]) -> None:
    """Whatever it said: its id was another's, it served nobody, or the order is refused."""
    assert type(outcomes.of_new_order(code, "words")) is error


@pytest.mark.parametrize(
    ("code", "text", "over"),
    [
        (10147, "OrderId 5 that needs to be cancelled is not found.", True),
        (10148, "OrderId 5 that needs to be cancelled cannot be cancelled, state: Inactive.", True),
        (10148, "OrderId 5 ... cannot be cancelled, state: PendingCancel.", False),
        (161, "Cancel attempted when order is not in a cancellable state.", True),
        (201, "Order rejected - reason:", False),
    ],
)
def test_the_answer_to_a_cancel_of_what_is_inactive(code: int, text: str, over: bool) -> None:  # noqa: FBT001
    """There is none any more, unless a cancel is under way."""
    assert outcomes.says_over(code, text) is over


def test_reasons_without_what_stands_before_each() -> None:
    """And whole where nothing follows."""
    assert outcomes.reason_of("Order rejected - reason:margin call") == "margin call"
    assert outcomes.reason_of("Order Canceled - reason:") == "Order Canceled - reason:"
    assert outcomes.reason_of("No security definition") == "No security definition"


def test_refusals_are_what_has_a_scope() -> None:
    """Nothing else refuses an order that was accepted."""
    assert {Outcome.REFUSED, Outcome.ABSENT, Outcome.IMPOSSIBLE, Outcome.BARRED} == REFUSALS
