"""FX from the command line to the Expert Advisor and back: what holds for the terminal in Python.

The tests are those of tests/acceptance/test_mt4.py, run once more with the expert built by g++.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.test_mt4 import *  # noqa: F403 - its tests and fixtures
from tests.fleet import Fleet, Servers, flush
from tests.venues import Mt4ExpertVenue


@pytest.fixture(scope="module")
def fleet(
    expert: Path,
    servers: Servers,
    module_database_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Fleet]:
    """Workers whose MT4 is a bridge with a simulated trade server, and the expert between."""
    assert expert == Mt4ExpertVenue.expert
    flush(servers.valkey.url)
    home = tmp_path_factory.mktemp("mt4-expert") / "home"
    queues = ("orders", "mt4", "paper")
    with Fleet(
        module_database_url, servers.valkey.url, home, queues=queues, venue=Mt4ExpertVenue
    ) as fleet:
        yield fleet
