"""ccxt's Binance client, so set up that nothing is sent twice, waits unseen or goes elsewhere.

What ccxt would do by itself and this keeps it from: pace requests in a queue of its own (`Budget`
does, and lets orders through), follow redirects with a POST, load futures markets and currencies,
and reach hosts that no setting named.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import aiohttp
import ccxt.async_support as ccxt
import yarl

from execution.domain.errors import BrokerUnavailable
from workers.adapters.binance.budget import Budget
from workers.adapters.binance.outcomes import Answer

Json = Mapping[str, Any]

_WEIGHT_OF_COST = 5
"""ccxt counts in units of five of Binance's weights."""
_LIMITED = frozenset({418, 429})
SIMULATED = "X-Simulated-Venue"
"""A header that the simulator puts on every answer, and no exchange does."""


class Client(ccxt.binance):  # type: ignore[misc]
    """One client, on the running loop. `budget` decides when a request may leave.

    Errors that come from an answer carry it as `answer` (see `outcomes`).
    """

    def __init__(self, options: dict[str, Any], budget: Budget) -> None:
        super().__init__(options)
        self.budget = budget
        self.timeout_on_exit = 0  # the session is ours, and closed by us

    async def throttle(self, cost: float | None = None) -> None:
        await self.budget.take(max(1, round((cost or 1) * _WEIGHT_OF_COST)))

    def on_rest_response(self, *arguments: Any) -> str:
        """The answer's text; takes what its headers say first."""
        code, _, _, _, headers, body, *_ = arguments
        self.budget.told(headers, str(body))
        if code in _LIMITED:
            self.budget.limited(code, headers, str(body))
        return str(body).strip()

    async def fetch(self, *arguments: Any, **options: Any) -> Any:
        """One request and its answer; a pause that the venue wants is kept before it is raised."""
        try:
            return await super().fetch(*arguments, **options)
        finally:
            await self.budget.settle()

    def handle_errors(self, *arguments: Any) -> None:
        """Raise what ccxt makes of an answer, with the answer itself."""
        code, reason, _, _, _, _, response, *_ = arguments
        try:
            super().handle_errors(*arguments)
        except ccxt.BaseError as error:
            error.answer = _answer(code, reason, response)
            raise

    def handle_http_status_code(
        self, code: int, reason: str, url: str, method: str, body: str
    ) -> None:
        try:
            super().handle_http_status_code(code, reason, url, method, body)
        except ccxt.BaseError as error:
            error.answer = _answer(code, reason, None)
            raise


class _NoRedirects:
    """A session for ccxt whose requests go where they were sent, or nowhere."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session

    @property
    def headers(self) -> Any:
        """Those that every request gets."""
        return self.session.headers

    def get(self, url: yarl.URL, **options: Any) -> Any:
        return self.session.get(url, allow_redirects=False, **options)

    def post(self, url: yarl.URL, **options: Any) -> Any:
        return self.session.post(url, allow_redirects=False, **options)

    def delete(self, url: yarl.URL, **options: Any) -> Any:
        return self.session.delete(url, allow_redirects=False, **options)

    async def close(self) -> None:
        """Close the connections."""
        await self.session.close()


def make(
    *,
    key: str,
    secret: str,
    testnet: bool,
    url: str | None,
    timeout_seconds: float,
    budget: Budget,
    connector: aiohttp.BaseConnector | None = None,
) -> Client:
    """A client on the running loop.

    `url` takes the place of Binance's own address, and of the test network's; `connector` that of
    one without a limit of connections, at which orders would wait.
    """
    session = aiohttp.ClientSession(connector=connector or aiohttp.TCPConnector(limit=0))
    client = Client(
        {
            "apiKey": key,
            "secret": secret,
            "session": _NoRedirects(session),
            "enableRateLimit": True,
            "timeout": round(timeout_seconds * 1000),
            "options": {
                "defaultType": "spot",
                "fetchMarkets": {"types": ["spot"]},
                "fetchMargins": False,
                "fetchCurrencies": False,
                "warnOnFetchOpenOrdersWithoutSymbol": False,
                "maxRetriesOnFailure": 0,
                "recvWindow": 10_000,
            },
        },
        budget,
    )
    client.has["fetchCurrencies"] = False
    if testnet and url is None:
        client.set_sandbox_mode(enabled=True)
    base = url.rstrip("/") if url else None
    spot = {
        "public": f"{base}/api/v3" if base else client.urls["api"]["public"],
        "private": f"{base}/api/v3" if base else client.urls["api"]["private"],
    }
    client.urls["api"] = spot
    return client


def require_simulated(client: Client) -> None:
    """Check whether the venue's last answer says that it is simulated. BrokerUnavailable."""
    if client.last_response_headers.get(SIMULATED) is None:
        raise BrokerUnavailable(
            f"what answers at BINANCE_API_URL does not say {SIMULATED}: it may be a way to the "
            "real Binance, and EXECUTION_ENVIRONMENT is practice"
        )


async def close(client: Client) -> None:
    """Close a client and the session made for it."""
    session = client.session
    await client.close()
    if session is not None:
        await session.close()


def _answer(status: int, reason: str, response: Any) -> Answer:
    body = response if isinstance(response, dict) else {}
    code, message = body.get("code"), body.get("msg")
    return Answer(
        status,
        code if isinstance(code, int) else None,
        message if isinstance(message, str) else reason or "",
    )
