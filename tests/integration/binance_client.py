"""A simulated Binance on a thread of its own, and a plain client that signs what it sends."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

import requests

from simulators.binance.entry import Leg
from simulators.binance.options import VenueOptions
from simulators.binance.parameters import Parameters
from simulators.binance.venue import BinanceVenue
from simulators.served import utc_now

KEY, SECRET = "test-key", "test-secret"
SYMBOL = "BTCUSDT"
LIMIT = {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}


@dataclass(frozen=True)
class Reply:
    """An answer: HTTP status, JSON and headers."""

    status: int
    body: Any
    headers: Any


class RestClient:
    """Asks the REST port at `url` and the control port at `control_url`."""

    def __init__(self, url: str, control_url: str) -> None:
        self.url, self.control_url = url, control_url
        self._session = requests.Session()

    def close(self) -> None:
        """Let go of the connections."""
        self._session.close()

    def ask(
        self,
        method: str,
        path: str,
        parameters: dict[str, Any] | None = None,
        *,
        signed: bool = True,
        key: str | None = KEY,
        secret: str = SECRET,
    ) -> Reply:
        """Send a request with its parameters in the query string, timed and signed."""
        fields = {name: value for name, value in (parameters or {}).items() if value is not None}
        if signed:
            fields.setdefault("timestamp", int(time.time() * 1000))
        query = urlencode(fields)
        if signed:
            signature = hmac.new(secret.encode(), query.encode(), hashlib.sha256).hexdigest()
            query += f"&signature={signature}"
        url = f"{self.url}/api/v3/{path}" + (f"?{query}" if query else "")
        headers = {} if key is None else {"X-MBX-APIKEY": key}
        with self._session.request(method, url, headers=headers, timeout=10) as reply:
            return Reply(reply.status_code, reply.json(), reply.headers)

    def get(self, path: str, **parameters: Any) -> Any:
        """What a signed query answers."""
        return self._good(self.ask("GET", path, parameters))

    def public(self, path: str, **parameters: Any) -> Any:
        """What an unsigned query answers."""
        return self._good(self.ask("GET", path, parameters, signed=False, key=None))

    def post(self, path: str, **parameters: Any) -> Any:
        """What a signed POST answers."""
        return self._good(self.ask("POST", path, parameters))

    def delete(self, path: str, **parameters: Any) -> Any:
        """What a signed DELETE answers."""
        return self._good(self.ask("DELETE", path, parameters))

    def refused(self, method: str, path: str, **parameters: Any) -> tuple[int, int, str]:
        """HTTP status, code and words of a refusal."""
        reply = self.ask(method, path, parameters)
        assert reply.status >= 400, reply.body
        return reply.status, reply.body["code"], reply.body["msg"]

    def order(self, **parameters: Any) -> Any:
        """Place an order: a LIMIT BUY in BTCUSDT unless told otherwise, told in full."""
        fields = {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT", "newOrderRespType": "FULL"}
        if parameters.get("type", "LIMIT") == "LIMIT":
            fields["timeInForce"] = "GTC"
        return self.post("order", **(fields | parameters))

    def balance(self, asset: str) -> tuple[str, str]:
        """Free and locked."""
        balances = {item["asset"]: item for item in self.get("account")["balances"]}
        return balances[asset]["free"], balances[asset]["locked"]

    def control(self, method: str, path: str, body: Any = None, *, status: int = 200) -> Any:
        """Ask the control port."""
        url = f"{self.control_url}/{path}"
        with self._session.request(method, url, json=body, timeout=10) as reply:
            assert reply.status_code == status, reply.text
            return reply.json()

    def price(self, bid: str, ask: str, symbol: str = SYMBOL) -> None:
        """Set a market."""
        self.control("POST", "prices", {"symbol": symbol, "bid": bid, "ask": ask})

    def arm(self, kind: str, **options: Any) -> None:
        """Arm a fault."""
        self.control("POST", "faults", {"kind": kind, **options})

    def fired(self, kind: str) -> int:
        """How often faults of a kind have fired."""
        return int(self.control("GET", "faults")["fired"].get(kind, 0))

    def ledger(self) -> Any:
        """All that the venue holds."""
        return self.control("GET", "ledger")

    def _good(self, reply: Reply) -> Any:
        assert reply.status == 200, reply.body
        return reply.body


class RunningVenue(RestClient):
    """A venue in this process, with a market of 99 and 101 in BTCUSDT; ends with its `with`.

    `options` are those of VenueOptions.
    """

    def __init__(self, *, clock: Callable[[], datetime] = utc_now, **options: Any) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="venue", daemon=True)
        self._thread.start()
        standard = {"api_key": KEY, "api_secret": SECRET}
        self.venue = BinanceVenue(VenueOptions(**(standard | options)), clock=clock)
        self._run(self.venue.start())
        super().__init__(
            f"http://127.0.0.1:{self.venue.port}", f"http://127.0.0.1:{self.venue.control_port}"
        )

    def __enter__(self) -> Self:
        self.price("99", "101")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
        self._run(self.venue.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def fill_up(self, symbols: Sequence[str], orders: int) -> None:
        """Let so many BUY orders at 99 rest in each symbol, whose market is 100 and 101."""

        async def fill() -> None:
            exchange = self.venue.exchange
            for symbol in symbols:
                exchange.set_price(symbol, Decimal(100), Decimal(101))
                for _ in range(orders):
                    fields = LIMIT | {"symbol": symbol, "quantity": "1", "price": "99"}
                    parameters = Parameters(urlencode(fields))
                    exchange.desk.place(Leg(parameters).read(symbol, exchange.clock()))

        self._run(fill())

    def _run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)
