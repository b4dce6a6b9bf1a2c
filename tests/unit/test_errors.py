"""What a refusal carries beside its words."""

from __future__ import annotations

from execution.domain.errors import BrokerRejected, RejectionScope


def test_a_refusal_says_what_who_and_how_far() -> None:
    """Reason, the venue's code, and whether it is about the venue."""
    refusal = BrokerRejected("halted", code="10", scope=RejectionScope.VENUE)
    assert (refusal.reason, refusal.code, refusal.scope) == ("halted", "10", RejectionScope.VENUE)
    assert str(refusal) == "halted"


def test_by_default_the_order_is_at_fault() -> None:
    """A refusal that says no more does not count against the venue."""
    refusal = BrokerRejected("too small")
    assert (refusal.code, refusal.scope) == (None, RejectionScope.ORDER)
