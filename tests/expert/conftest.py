"""Finds the expert that `make test-expert` has built."""

from __future__ import annotations

from pathlib import Path

import pytest

BUILT = Path(__file__).parents[2] / "build" / "mt4-expert"


@pytest.fixture(scope="session")
def expert() -> Path:
    """The built expert; without it the tests fail, for they are here to run it."""
    if not BUILT.exists():
        pytest.fail(f"{BUILT} is not there: run `make test-expert`, which needs g++")
    return BUILT
