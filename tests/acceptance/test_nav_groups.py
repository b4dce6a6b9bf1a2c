"""Entry and exit of the pair at both simulated venues, through real workers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fleet import Fleet, Servers, flush
from tests.pairs import PairRun, pair_fleet


@pytest.fixture(scope="module")
def fleet(
    servers: Servers, module_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    """Workers whose venues are the simulated ones."""
    flush(servers.valkey.url)
    home = tmp_path_factory.mktemp("pair") / "home"
    with pair_fleet(module_database_url, servers.valkey.url, home) as fleet:
        yield fleet


@pytest.fixture
def pair(fleet: Fleet) -> PairRun:
    """The pair of the fleet."""
    return PairRun(fleet)


@pytest.fixture(autouse=True)
def judged(fleet: Fleet) -> Iterator[None]:
    """Venues as they were before a test; ledgers, tables and event stream compared after it."""
    for venue in fleet.venues:
        venue.disarm()
    yield
    for venue in fleet.venues:
        venue.disarm()
    fleet.judge()


def test_an_entry_and_an_exit(pair: PairRun) -> None:
    """Both legs live and in full; both closed; both ledgers hold nothing of it."""
    group_id = pair.enter()
    pair.until(group_id, "OPEN")
    trust, spot = pair.legs(group_id)
    print(trust, spot)
    pair.exit(group_id)
    pair.until(group_id, "CLOSED")
    print(pair.group(group_id), pair.states(group_id), pair.net(group_id))
