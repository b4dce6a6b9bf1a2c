"""The simulated Binance as a process: its memory, its flags, its certificate, its size."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import ccxt.async_support as ccxt
import pytest
import requests
import trustme
from aiohttp.abc import AbstractResolver, ResolveResult

from .binance_client import KEY, SECRET, SYMBOL, RestClient

Start = Callable[..., RestClient]


@pytest.fixture
def processes() -> Iterator[list[subprocess.Popen[str]]]:
    """The processes of a test, which end with it."""
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        with suppress(ProcessLookupError):
            process.kill()
        process.communicate()


@pytest.fixture
def start(processes: list[subprocess.Popen[str]]) -> Iterator[Start]:
    """Starts venue processes, each with a client."""
    clients: list[RestClient] = []

    def start(*arguments: str) -> RestClient:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "simulators.binance"),
                *("--api-key", KEY, "--api-secret", SECRET),
                *arguments,
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        assert process.stdout is not None
        ports = json.loads(process.stdout.readline())
        client = RestClient(
            f"http://127.0.0.1:{ports['port']}", f"http://127.0.0.1:{ports['control_port']}"
        )
        clients.append(client)
        return client

    yield start
    for client in clients:
        client.close()


def _memory(venue: RestClient) -> dict[str, Any]:
    """All that a venue answers of what it holds."""
    return {
        "orders": venue.get("allOrders", symbol=SYMBOL),
        "open": venue.get("openOrders"),
        "trades": venue.get("myTrades", symbol=SYMBOL),
        "lists": venue.get("allOrderList"),
        "balances": venue.get("account")["balances"],
        "book": venue.public("depth", symbol=SYMBOL),
        "tape": venue.public("trades", symbol=SYMBOL),
        "ledger": {name: venue.ledger()[name] for name in ("orders", "executions")},
    }


def test_remembers(start: Start, processes: list[subprocess.Popen[str]], tmp_path: Path) -> None:
    """After kill -9 it knows every order, list, trade, balance and price it answered for."""
    state = str(tmp_path / "venue.jsonl")
    venue = start("--state", state, "--price", "BTC-USDT=99/101", "--balance", "USDT=5000")
    venue.order(type="MARKET", quantity="1")
    venue.order(quantity="1", price="95", newClientOrderId="resting")
    venue.order(type="STOP_LOSS", side="SELL", quantity="1", trailingDelta="500")
    amended = venue.order(quantity="3", price="90")
    path = "order/amend/keepPriority"
    query = {"symbol": SYMBOL, "orderId": amended["orderId"], "newQty": "2"}
    assert venue.ask("PUT", path, query).status == 200
    venue.post(
        "orderList/oco",
        symbol=SYMBOL,
        side="SELL",
        quantity="1",
        aboveType="LIMIT_MAKER",
        abovePrice="110",
        belowType="STOP_LOSS",
        belowStopPrice="80",
    )
    venue.price("103", "105")
    before = _memory(venue)
    processes[0].kill()
    processes[0].wait()

    again = start("--state", state, "--balance", "USDT=1")
    assert _memory(again) == before
    again.price("94", "95")
    states = {
        order["clientOrderId"]: order["status"] for order in again.get("allOrders", symbol=SYMBOL)
    }
    assert states["resting"] == "FILLED"
    # The trail had seen 103: it was reached at 97.85, on the way to 94.
    assert [order["status"] for order in again.get("allOrders", symbol=SYMBOL)][2] == "FILLED"
    assert again.order(type="MARKET", quantity="1")["orderId"] == len(before["orders"]) + 1


def test_cut_short(start: Start, processes: list[subprocess.Popen[str]], tmp_path: Path) -> None:
    """A line that a kill cut short was never answered for."""
    state = tmp_path / "venue.jsonl"
    venue = start("--state", str(state), "--price", "BTCUSDT=99/101")
    venue.order(quantity="1", price="95")
    processes[0].kill()
    processes[0].wait()
    with state.open("a", encoding="utf-8") as file:
        file.write('{"orders": [{"symbol": "BTCUSDT", "order_')
    assert len(start("--state", str(state)).get("openOrders")) == 1


def test_terminates_at_once(start: Start, processes: list[subprocess.Popen[str]]) -> None:
    """SIGTERM ends it with status 0, a request that stands still or not."""
    venue = start("--price", "BTCUSDT=99/101")
    venue.arm("delay", seconds=30, on="query")
    with pytest.raises(requests.ReadTimeout):
        requests.get(f"{venue.url}/api/v3/ping", timeout=(10, 0.2))
    processes[0].send_signal(signal.SIGTERM)
    assert processes[0].wait(timeout=20) == 0


def test_flags(start: Start) -> None:
    """Limits, fees and the account are the command line's."""
    venue = start(
        *("--weight-limit", "123", "--order-limit-10s", "7", "--max-orders", "9"),
        *("--fee-rate", "0.002", "--account-id", "42", "--bnb-fees"),
    )
    info = venue.public("exchangeInfo", symbol=SYMBOL)
    assert [entry["limit"] for entry in info["rateLimits"]][:2] == [123, 7]
    filters = {item["filterType"]: item for item in info["symbols"][0]["filters"]}
    assert filters["MAX_NUM_ORDERS"]["maxNumOrders"] == 9
    account = venue.get("account")
    assert (account["uid"], account["takerCommission"]) == (42, 20)
    assert venue.get("account/commission", symbol=SYMBOL)["discount"]["enabledForAccount"]


class OneAddress(AbstractResolver):
    """Resolves one host name to a port of this machine, and no other."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """See aiohttp."""
        if host != self._host:
            raise OSError(f"{host} is not to be asked for")
        return [
            ResolveResult(
                hostname=host,
                host="127.0.0.1",
                port=self._port,
                family=socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
        ]

    async def close(self) -> None:
        """See aiohttp."""


def test_under_its_real_name(start: Start, tmp_path: Path) -> None:
    """Over TLS a client trades with what it takes for api.binance.com, unchanged.

    ccxt's own error tables for spot apply under that name only: the trade is refused as one of
    them says.
    """
    authority = trustme.CA()
    authority.issue_cert("api.binance.com").private_key_and_cert_chain_pem.write_to_path(
        tmp_path / "venue.pem"
    )
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    venue = start("--tls-certificate", str(tmp_path / "venue.pem"), "--price", "BTCUSDT=99/101")
    port = int(venue.url.rpartition(":")[2])

    async def trade() -> None:
        connector = aiohttp.TCPConnector(resolver=OneAddress("api.binance.com", port), ssl=trusting)
        session = aiohttp.ClientSession(connector=connector)
        exchange = ccxt.binance(
            {
                "apiKey": KEY,
                "secret": SECRET,
                "session": session,
                "options": {
                    "fetchMarkets": {"types": ["spot"]},
                    "fetchMargins": False,
                    "fetchCurrencies": False,
                },
            }
        )
        exchange.has["fetchCurrencies"] = False
        try:
            order = await exchange.create_order("BTC/USDT", "market", "buy", 0.5)
            assert (order["status"], order["filled"]) == ("closed", 0.5)
            venue.arm("reject", code="-1131", reason="recvWindow must be less than 60000")
            with pytest.raises(ccxt.BadRequest):
                await exchange.create_order("BTC/USDT", "market", "buy", 0.5)
        finally:
            await exchange.close()
            await session.close()

    asyncio.run(trade())
    assert len(venue.ledger()["orders"]) == 1
