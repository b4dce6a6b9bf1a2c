"""A daemon thread with one event loop, for what must be made and used in one place."""

from __future__ import annotations

import asyncio
import threading


class LoopThread:
    """Runs its loop from `start` to `stop`; the loop is the thread's own, as libraries want it."""

    def __init__(self, name: str) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin to run."""
        self._thread.start()

    def stop(self) -> None:
        """End the loop, whatever still runs on it."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(5)

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()
        self.loop.close()
