"""Bridge and terminal as processes of their own, killed again and again under load."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp

from .rig import AUTHORISED, CLIENT, TERMINAL, eventually, in_seconds, new_id

ORDERS = 24
KILLS = 8
AT_ONCE = 4
VALID_SECONDS = 6.0


class Process:
    """A child that says its ports in its first line, and may be killed and started again."""

    def __init__(self, *arguments: str, environment: dict[str, str] | None = None) -> None:
        self._arguments = arguments
        self._environment = os.environ | (environment or {})
        self._process: asyncio.subprocess.Process | None = None
        self.ports: dict[str, int] = {}

    async def start(self) -> None:
        """Start it on the ports of the first time."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            *self._arguments,
            *self.where(),
            env=self._environment | self.environment(),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        self.ports = json.loads(await self._process.stdout.readline())

    def where(self) -> list[str]:
        """The arguments that say its ports."""
        return []

    def environment(self) -> dict[str, str]:
        """The variables that say its port."""
        return {"MT4_BRIDGE_PORT": str(self.ports.get("port", 0))}

    async def kill(self) -> None:
        """Kill it and whatever it started, as the kernel would."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            await self._process.wait()


class Terminal(Process):
    """Trade server and terminal; control port and trade port stay."""

    def where(self) -> list[str]:
        names = {"port": "--port", "control_port": "--control-port"}
        return [part for key, port in self.ports.items() for part in (names[key], str(port))]


class Load:
    """Clients that place orders, close some, and ask until they know."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self._url = url
        self._session = session
        self.begun = 0
        self.outcomes: dict[str, dict[str, Any] | None] = {}

    async def run(self, rng: random.Random) -> None:
        """All orders, a few at a time."""
        turns = asyncio.Semaphore(AT_ONCE)

        async def one(closes: bool) -> None:  # noqa: FBT001 - drawn
            async with turns:
                placed = await self._send(
                    "place",
                    {"symbol": "EURUSD", "side": "BUY", "order_type": "MARKET", "lots": "1"},
                )
                if closes and placed is not None and placed["outcome"] == "DONE":
                    target = {"order_id": placed["id"], "target": "POSITION", "lots": "0.4"}
                    await self._send("close", target)

        async with asyncio.TaskGroup() as group:
            for _ in range(ORDERS):
                group.create_task(one(rng.random() < 0.5))

    async def _send(self, path: str, fields: dict[str, Any]) -> dict[str, Any] | None:
        """Send until it is taken or cannot be any more; its outcome, None for never taken."""
        command_id = new_id()
        body = {"id": command_id, "valid_until": in_seconds(VALID_SECONDS)} | fields
        self.begun += 1
        taken = await eventually(lambda: self._post(path, body))
        self.outcomes[command_id] = None
        if taken == "refused":
            return None
        found: dict[str, Any] = await eventually(lambda: self._settled(command_id))
        self.outcomes[command_id] = found
        return found

    async def _post(self, path: str, body: dict[str, Any]) -> str:
        try:
            async with self._session.post(
                f"{self._url}/order/{path}",
                json=body,
                headers={"Idempotency-Key": body["id"]},
                params={"wait": "1"},
            ) as reply:
                return {200: "taken", 202: "taken", 410: "refused"}.get(reply.status, "")
        except (aiohttp.ClientError, OSError, TimeoutError):
            return ""

    async def _settled(self, command_id: str) -> dict[str, Any] | None:
        try:
            async with self._session.get(f"{self._url}/order/{command_id}") as reply:
                answer: dict[str, Any] = await reply.json()
                assert reply.status == 200, answer
        except (aiohttp.ClientError, OSError, TimeoutError):
            return None
        return answer if answer["outcome"] != "UNKNOWN" else None


async def run_kills(folder: Path, expert: Path | None, seed: int) -> None:
    """Orders under kills; at the end table and ledger agree: nothing lost, nothing doubled."""
    rng = random.Random(seed)  # noqa: S311 - a test's dice
    bridge, terminal = _processes(folder, expert)
    await bridge.start()
    try:
        terminal = _terminal(folder, expert, bridge.ports["port"])
        await terminal.start()
        control = f"http://127.0.0.1:{terminal.ports['control_port']}"
        url = f"http://127.0.0.1:{bridge.ports['port']}"
        async with aiohttp.ClientSession(headers=AUTHORISED) as session:
            market = {"symbol": "EURUSD", "bid": "1.1", "ask": "1.1001"}
            async with session.post(f"{control}/prices", json=market) as reply:
                assert reply.status == 200
            load = Load(url, session)
            working = asyncio.create_task(load.run(rng))
            for kill in range(KILLS):
                threshold = kill * ORDERS // KILLS

                async def reached(threshold: int = threshold) -> bool:
                    return load.begun > threshold or working.done()

                await eventually(reached)
                victim: Process = rng.choice([bridge, terminal])
                await victim.kill()
                await victim.start()
            await working
            await _judge(session, url, control, load)
    finally:
        await terminal.kill()
        await bridge.kill()


async def _judge(session: aiohttp.ClientSession, url: str, control: str, load: Load) -> None:
    async with session.get(f"{control}/ledger") as reply:
        ledger = await reply.json()
    held: dict[str, int] = {}
    for order in ledger["orders"]:
        held[order["venue_order_id"]] = held.get(order["venue_order_id"], 0) + 1
    for command_id, outcome in load.outcomes.items():
        done = outcome is not None and outcome["outcome"] == "DONE"
        assert held.pop(command_id, 0) == int(done), (command_id, outcome)
    assert held == {}
    assert sum(outcome is not None for outcome in load.outcomes.values()) >= ORDERS // 2

    async def same() -> bool:
        try:
            async with session.get(f"{url}/executions?since=2020-01-01T00:00:00Z") as answer:
                told = await answer.json()
        except (aiohttp.ClientError, OSError):
            return False
        return sorted(
            (one["execution_id"], one["order_id"]) for one in told.get("executions", ())
        ) == sorted((one["execution_id"], one["venue_order_id"]) for one in ledger["executions"])

    await eventually(same)


def _processes(folder: Path, expert: Path | None) -> tuple[Process, Process]:
    bridge = Process(
        "mt4_bridge",
        environment={
            "MT4_BRIDGE_TOKEN": CLIENT,
            "MT4_TERMINAL_TOKEN": TERMINAL,
            "MT4_BRIDGE_DATABASE": str(folder / "bridge.sqlite3"),
            "MT4_BRIDGE_STALE_AFTER": "2",
        },
    )
    return bridge, _terminal(folder, expert, 0)


def _terminal(folder: Path, expert: Path | None, bridge_port: int) -> Terminal:
    token = folder / "token"
    token.write_text(TERMINAL, encoding="utf-8")
    return Terminal(
        "simulators.mt4_terminal",
        *("--bridge-url", f"http://127.0.0.1:{bridge_port}"),
        *("--token-file", str(token)),
        *("--folder", str(folder / "terminal")),
        *("--poll-seconds", "0.02", "--look-seconds", "1", "--request-timeout", "2"),
        *(() if expert is None else ("--expert", str(expert))),
    )
