"""A soak in small: one kill of each kind, cuts and lost replies, in a few seconds under load."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from execution.client import OrderClient
from execution.domain.requests import parse
from execution.settings import load
from tests.chaos.accounts import Accounts
from tests.chaos.plans import Offer, plan
from tests.chaos.producers import Log, Said, read
from tests.chaos.soak import Soak
from tests.chaos.strikes import Strike, strikes, workers_of
from tests.fleet import Servers

SECONDS = 8.0
ORDERS = 60
STRIKES = [
    Strike(0.5, "lose", "postgres"),
    Strike(0.8, "lose", "valkey"),
    Strike(1.0, "lose", "venue"),
    Strike(1.2, "kill", "worker-binance"),
    Strike(1.5, "cut_all", "postgres"),
    Strike(2.0, "kill", "valkey"),
    Strike(2.5, "producer", "p0"),
    Strike(3.0, "kill", "postgres"),
    Strike(3.5, "producer", "p1"),
    Strike(4.0, "kill", "beat"),
    Strike(4.2, "cut_all", "valkey"),
    Strike(4.5, "kill", "worker-orders"),
    Strike(5.0, "lose", "postgres"),
    Strike(5.2, "cut_all", "venue"),
    Strike(5.5, "kill", "worker-paper"),
    # Last, since nothing else is struck until it is back.
    Strike(5.8, "venue", "simulator"),
]


@pytest.fixture
def soak(tmp_path: Path) -> Iterator[Soak]:
    """A soak with servers of its own: those of the run must not be killed."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    soak = Soak(home, orders=ORDERS, seconds=SECONDS, seed=3, producers=2, workers_of_venue=1)
    yield soak
    soak.postgres.destroy()


def test_every_kind_of_fault_once(soak: Soak) -> None:
    """Whatever dies, the logs, the ledger, the tables and the event stream agree in the end."""
    report = soak.run(STRIKES)
    assert not report.problems, "\n".join(report.lines())
    assert report.kills == {"worker": 3, "valkey": 1, "postgres": 1, "beat": 1, "venue": 1}
    assert report.producer_deaths == 2
    assert report.cut >= 3
    assert report.replies_lost >= 1
    assert report.orders == ORDERS
    assert report.verdict.orders == report.ends.total() == ORDERS + report.kinds["children"]
    wanted = {"brackets", "children", "reduce_only", "filled_in_parts"}
    assert not [kind for kind in wanted if not report.kinds[kind]]
    # Of so few the faults may have kept each order away until its change came too late.
    assert report.kinds["changes_done"] + report.kinds["changes_refused"]


def test_strikes_come_from_the_seed() -> None:
    """The same seed strikes the same at the same times, another one differently."""
    one, again, other = (
        strikes(seed, 600, ["p0", "p1"], workers_of("mt4"), ["bridge", "terminal"])
        for seed in (1, 1, 2)
    )
    assert one == again != other
    kills = [strike.at for strike in one if strike.what == "kill"]
    assert all(5 <= after - before <= 20 for before, after in pairwise(kills))
    assert len(kills) > 600 / 20 - 1
    whats = {"kill", "producer", "venue", "cut", "cut_all", "lose"}
    assert {strike.what for strike in one} == whats
    assert {"worker-mt4", "worker-mt4-2"} < {strike.whom for strike in one}
    assert {strike.whom for strike in one if strike.what == "venue"} == {"bridge", "terminal"}


def test_a_log_that_was_cut_short(tmp_path: Path) -> None:
    """What a producer had not written down to its end was not sent, and is written anew."""
    path = tmp_path / "log"
    log = Log(path)
    log.write("place", "a", durable=True, payload={"symbol": "SPY"}, bare=True, cancel=False)
    with path.open("ab") as file:
        file.write(b'{"what": "place", "id": "b", "pay')
    assert list(read(path).placed) == ["a"]
    again = Log(path)
    assert (list(again.said.placed), again.said.bare) == (["a"], {"a"})
    again.write("place", "b", payload={}, bare=False, cancel=True)
    again.write("accepted", "a")
    said = read(path)
    assert (list(said.placed), said.accepted, said.to_cancel) == (["a", "b"], {"a"}, {"b"})


def test_orders_come_from_the_seed() -> None:
    """The same number is the same order, of every kind, as the service itself would write it."""
    offer = Offer("GBTC", brackets=True, accounts=("main", "B"))
    plans = [plan(1, "p0", number, offer) for number in range(300)]
    assert plans == [plan(1, "p0", number, offer) for number in range(300)]
    assert plans != [plan(2, "p0", number, offer) for number in range(300)]
    assert all(parse(one.payload).canonical() == one.payload for one in plans)
    assert {one.payload.get("order_type") for one in plans} == {None, "LIMIT"}
    assert {one.payload.get("on_failure") for one in plans} == {None, "wait"}
    kinds = {"market", "limit", "cancel", "change", "reduce_only", "bracket"}
    assert {one.kind for one in plans} == kinds
    assert {one.payload.get("account") for one in plans} == {None, "second", "B"}
    assert {name for one in plans for name in one.change} == {"limit_price", "quantity"}
    live = [one for one in plans if one.payload["symbol"] == "GBTC"]
    assert {one.kind for one in live} == kinds
    plain = [plan(1, "p0", number, Offer("GBTC")) for number in range(300)]
    live = [one for one in plain if one.payload["symbol"] == "GBTC"]
    assert {one.kind for one in live} == kinds - {"bracket"}
    assert {one.payload.get("account") for one in live} == {None}
    assert {one.bare for one in plans} == {one.cancel for one in plans} == {True, False}


def test_compare_sees_every_difference(database_url: str, servers: Servers) -> None:
    """Logs and table agree; each way in which they may not is seen."""
    said, accounts = Said(), Accounts(database_url)
    client = OrderClient(load(database_url=database_url, redis_url=servers.valkey.url))
    for number in range(4):
        payload = plan(1, "p0", number, Offer("BTC-USDT")).payload
        said.placed[payload["client_order_id"]] = dict(payload)
        assert client.place(**payload).outcome == "ACCEPTED"
    assert accounts.compare([said]) == []
    assert len(accounts.unrest()) == 4  # each has to become an order
    client.place("SPY", "BUY", "-1", client_order_id="odd")
    client.close()
    said.placed["lost"] = {}
    del said.placed["p0-0"]
    said.placed["p0-1"]["quantity"] = "9"
    said.cancelled.add("p0-2")
    problems = accounts.compare([said])
    for what in (
        "lost was logged, not recorded",
        "p0-0 was recorded, not logged",
        "p0-1 is recorded as",
        "p0-2 was cancelled, but is None",
        "odd was recorded, not logged",
        "odd was refused: quantity",
    ):
        assert sum(problem.startswith(what) for problem in problems) == 1, what
    assert len(problems) == 6
