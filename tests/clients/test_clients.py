"""Two clients that are not ccxt read the simulated Binance as they read Binance."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from execution.supervisor.services import project_root
from tests.venues import BinanceVenue

PYTHON = project_root() / "build" / "clients" / "bin" / "python"
SCRIPTS = Path(__file__).parent


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[BinanceVenue]:
    """A simulated Binance with a market."""
    venue = BinanceVenue(tmp_path)
    venue.start()
    venue.price("BTC-USDT", "64000", "64001")
    venue.price("ETH-USDT", "3000", "3001")
    yield venue
    venue.stop()


def run(script: str, url: str) -> dict[str, Any]:
    """What a client's script understood."""
    done = subprocess.run(
        [str(PYTHON), str(SCRIPTS / script), url],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize("script", ["with_python_binance.py", "with_binance_sdk.py"])
def test_a_client_reads_it(venue: BinanceVenue, script: str) -> None:
    """Markets, account, orders however they end, trades and refusals."""
    found = run(script, venue.url)
    expected = {
        "symbol": "BTC",
        "balance": "10000.00000000",
        "resting": "NEW",
        "open": 1,
        "cancelled": "CANCELED",
        "fills": [["0.50000000", "64001.00000000"]],
        "trades": [["0.50000000", "64001.00000000"]],
        "all": ["CANCELED", "FILLED"],
        "count": [1, 1],
        "no symbol": [400, -1121],
        "no order": [400, -2013],
        "no money": [400, -2010],
    }
    assert {name: found[name] for name in expected} == expected
    (trade,) = venue.executions()
    assert (trade["quantity"], trade["price"]) == ("0.5", "64001")
