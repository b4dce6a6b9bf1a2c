"""Bare producers for tests of failing stores: they know Redis alone, and log what it took."""

from __future__ import annotations

import threading
import time
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Self

from celery import Celery

from tests.fleet import Fleet, wait_until

TIMEOUTS = {"socket_timeout": 2, "socket_connect_timeout": 2}
"""As in README's snippet, shorter."""


class BareProducer:
    """Sends paper orders by task name until it is stopped, one every `pause` seconds.

    Each id is in the log (a file, flushed line by line) as `took` or `error` once the send is over;
    an error is one that the sender saw.
    """

    def __init__(self, name: str, redis_url: str, log: Path, *, pause: float = 0.03) -> None:
        self._name, self._url, self._log, self._pause = name, redis_url, log, pause
        log.touch()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        app = Celery(self._name, broker=self._url)
        app.conf.broker_transport_options = TIMEOUTS
        number = 0
        with closing(app), self._log.open("a", encoding="utf-8") as log:
            while not self._stopping.wait(self._pause):
                number += 1
                name = f"{self._name}-{number}"
                payload = {"symbol": "SPY", "side": "BUY", "quantity": "1", "client_order_id": name}
                try:
                    app.send_task("tasks.place_order", kwargs=payload, queue="orders", retry=False)
                except Exception as error:  # noqa: BLE001 - whatever it is, the sender sees it
                    log.write(f"error {name} {type(error).__name__}\n")
                else:
                    log.write(f"took {name}\n")
                log.flush()

    def ids(self, what: str) -> list[str]:
        """What was logged so far: the ids that Redis `took`, or those that met an `error`."""
        lines = self._log.read_text(encoding="utf-8").splitlines()
        return [line.split()[1] for line in lines if line.startswith(f"{what} ")]

    def more(self, count: int, what: str = "took", timeout: float = 60.0) -> None:
        """Wait until so many more have been logged."""
        target = len(self.ids(what)) + count
        wait_until(
            lambda: len(self.ids(what)) >= target,
            timeout,
            f"{count} more {what} (took {len(self.ids('took'))})",
        )


def assert_rows(fleet: Fleet, ids: list[str], timeout: float = 90.0) -> None:
    """Fail unless each of some orders is accepted within `timeout` seconds."""
    wanted, deadline = set(ids), time.monotonic() + timeout
    while True:
        rows = fleet.query(
            "SELECT client_order_id FROM order_requests WHERE outcome = 'ACCEPTED' "
            "AND client_order_id = ANY(%s)",
            ids,
        )
        lost = sorted(wanted - {row["client_order_id"] for row in rows})
        if not lost:
            return
        if time.monotonic() > deadline:
            raise AssertionError(f"{len(lost)} of {len(wanted)} are lost: {lost[:10]}")
        time.sleep(0.2)
