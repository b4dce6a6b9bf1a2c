"""Numbers committed events and publishes them on Redis pub/sub, in order."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import redis
import structlog

from execution.domain.errors import EventsUnavailable, StoreUnavailable
from execution.domain.events import FILLS
from execution.domain.orders import Order
from execution.domain.vocabulary import ExecutionMode
from execution.faultpoints import reach, within
from execution.printable import json_text
from execution.store import orders, outbox
from execution.store.engine import Store
from execution.store.outbox import Numbered

_LINGER = 0.02
"""Seconds from the first call of `soon` to its publishing: what comes meanwhile goes along."""
_PATIENCE = 5.0
"""Seconds for which one call is waited for that publishes for all."""


def message(event: Numbered) -> str:
    """An event as consumers get it: its payload with its sequence, one JSON object."""
    payload = {"schema": event.payload.get("schema"), "event_id": event.payload.get("event_id")}
    return json_text(payload | {"sequence": event.sequence} | event.payload, separators=(",", ":"))


def channels(event: Numbered) -> list[str]:
    """The channels an event goes to: its stream, and for fills the one of its mode."""
    if event.stream != FILLS:
        return [event.stream]
    live = event.payload.get("execution_mode") == ExecutionMode.LIVE
    return [FILLS, "fills.live" if live else "fills.paper"]


class Publisher:
    """Publishes whatever is committed and not yet published, whoever committed it.

    Calls from any thread or process may overlap: the streams' row lock puts them in order, and
    one that comes second finds its work done. Within a process one call works for all that have
    asked by then. `due` is how long recovery gives an order that has more to come.
    """

    def __init__(
        self, store: Store, client: redis.Redis, due: timedelta = timedelta(seconds=5)
    ) -> None:
        self._store = store
        self._redis = client
        self._due = due
        self._finishing: dict[UUID, Order] = {}
        self._done: set[UUID] = set()
        self._turn = threading.Condition()
        self._asked = self._served = 0
        self._leader: object | None = None
        self._leading_since = 0.0
        self._background: threading.Thread | None = None
        self._pid = 0

    def flush(self) -> None:
        """Return when everything committed before this call is published.

        Raises EventsUnavailable when Redis does not take them (they stay due), StoreUnavailable.
        """
        self._flush(None)

    def finish(self, order: Order) -> bool:
        """`flush`, and step 8 of an order with it; False when somebody has changed the order."""
        return self._flush(order)

    def _flush(self, order: Order | None) -> bool:
        with self._turn:
            self._asked += 1
            mine = self._asked
            if order is not None:
                self._finishing[order.order_id] = order
            while self._leader is not None and self._served < mine and not self._leader_hangs():
                self._turn.wait(_PATIENCE)
            if self._served >= mine:
                return self._finished(order)
            if order is not None:  # it may be in the hands of one that hangs
                self._finishing[order.order_id] = order
            leader = self._leader = object()
            self._leading_since, everybody = time.monotonic(), self._asked
            finishing, self._finishing = self._finishing, {}
        try:
            self.drain(list(finishing.values()))
            with self._turn:
                self._served = max(self._served, everybody)
        finally:
            with self._turn:
                if self._leader is leader:
                    self._leader = None
                self._turn.notify_all()
        return self._finished(order)

    def _leader_hangs(self) -> bool:
        """Whether who publishes for all has taken so long that another should go on beside it.

        Both may publish: the streams' row lock puts them in order.
        """
        return time.monotonic() - self._leading_since >= _PATIENCE

    def _finished(self, order: Order | None) -> bool:
        if order is None or order.order_id not in self._done:
            return False
        self._done.discard(order.order_id)
        return True

    def soon(self) -> None:
        """Publish what is committed within a moment, without waiting for it.

        What cannot go out then goes out with the next, or by recovery.
        """
        with self._turn:
            self._asked += 1
            if self._background is None or self._pid != os.getpid():
                self._pid = os.getpid()
                self._background = threading.Thread(
                    target=self._keep_up, name="publisher", daemon=True
                )
                self._background.start()
            self._turn.notify_all()

    def _keep_up(self) -> None:
        given_up = 0
        while True:
            with self._turn:
                while max(self._served, given_up) >= self._asked:
                    self._turn.wait()
            time.sleep(_LINGER)
            with self._turn:
                asked = self._asked
                if self._served >= asked:
                    continue
            try:
                with within("publisher"):
                    self.flush()
            except (EventsUnavailable, StoreUnavailable) as error:
                given_up = asked
                structlog.get_logger().warning("events not published yet", error=str(error))
            except Exception:  # noqa: BLE001 - see below
                # A defect met once must not leave this process without its publisher.
                given_up = asked
                structlog.get_logger().exception("publishing failed")

    def drain(self, finishing: Sequence[Order] = ()) -> int:
        """Publish until nothing waits; returns how many this call published.

        `finishing` are orders whose step 8 ends with it. Raises EventsUnavailable when Redis does
        not take them (they stay due), StoreUnavailable.
        """
        published, more = 0, True
        while more:
            with self._store.direct() as link:
                waiting, more = outbox.number(link)
            if not waiting and not finishing:
                break
            with self._store.brief(durable=False) as link:
                done, left = outbox.publish_numbered(link, self._publish)
                more = more or left
                if finishing and not more:
                    finished = orders.all_published(link, finishing, self._due)
            published += done
        if finishing:
            self._done |= finished
        return published

    def _publish(self, events: Sequence[Numbered]) -> None:
        pipeline = self._redis.pipeline(transaction=False)
        for event in events:
            text = message(event)
            for channel in channels(event):
                pipeline.publish(channel, text)
        reach("publish:before")
        try:
            pipeline.execute()
        except redis.RedisError as error:
            raise EventsUnavailable(f"Redis did not take {len(events)} events: {error}") from error
        reach("publish:after")
