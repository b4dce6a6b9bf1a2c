"""A key that Binance does not accept: a clear line, and no storm of requests."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.fleet import PRICES, Fleet, Servers, flush, wait_until
from tests.venues import BinanceVenue


@pytest.fixture(scope="module")
def fleet(
    servers: Servers, module_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    """A worker with the wrong secret."""
    flush(servers.valkey.url)
    home = tmp_path_factory.mktemp("binance-key") / "home"
    with Fleet(
        module_database_url,
        servers.valkey.url,
        home,
        venue=BinanceVenue,
        environment={"BINANCE_API_SECRET": "not-the-secret"},
        ready=("PAPER",),
    ) as fleet:
        fleet.set_prices(PRICES)
        yield fleet


def test_a_wrong_key_is_a_clear_line(fleet: Fleet) -> None:
    """`doctor` and `brokers` say it, with the variables to look at and never their values."""

    def told() -> str:
        said = fleet.cli("doctor")
        return said.stdout if "does not accept the key" in said.stdout else ""

    text = wait_until(told, what="the doctor to know")
    assert "BINANCE_API_SECRET" in text
    assert "not-the-secret" not in text
    assert fleet.cli("doctor").returncode == 1
    rows = json.loads(fleet.cli("brokers", "--json").stdout)
    (binance,) = [row for row in rows if row["broker"] == "BINANCE"]
    assert "does not accept the key" in binance["detail"]


def test_orders_go_to_paper_and_nobody_storms(fleet: Fleet) -> None:
    """The order is not lost; the venue was asked a few times, not again and again."""
    fleet.send(symbol="BTC-USDT", side="BUY", quantity="1", client_order_id="wrong-key")
    order = fleet.await_state("wrong-key", "FILLED")
    assert order["execution_mode"] == "PAPER"
    log = (fleet.home / "logs" / "worker-binance.log").read_text(encoding="utf-8")
    assert log.count("does not accept the key") < 5
    assert "not-the-secret" not in log
