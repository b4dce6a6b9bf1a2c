"""What runs a terminal and starts it again when it dies: in this process, or the built expert."""

from __future__ import annotations

import asyncio
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from simulators.mt4_terminal.terminal import MayTrade, Terminal, TerminalKilled, TerminalOptions
from simulators.mt4_terminal.trade_server import TradeServer

_RESTART_SECONDS = 0.01


class Runner(ABC):
    """Keeps one terminal running until `stop`; `starts` counts how often it was started.

    With `revives` off, one that dies stays dead until `start`.
    """

    def __init__(self) -> None:
        self.starts = 0
        self.revives = True
        self._keeping: asyncio.Task[None] | None = None

    @property
    def is_running(self) -> bool:
        """False when there is none and none will come by itself."""
        return self._keeping is not None and not self._keeping.done()

    @abstractmethod
    async def run_once(self) -> None:
        """One life of the terminal; returns when it has died."""

    async def start(self) -> None:
        """Start the terminal, and again whenever it dies."""
        if not self.is_running:
            self._keeping = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """Kill the terminal; what it wrote down stays."""
        if self._keeping is not None:
            self._keeping.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeping
            self._keeping = None

    async def restart(self) -> None:
        """Kill it and start it again."""
        await self.stop()
        await self.start()

    async def _keep(self) -> None:
        while True:
            self.starts += 1
            await self.run_once()
            if not self.revives:
                return
            await asyncio.sleep(_RESTART_SECONDS)


class PythonRunner(Runner):
    """The terminal in Python, in this process."""

    def __init__(
        self,
        options: TerminalOptions,
        server: TradeServer,
        may_trade: MayTrade,
        clock: Callable[[], datetime],
    ) -> None:
        super().__init__()
        self._options = options
        self._server = server
        self._may_trade = may_trade
        self._clock = clock

    async def run_once(self) -> None:
        with suppress(TerminalKilled):
            await Terminal(self._options, self._server, self._may_trade, self._clock).run()


class ExpertRunner(Runner):
    """The Expert Advisor built with g++, in a process of its own, at the trade server's port."""

    def __init__(
        self, options: TerminalOptions, binary: Path, trade_port: Callable[[], int]
    ) -> None:
        super().__init__()
        self._options = options
        self._binary = binary
        self._trade_port = trade_port

    async def run_once(self) -> None:
        options = self._options
        inputs = {
            "BridgeUrl": options.bridge_url,
            "PollMilliseconds": max(1, round(options.poll_seconds * 1000)),
            "RequestTimeout": round(options.request_timeout * 1000),
            "LookSeconds": options.look_seconds,
            "MaxTries": options.max_tries,
            "RetryMilliseconds": round(options.retry_seconds * 1000),
            "AllowRealAccount": int(options.allow_real),
        }
        process = await asyncio.create_subprocess_exec(
            str(self._binary),
            *("--trade-port", str(self._trade_port())),
            *("--folder", str(options.folder)),
            *(part for name, value in inputs.items() for part in ("--input", f"{name}={value}")),
            # The token does not belong on a command line, where every process can read it.
            env={"EXPERT_TOKEN": options.token},
            stdout=sys.stderr,
        )
        try:
            await process.wait()
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
