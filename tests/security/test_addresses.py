"""Addresses of venues: no trick of spelling makes a real venue count as a simulated one."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web

from execution.domain.errors import BrokerUnavailable, ConfigurationError
from execution.domain.vocabulary import Environment
from execution.settings import load
from simulators.serving import HttpListener
from workers.adapters.binance.adapter import BinanceAdapter
from workers.brokers import _endpoint_is_local, binance_is_real

KEY = "k" * 16
TRICKS = [
    *("http://localhost@api.binance.com", "https://127.0.0.1:80@api.binance.com/"),
    *("https://localhost:x@api.binance.com", "http://127.0.0.1\\@api.binance.com"),
    *("http://127.0.0.1#@api.binance.com", "http://127.0.0.1?@api.binance.com"),
    *("http://api.binance.com#127.0.0.1", "//127.0.0.1", "127.0.0.1:80", "ftp://127.0.0.1"),
    *("http://127.0.0.1 .api.binance.com", "http://127.0.0.1\t@api.binance.com", "http://"),
    *("http://127.1", "http://2130706433", "http://0x7f.0.0.1", "http://0177.0.0.1"),
    *("http://127.0.0.1.", "http://0.0.0.0", "http://localhost.", "http://127.0.0.1:99999"),
    *(
        "http://ⓛocalhost",
        "http://\N{FULLWIDTH DIGIT ONE}27.0.0.1",
        "http://127.0.0.1%2eapi.binance.com",
    ),
    "http://evil.localhost",
    *("http://127.0.0.1.api.binance.com", "http://localhost.api.binance.com", "http://[::]"),
    *("http://api.binance.com", "http://testnet.binance.vision", "http://192.168.1.7:8010"),
    *("http://127.0.0.1/../x?y", "http://127.0.0.1\r\nHost: api.binance.com", "http://[::1"),
]


@pytest.mark.parametrize("name", ["binance_api_url", "mt4_bridge_url", "ledger_broker_url"])
@pytest.mark.parametrize("url", TRICKS)
def test_tricks_are_refused(name: str, url: str) -> None:
    """So is plain http to any host but loopback; the message names the setting, not the value."""
    with pytest.raises(ConfigurationError) as refused:
        load(**{name: url})
    assert str(refused.value).startswith(f"{name.upper()}: ")
    assert url not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "read", "local"),
    [
        ("http://localhost:8010", "http://127.0.0.1:8010", True),
        ("HTTP://LOCALHOST/", "http://127.0.0.1", True),
        ("http://127.0.0.2:1", "http://127.0.0.2:1", True),
        ("http://[::1]:8010/x/", "http://[::1]:8010/x", True),
        ("https://testnet.binance.vision", "https://testnet.binance.vision", False),
        ("https://API.binance.com", "https://api.binance.com", False),
        ("https://localhost.example.com", "https://localhost.example.com", False),
        ("https://testnet.binance.vision.example.com", None, False),
        ("https://10.0.0.1", "https://10.0.0.1", False),
    ],
)
def test_what_is_real(url: str, read: str | None, *, local: bool) -> None:
    """Real is everything but this machine and the test network; the host is the one judged."""
    settings = load(binance_api_url=url)
    assert settings.binance_api_url == (read or url)
    simulated = local or url == "https://testnet.binance.vision"
    assert binance_is_real(settings) is not simulated
    assert _endpoint_is_local(settings) is local
    assert settings.execution_environment is Environment.PRACTICE


def test_a_private_network_has_one_host() -> None:
    """Plain http to the bridge's container needs its name, and opens nothing else."""
    inside = "http://superintel-mt4-bridge:8000"
    assert load(mt4_bridge_url=inside, mt4_bridge_plain_http="superintel-mt4-bridge")
    for other in ("superintel", "*", "superintel-mt4-bridge.example.com"):
        with pytest.raises(ConfigurationError, match="MT4_BRIDGE_URL"):
            load(mt4_bridge_url=inside, mt4_bridge_plain_http=other)
    with pytest.raises(ConfigurationError, match="BINANCE_API_URL"):
        load(binance_api_url=inside, mt4_bridge_plain_http="superintel-mt4-bridge")


async def _nothing() -> list[str]:
    return []


async def _held(*_: Any) -> None:
    return None


def test_a_local_way_to_the_real_venue() -> None:
    """A proxy on this machine: no request bears the key before the venue says it is simulated."""
    seen: list[tuple[str, bool]] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append((request.path, "X-MBX-APIKEY" in request.headers))
        return web.json_response({})

    async def main() -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", answer)
        proxy = HttpListener(app, 0)
        await proxy.open()
        settings = load(binance_api_url=f"http://localhost:{proxy.port}")
        adapter = BinanceAdapter(
            key="k", secret=KEY, testnet=False, url=settings.binance_api_url,
            timeout=timedelta(seconds=5), window=timedelta(seconds=5),
            poll_interval=timedelta(seconds=1), absence_proven_after=timedelta(seconds=1),
            resends_within=timedelta(seconds=1), traded=_nothing, held_before=_held,
            is_real=binance_is_real(settings), simulated=_endpoint_is_local(settings),
        )  # fmt: skip
        try:
            with pytest.raises(BrokerUnavailable, match="X-Simulated-Venue"):
                await adapter.connect()
        finally:
            await adapter.close()
            await proxy.close()

    asyncio.run(main())
    assert seen == [("/api/v3/ping", False)]
