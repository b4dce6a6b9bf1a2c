"""How long each fill waits for its protection is measured fill by fill."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from tests.chaos.stateful.verdict import undisturbed
from tests.chaos.stateful.watch import Latency, Seen


def looks(*seen: tuple[int, int]) -> tuple[list[tuple[int, float]], Latency]:
    """Look once a second at (wanted, standing); what came to stand, and how long it had waited."""
    latency, found = Latency(), list[tuple[int, float]]()
    for now, (wanted, standing) in enumerate(seen):
        for level, since in latency.look(Decimal(wanted), Decimal(standing), now):
            found.append((int(level), now - since))
    return found, latency


def test_each_fill_is_measured_by_itself() -> None:
    """A second fill neither hides nor lengthens the wait of the first."""
    found, latency = looks((2, 0), (5, 0), (5, 2), (5, 2), (5, 5))
    assert found == [(2, 2), (5, 3)]
    assert latency.longest is None


def test_what_is_never_protected_stays() -> None:
    """The oldest level that does not stand is the longest wait."""
    found, latency = looks((2, 0), (5, 0), (5, 1))
    assert not found
    assert latency.longest == (Decimal(2), 0)


def test_what_is_closed_needs_nothing() -> None:
    """A position that shrinks before its protection stood asks for less, or for nothing."""
    found, latency = looks((4, 0), (3, 0), (3, 3))
    assert found == [(3, 2)]
    found, latency = looks((4, 0), (0, 0), (0, 0))
    assert not found
    assert latency.longest is None


def test_protection_that_goes_away_is_missed_anew() -> None:
    """A stop that ends while the position is open counts from that moment."""
    found, _ = looks((4, 4), (4, 4), (4, 0), (4, 0), (4, 4))
    assert found == [(4, 2)]


def test_allowance_is_for_more_work_than_cores() -> None:
    """An idle machine allows nothing; one with many times the work, as many times the time."""
    assert Seen(load=0.0).allowance() == 1
    assert Seen(load=1000.0).allowance() > 1


@pytest.mark.parametrize(
    ("load", "settled", "problems"),
    [(0.0, True, 1), (0.0, False, 1), (1000.0, True, 0), (1000.0, False, 1)],
)
def test_an_alert_without_a_fault(load: float, settled: bool, problems: int) -> None:  # noqa: FBT001
    """It is a problem, unless the machine is so busy that it was true, and it has settled."""
    resolved_at = datetime.now(UTC) if settled else None
    alert = {"kind": "UNPROTECTED", "message": "none", "resolved_at": resolved_at}
    assert len(undisturbed(Seen(load=load), [alert])) == problems
