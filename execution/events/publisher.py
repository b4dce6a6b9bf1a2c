"""Numbers committed events and publishes them on Redis pub/sub, in order."""

from __future__ import annotations

import json
from collections.abc import Sequence

import redis

from execution.domain.errors import EventsUnavailable
from execution.domain.events import FILLS
from execution.domain.vocabulary import ExecutionMode
from execution.store import outbox
from execution.store.engine import Store
from execution.store.outbox import Numbered


def message(event: Numbered) -> str:
    """An event as consumers get it: its payload with its sequence, one JSON object."""
    payload = {"schema": event.payload.get("schema"), "event_id": event.payload.get("event_id")}
    return json.dumps(payload | {"sequence": event.sequence} | event.payload, separators=(",", ":"))


def channels(event: Numbered) -> list[str]:
    """The channels an event goes to: its stream, and for fills the one of its mode."""
    if event.stream != FILLS:
        return [event.stream]
    live = event.payload["execution_mode"] == ExecutionMode.LIVE
    return [FILLS, "fills.live" if live else "fills.paper"]


class Publisher:
    """Publishes whatever is committed and not yet published, whoever committed it.

    Calls from any thread or process may overlap: the streams' row lock puts them in order, and
    one that comes second finds its work done.
    """

    def __init__(self, store: Store, client: redis.Redis) -> None:
        self._store = store
        self._redis = client

    def drain(self) -> int:
        """Publish until nothing waits; returns how many this call published.

        Raises EventsUnavailable when Redis does not take them (they stay due), StoreUnavailable.
        """
        published = 0
        while True:
            with self._store.transaction() as connection:
                waiting = outbox.number(connection)
            if not waiting:
                return published
            with self._store.transaction() as connection:
                done, _ = outbox.publish_numbered(connection, self._publish)
            published += done

    def _publish(self, events: Sequence[Numbered]) -> None:
        pipeline = self._redis.pipeline(transaction=False)
        for event in events:
            text = message(event)
            for channel in channels(event):
                pipeline.publish(channel, text)
        try:
            pipeline.execute()
        except redis.RedisError as error:
            raise EventsUnavailable(f"Redis did not take {len(events)} events: {error}") from error
