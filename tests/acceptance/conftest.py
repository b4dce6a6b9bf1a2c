"""Every acceptance test sees fresh prices, and is judged by the oracle when it is done."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fleet import PRICES, Fleet


@pytest.fixture(autouse=True)
def judged(fleet: Fleet) -> Iterator[None]:
    """Set the prices before a test; compare ledger, tables and event stream after it."""
    fleet.set_prices(PRICES)
    yield
    fleet.venue.control("DELETE", "faults")
    fleet.judge()
