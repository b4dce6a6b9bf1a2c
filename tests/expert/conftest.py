"""Finds the expert that `make test-expert` has built."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.venues import Mt4ExpertVenue, Mt4Venue


@pytest.fixture(scope="session")
def expert() -> Path:
    """The built expert; without it the tests fail, for they are here to run it."""
    built = Mt4ExpertVenue.expert
    if not built.exists():
        pytest.fail(f"{built} is not there: run `make test-expert`, which needs g++")
    return built


@pytest.fixture(scope="module")
def mt4_venue(expert: Path) -> type[Mt4Venue]:
    """For the acceptance tests: the expert in its terminal."""
    assert expert == Mt4ExpertVenue.expert
    return Mt4ExpertVenue
