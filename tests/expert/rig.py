"""A bridge, a trade server and a terminal on one event loop, and a client who asks the bridge.

The terminal is the one in Python, or the Expert Advisor in a process of its own: the cases in
`tests.expert.cases` do not know which.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Self

import aiohttp
from pydantic import SecretStr

from mt4_bridge.server import BridgeServer
from mt4_bridge.settings import Settings
from simulators.mt4_terminal.book import ServerOptions
from simulators.mt4_terminal.terminal import JOURNAL_NAME, TerminalOptions
from simulators.mt4_terminal.venue import Mt4Venue

DEADLINE_SECONDS = 20.0
CLIENT = "client-" + "c" * 16
TERMINAL = "terminal-" + "t" * 16
AUTHORISED = {"Authorization": f"Bearer {CLIENT}"}
LOOK_SECONDS = 0.2
LONG_LOOK_SECONDS = 10 * LOOK_SECONDS
"""How long a terminal looks for what may have been sent."""


def new_id() -> str:
    """A command id of the length that the service gives its own."""
    return secrets.token_hex(11)


def in_seconds(seconds: float) -> str:
    """A time from now, as JSON has it."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


async def eventually(condition: Callable[[], Awaitable[Any]]) -> Any:
    """Wait until the condition gives something; that. TimeoutError."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while True:
            found = await condition()
            if found:
                return found
            await asyncio.sleep(0.01)


class Rig:
    """Everything of one case. `folder` holds database, journals and the server's memory."""

    def __init__(
        self,
        folder: Path,
        expert: Path | None = None,
        *,
        server: ServerOptions | None = None,
        stale_after: float = 5.0,
        healthy: bool = True,
    ) -> None:
        self.folder = folder
        self.expert = expert
        self.server_options = server or ServerOptions()
        self.settings = Settings(
            client_token=SecretStr(CLIENT),
            terminal_token=SecretStr(TERMINAL),
            database=folder / "bridge.sqlite3",
            port=0,
            wait=10.0,
            stale_after=stale_after,
        )
        self._healthy = healthy
        self.bridge: BridgeServer
        self.venue: Mt4Venue
        self.others: list[Mt4Venue] = []
        self._session: aiohttp.ClientSession

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(headers=AUTHORISED)
        await self.start_bridge()
        self.venue = self.new_venue("terminal")
        await self.venue.start()
        self.venue.set_price("EURUSD", Decimal("1.10000"), Decimal("1.10010"))
        if self._healthy:
            await self.until_healthy()
        return self

    async def __aexit__(self, *_: object) -> None:
        for venue in [self.venue, *self.others]:
            await venue.stop()
        await self.bridge.stop()
        await self._session.close()

    async def start_bridge(self) -> None:
        """Start it, or start it again on the same port and database."""
        self.bridge = BridgeServer(self.settings)
        await self.bridge.start()
        self.settings = self.settings.model_copy(update={"port": self.bridge.port})

    def new_venue(self, name: str, options: ServerOptions | None = None) -> Mt4Venue:
        """A trade server with a terminal, at this rig's bridge; the case or rig starts it."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        terminal = TerminalOptions(
            bridge_url=self.bridge.url,
            token=TERMINAL,
            folder=folder,
            poll_seconds=0.02,
            look_seconds=LOOK_SECONDS,
            retry_seconds=0.02,
            request_timeout=2.0,
        )
        return Mt4Venue(
            terminal,
            options or self.server_options,
            expert=self.expert,
            state=folder / "trade-server.jsonl",
        )

    async def restart_venue(self) -> None:
        """End trade server and terminal, and start them again with what they remember."""
        await self.venue.stop()
        self.venue = self.new_venue("terminal")
        await self.venue.start()

    def lose_journal(self) -> None:
        """What a reinstalled terminal has forgotten. The terminal must be stopped."""
        (self.folder / "terminal" / JOURNAL_NAME).unlink()

    async def ask(self, path: str) -> tuple[int, Any]:
        """GET: status and body."""
        async with self._session.get(f"{self.bridge.url}{path}") as reply:
            return reply.status, await reply.json()

    async def post(
        self, path: str, body: dict[str, Any], *, key: str | None = None, wait: float | None = None
    ) -> tuple[int, Any]:
        """POST: status and body."""
        async with self._session.post(
            f"{self.bridge.url}{path}",
            json=body,
            params={} if wait is None else {"wait": str(wait)},
            headers={"Idempotency-Key": key or secrets.token_hex(8)},
        ) as reply:
            return reply.status, await reply.json()

    async def place(self, *, wait: float | None = None, **changes: Any) -> tuple[int, Any]:
        """Place a market order for one lot, with `changes`."""
        body = {
            "id": new_id(),
            "valid_until": in_seconds(30),
            "symbol": "EURUSD" + self.server_options.suffix,
            "side": "BUY",
            "order_type": "MARKET",
            "lots": "1",
        }
        return await self.post("/order/place", body | changes, wait=wait)

    async def close(self, *, wait: float | None = None, **changes: Any) -> tuple[int, Any]:
        """Close a position, named by `order_id` or `ticket`."""
        body = {"id": new_id(), "valid_until": in_seconds(30), "target": "POSITION"}
        return await self.post("/order/close", body | changes, wait=wait)

    async def order(self, command_id: str) -> Any:
        """The command as the bridge has it."""
        status, body = await self.ask(f"/order/{command_id}")
        assert status == 200, body
        return body

    async def settled(self, command_id: str) -> Any:
        """The command once its outcome is known."""

        async def known() -> Any:
            body = await self.order(command_id)
            return body if body["outcome"] != "UNKNOWN" else None

        return await eventually(known)

    async def until_healthy(self) -> Any:
        """Wait until orders can be placed."""

        async def healthy() -> bool:
            return (await self.ask("/health"))[0] == 200

        return await eventually(healthy)

    async def until_degraded(self, words: str) -> str:
        """Wait until /health gives a reason with these words; the reason."""

        async def reason() -> str:
            _, body = await self.ask("/health")
            return next((text for text in body["reasons"] if words in text), "")

        return str(await eventually(reason))

    def held(self, command_id: str) -> list[dict[str, Any]]:
        """The orders that the trade server accepted under an id."""
        orders = self.venue.ledger()["orders"]
        return [order for order in orders if order["venue_order_id"] == command_id]

    async def executions(self) -> list[dict[str, Any]]:
        """Every execution that the bridge tells."""
        status, body = await self.ask("/executions?since=2020-01-01T00:00:00Z")
        assert status == 200, body
        return list(body["executions"])

    async def agrees(self) -> None:
        """Wait until bridge and trade server tell the same executions, to the digit."""

        async def same() -> bool:
            told = [
                (
                    one["execution_id"],
                    one["order_id"],
                    one["side"],
                    Decimal(one["lots"]) * 100_000,
                    Decimal(one["price"]),
                    Decimal(one["commission"]),
                    datetime.fromisoformat(one["executed_at"]),
                )
                for one in await self.executions()
            ]
            really = [
                (
                    one["execution_id"],
                    one["venue_order_id"],
                    one["side"],
                    Decimal(one["quantity"]),
                    Decimal(one["price"]),
                    Decimal(one["commission"]),
                    datetime.fromisoformat(one["executed_at"]),
                )
                for one in self.venue.ledger()["executions"]
            ]
            return sorted(told, key=str) == sorted(really, key=str)

        await eventually(same)


__all__ = [
    "LONG_LOOK_SECONDS",
    "LOOK_SECONDS",
    "Rig",
    "ServerOptions",
    "eventually",
    "in_seconds",
    "new_id",
]
