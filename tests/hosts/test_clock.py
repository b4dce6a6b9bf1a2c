"""Machines whose clocks are hours off: the database's clock decides, and a person is told.

The workers' clocks are shifted by a library that is preloaded, so a C compiler must be there.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from execution.domain.mapping import ExchangeMapper
from execution.intake import Intake
from execution.metrics import standing
from execution.store.engine import Store
from tests.fleet import PRICES, Fleet, Servers, flush, wait_until

SOURCE = Path(__file__).parents[1] / "chaos" / "clock.c"
HOURS = 7200


@pytest.fixture(scope="module")
def fleet(
    servers: Servers, module_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    """Workers two hours ahead, the one of Binance two hours behind; beat's clock is right."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("g++")
    if compiler is None:
        pytest.fail("no C compiler: install gcc or g++")
    library = tmp_path_factory.mktemp("clock") / "clock.so"
    command = [compiler, "-x", "c", "-shared", "-fPIC", "-O1", "-o", str(library), str(SOURCE)]
    subprocess.run([*command, "-ldl"], check=True, timeout=60)
    own = {
        queue: {"LD_PRELOAD": str(library), "SHIFTED_CLOCK": str(shift)}
        for queue, shift in (("orders", HOURS), ("paper", HOURS), ("binance", -HOURS))
    }
    flush(servers.valkey.url)
    home = tmp_path_factory.mktemp("fleet") / "home"
    queues = ("orders", "paper", "binance")
    with Fleet(module_database_url, servers.valkey.url, home, queues=queues, own=own) as fleet:
        yield fleet


@pytest.fixture(autouse=True)
def prices(fleet: Fleet) -> None:
    """Fresh quotes."""
    fleet.set_prices(PRICES)


def test_the_database_s_clock_decides(fleet: Fleet) -> None:
    """An order until in an hour is taken, filled, and dated by the database's clock."""
    soon = datetime.now(UTC) + timedelta(hours=1)
    fleet.send(
        symbol="SPY",
        side="BUY",
        quantity="1",
        order_type="LIMIT",
        limit_price="610",
        time_in_force="GTD",
        expires_at=soon.isoformat(),
        client_order_id="until",
        execution_mode="PAPER",
    )
    order = fleet.await_state("until", "FILLED")
    (fill,) = fleet.query("SELECT * FROM fills WHERE order_id = %s", order["order_id"])
    (event,) = fleet.query(
        "SELECT payload->>'at' AS at FROM events WHERE stream = 'orders' "
        "AND payload->>'client_order_id' = 'until' AND payload->>'type' = 'ACCEPTED'"
    )
    for at in (fill["executed_at"], datetime.fromisoformat(event["at"])):
        assert abs(at - datetime.now(UTC)) < timedelta(minutes=2)


def test_the_sweep_is_no_sweep_of_yesterday(fleet: Fleet) -> None:
    """Beat's messages expire within seconds, by the same clock for all: recovery runs."""
    with closing(Store(fleet.database_url)) as store:
        intake = Intake(store, ExchangeMapper(), timedelta(seconds=1))
        payload = {"symbol": "SPY", "side": "BUY", "quantity": "1", "client_order_id": "unsent"}
        intake.receive(payload)
    fleet.await_state("unsent", "FILLED")


def test_nothing_new_is_sent_live(fleet: Fleet) -> None:
    """The worker whose clock is off sends nothing; the order waits, with an alert."""
    fleet.send(symbol="BTC-USDT", side="BUY", quantity="1", client_order_id="live")
    alert = wait_until(
        lambda: fleet.query(
            "SELECT a.message FROM alerts a JOIN orders o USING (order_id) "
            "WHERE o.client_order_id = 'live' AND a.kind = 'WAITING'"
        ),
        what="the alert",
    )
    assert "this worker's clock is 7,200.0 s behind the database's" in alert[0]["message"]
    order = fleet.order("live")
    assert order is not None
    assert (order["broker"], order["state"]) == ("BINANCE", "PENDING")
    assert not fleet.venue.orders()
    assert fleet.cli("cancel", "live").returncode == 0
    fleet.await_state("live", "CANCELLED")


def test_a_person_is_told(fleet: Fleet) -> None:
    """Doctor, an alert and a metric name the machine and by how much it is off."""
    doctor = fleet.cli("doctor")
    assert doctor.returncode == 1
    assert "this worker's clock is 7,200.0 s ahead of the database's" in doctor.stdout
    (alert,) = fleet.query("SELECT * FROM alerts WHERE kind = 'CLOCK_OFF' AND resolved_at IS NULL")
    assert "7,2" in alert["message"]
    with closing(Store(fleet.database_url)) as store, store.transaction() as connection:
        (metric,) = standing.clocks(connection)
    ahead = sorted(round(sample.value) for sample in metric.samples)
    assert ahead == [-HOURS, 0, HOURS, HOURS]
