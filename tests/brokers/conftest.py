"""Judged as the other acceptance tests are."""

from __future__ import annotations

import pytest

from tests.acceptance.conftest import judged
from tests.venues import Mt4Venue

__all__ = ["judged"]


@pytest.fixture(scope="module")
def mt4_venue() -> type[Mt4Venue]:
    """The terminal in Python; tests/expert has another."""
    return Mt4Venue
