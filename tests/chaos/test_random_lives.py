"""Random lives in small: at each place, without faults and with them, all kinds of events."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.chaos.stateful.places import PLACES
from tests.chaos.stateful.running import lines, live
from tests.fleet import Servers, flush

SEED, STEPS = 239, 30
MOST_LIVES = 6
"""By then everything must have come about; mostly the first two are enough."""
ORDERS = {"bracket", "exit", "plain", "cancel", "dip", "rise", "rally", "fall"}
CHANGES = {"change of quantity", "change of limit_price"}
EVENTS = {"brackets", "children", "exits", "fills_of_parents", "fills_of_children", "changes_done"}


@pytest.mark.timeout(600)  # where everything must be waited for: on a busy machine
@pytest.mark.parametrize("name", PLACES)
def test_random_lives(servers: Servers, database_url: str, tmp_path: Path, name: str) -> None:
    """Nothing is wrong with them, and none of what they should bring about is missing."""
    flush(servers.valkey.url)
    place, came = PLACES[name](), Counter[str]()
    wanted = ORDERS | CHANGES | EVENTS | place.faults
    with place.made(database_url, servers.valkey.url, tmp_path / "home"):
        for number in range(MOST_LIVES):
            faulty = number % 2 == 1
            tally = live(place, faulty=faulty, lives=1, steps=STEPS, seeded=SEED + number)
            print("\n".join(lines(name, tally, faulty=faulty)))
            came += tally.steps + tally.faults + tally.events
            if number and wanted <= came.keys():
                break
    assert wanted - came.keys() == set()
