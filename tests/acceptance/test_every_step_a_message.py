"""With CONTINUE_IN_PLACE=false each step travels as a message, and ends the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.fleet import Fleet, Servers, flush
from tests.monitor import TASKS, Monitor, kinds, life


@pytest.fixture(scope="module")
def fleet(
    servers: Servers, module_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    """Workers that send each step on."""
    flush(servers.valkey.url)
    home = tmp_path_factory.mktemp("fleet") / "home"
    with Fleet(
        module_database_url,
        servers.valkey.url,
        home,
        environment={"CONTINUE_IN_PLACE": "false"},
    ) as fleet:
        yield fleet


@pytest.mark.parametrize("symbol", ["SPY", "BTC-USDT"])
def test_the_whole_way_by_message(fleet: Fleet, symbol: str) -> None:
    """On paper and at a venue: nine messages sent, nine tasks done."""
    with closing(Monitor(fleet.redis_url)) as monitor:
        found = life(fleet, monitor, symbol)
    assert all("task-sent" in kinds(found[task]) for task in TASKS[1:])
