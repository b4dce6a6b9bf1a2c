"""Entry and exit of the pair at both simulated venues, through real workers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal

import pytest

from tests.fleet import Fleet, Servers, flush, wait_until
from tests.pairs import CHEAP, COINS, DEAR, FAIR, PairRun, pair_fleet


@pytest.fixture(scope="module")
def fleet(
    servers: Servers, module_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    """Workers whose venues are the simulated ones."""
    flush(servers.valkey.url)
    home = tmp_path_factory.mktemp("pair") / "home"
    patience = {"NAV_LEG_LIMIT": "60"}
    with pair_fleet(module_database_url, servers.valkey.url, home, patience) as fleet:
        yield fleet


@pytest.fixture
def pair(fleet: Fleet) -> PairRun:
    """The pair of the fleet."""
    pair = PairRun(fleet)
    pair.quote(FAIR)
    return pair


@pytest.fixture(autouse=True)
def judged(fleet: Fleet) -> Iterator[None]:
    """Venues as they were before a test; ledgers, tables and event stream compared after it."""
    for venue in fleet.venues:
        venue.disarm()
    yield
    for venue in fleet.venues:
        venue.disarm()
    fleet.judge()


@pytest.mark.parametrize("trust", [CHEAP, DEAR], ids=["long", "short"])
def test_an_entry_and_an_exit(pair: PairRun, trust: tuple[str, str]) -> None:
    """Both legs live and of equal exposure; both closed; the ledgers hold nothing of it."""
    pair.lend(1000)
    group_id = pair.enter(trust)
    pair.until(group_id, "OPEN")
    legs = pair.legs(group_id)
    shares, coins = (leg["filled_quantity"] for leg in legs)
    assert {leg["execution_mode"] for leg in legs} == {"LIVE"}
    assert coins == shares * COINS > 0
    sign = 1 if trust is CHEAP else -1
    assert pair.net(group_id) == {"GBTC": sign * shares, "BTC-USDT": -sign * coins}
    pair.exit(group_id)
    group = pair.until(group_id, "CLOSED")
    assert pair.states(group_id) == ["OPENING", "OPEN", "CLOSING", "CLOSED"]
    assert group["pnl"] > 850
    left = pair.net(group_id)
    assert left["GBTC"] == 0
    # Of bought coins the venue keeps a thousandth: as much less is sold again, in whole steps.
    assert left["BTC-USDT"] == (0 if trust is CHEAP else Decimal("0.00015"))
    assert pair.alerts(group_id) == []


def test_a_leg_refused(pair: PairRun) -> None:
    """The other is sold again, live, and the group ends UNWOUND with its cost."""
    pair.spot.arm("reject", symbol="BTC-USDT", code="-2010", reason="insufficient balance")
    group_id = pair.enter()
    group = pair.until(group_id, "UNWOUND")
    trust, spot, back = pair.legs(group_id)
    assert (trust["state"], spot["state"], back["state"]) == ("FILLED", "REJECTED", "FILLED")
    assert (back["side"], back["quantity"]) == ("SELL", trust["quantity"])
    assert back["execution_mode"] == "LIVE"
    assert pair.net(group_id) == {"GBTC": 0}
    assert group["pnl"] < 0


def test_a_leg_in_doubt(pair: PairRun) -> None:
    """The group waits with an alert while nobody knows; then it goes on, with one order each."""
    # Whatever is asked of it while it is held up gets no answer.
    pair.spot.arm("drop_reply", symbol="BTC-USDT", on="submit")
    pair.spot.arm("unavailable", symbol="BTC-USDT", on="query", times=10_000)
    group_id = pair.enter()
    pair.until(group_id, "WAITING")
    assert wait_until(lambda: pair.alerts(group_id), what="the alert")
    assert len(pair.legs(group_id)) == 2
    pair.spot.disarm()
    pair.until(group_id, "OPEN")
    shown = json.loads(pair.fleet.cli("arbitrage", "status", "--json").stdout)
    assert shown["group"]["state"] == "OPEN"
    assert [leg["client_order_id"] for leg in shown["group"]["legs"]] == [
        leg["client_order_id"] for leg in pair.legs(group_id)
    ]
    assert wait_until(lambda: not pair.alerts(group_id), what="the alert to be settled")
    pair.exit(group_id)
    pair.until(group_id, "CLOSED")
