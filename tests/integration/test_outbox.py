"""The streams: gap-free, in order, each event at least once, whoever publishes."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from uuid import uuid4

import pytest
import redis
from sqlalchemy import text

from execution.domain.errors import EventsUnavailable
from execution.domain.events import Event, order_event
from execution.domain.orders import Order
from execution.events.connection import connect
from execution.events.publisher import Publisher, message
from execution.store import outbox
from execution.store.engine import Store
from execution.store.outbox import Numbered
from tests.fleet import Servers, wait_until


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """A fresh database."""
    store = Store(database_url, pool_size=20)
    yield store
    store.close()


def event() -> Event:
    """Some event."""
    name = uuid4().hex
    return order_event("ACCEPTED", key=name, at=datetime.now(UTC), client_order_id=name)


def test_many_writers_and_publishers(store: Store, servers: Servers) -> None:
    """Eight threads write and publish at once: no gap, no double number, nothing out of order."""
    heard: list[int] = []
    with closing(connect(servers.valkey.url)) as client, closing(client.pubsub()) as pubsub:  # type: ignore[no-untyped-call]
        pubsub.subscribe("orders")
        pubsub.get_message(timeout=5)

        def work() -> None:
            publisher = Publisher(store, client)
            for _ in range(25):
                with store.transaction() as connection:
                    outbox.add(connection, [event(), event()])
                publisher.drain()

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        def all_heard() -> bool:
            told = pubsub.get_message(timeout=0.1)
            if told and told["type"] == "message":
                heard.append(json.loads(told["data"])["sequence"])
            return len(heard) == 400

        wait_until(all_heard, what="400 messages")
    assert heard == list(range(1, 401))


class Counting(Publisher):
    """Counts how often it really works, and can be held up or made to fail."""

    def __init__(self, store: Store, client: redis.Redis) -> None:
        super().__init__(store, client)
        self.drains = 0
        self.failing = False
        self.free = threading.Event()
        self.free.set()

    def drain(self, finishing: Sequence[Order] = ()) -> int:
        self.drains += 1
        self.free.wait(10)
        if self.failing:
            raise EventsUnavailable("away")
        return super().drain(finishing)


def published(store: Store) -> int:
    """How far the stream of orders is published."""
    with store.statement() as connection:
        return int(
            connection.execute(
                text("SELECT published_sequence FROM streams WHERE stream = 'orders'")
            ).scalar_one()
        )


def test_one_works_for_all_that_wait(store: Store, servers: Servers) -> None:
    """Of twenty flushes at once the first works, the second for all the others."""
    with closing(connect(servers.valkey.url)) as client:
        publisher = Counting(store, client)
        publisher.free.clear()
        waiting: list[int] = []

        def work() -> None:
            with store.transaction() as connection:
                outbox.add(connection, [event()])
            waiting.append(1)
            publisher.flush()

        threads = [threading.Thread(target=work) for _ in range(20)]
        for thread in threads:
            thread.start()
        wait_until(lambda: len(waiting) == 20, what="everybody to wait")
        wait_until(lambda: publisher._asked == 20, what="everybody to have asked")
        publisher.free.set()
        for thread in threads:
            thread.join()
        assert publisher.drains == 2
        assert published(store) == 20
        publisher.flush()
        assert publisher.drains == 3


def test_a_failure_is_told_to_all(store: Store, servers: Servers) -> None:
    """Nobody is told that its events are out when they are not; afterwards they go."""
    with closing(connect(servers.valkey.url)) as client:
        publisher = Counting(store, client)
        publisher.failing = True
        failed: list[int] = []

        def work() -> None:
            with store.transaction() as connection:
                outbox.add(connection, [event()])
            try:
                publisher.flush()
            except EventsUnavailable:
                failed.append(1)

        threads = [threading.Thread(target=work) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(failed) == 5
        publisher.soon()
        wait_until(lambda: publisher.drains >= 6, what="the background to try")
        assert published(store) == 0
        publisher.failing = False
        publisher.soon()
        wait_until(lambda: published(store) == 5, what="the background to publish")


def test_one_that_hangs_does_not_keep_the_others(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waits for another's publishing goes on beside it after a while, and in order."""
    monkeypatch.setattr("execution.events.publisher._PATIENCE", 0.2)
    sent: list[Numbered] = []
    hangs, go_on = threading.Event(), threading.Event()

    class Hanging(Publisher):
        """Stands still before its first drain."""

        def drain(self, finishing: Sequence[Order] = ()) -> int:
            if not hangs.is_set():
                hangs.set()
                assert go_on.wait(30)
            return super().drain(finishing)

        def _publish(self, events: Sequence[Numbered]) -> None:
            sent.extend(events)

    publisher = Hanging(store, redis.Redis())
    with store.transaction() as connection:
        outbox.add(connection, [event(), event()])
    first = threading.Thread(target=publisher.flush)
    first.start()
    assert hangs.wait(10)
    others = [threading.Thread(target=publisher.flush) for _ in range(3)]
    for thread in others:
        thread.start()
    for thread in others:
        thread.join(10)
    assert [one.sequence for one in sent] == [1, 2]
    assert first.is_alive()
    go_on.set()
    first.join(10)
    publisher.flush()
    assert [one.sequence for one in sent] == [1, 2]


def test_redis_away_keeps_events_due(store: Store) -> None:
    """What Redis does not take stays unpublished and goes out, once, when it is back."""
    with store.transaction() as connection:
        outbox.add(connection, [event()])
    with closing(redis.Redis(host="127.0.0.1", port=1)) as nobody, pytest.raises(EventsUnavailable):
        Publisher(store, nobody).drain()
    sent: list[Numbered] = []

    def publish(events: Sequence[Numbered]) -> None:
        sent.extend(events)

    with store.transaction() as connection:
        assert outbox.number(connection) == (1, False)
    with store.transaction() as connection:
        assert outbox.publish_numbered(connection, publish) == (1, False)
    with store.transaction() as connection:
        assert outbox.publish_numbered(connection, publish) == (0, False)
    assert [one.sequence for one in sent] == [1]


def test_a_number_stands_before_it_is_published(store: Store) -> None:
    """A publisher that dies after it has published does not leave its number to another event.

    The other one was written first and is committed later: numbered anew, it would come first.
    """
    sent: list[Numbered] = []

    class Dying(Publisher):
        """Publishes, and does not live to remember it."""

        def _publish(self, events: Sequence[Numbered]) -> None:
            sent.extend(events)
            if len(sent) == 1:
                raise EventsUnavailable("died")

    publisher = Dying(store, redis.Redis())
    early, late = event(), event()
    with store.transaction() as connection:
        outbox.add(connection, [early])
        with store.transaction() as other:
            outbox.add(other, [late])
        with pytest.raises(EventsUnavailable):
            publisher.drain()
    publisher.drain()
    told = {(one.sequence, one.payload["event_id"]) for one in sent}
    assert told == {(1, str(late.event_id)), (2, str(early.event_id))}


def test_rolled_back_is_never_numbered(store: Store) -> None:
    """An event whose change was rolled back does not exist, and leaves no gap."""
    with pytest.raises(ZeroDivisionError), store.transaction() as connection:
        outbox.add(connection, [event()])
        raise ZeroDivisionError
    with store.transaction() as connection:
        outbox.add(connection, [event()])
        outbox.number(connection)
        (only,) = outbox.replay(connection, "orders", 0)
    assert only.sequence == 1


def test_the_same_event_twice_is_one(store: Store) -> None:
    """A replayed step writes the same event_id, which is left as it is."""
    same = event()
    for _ in range(2):
        with store.transaction() as connection:
            outbox.add(connection, [same])
    with store.transaction() as connection:
        assert outbox.number(connection) == (1, False)


def test_message_begins_as_documented() -> None:
    """`sequence` stands third, as the interface shows it."""
    text = message(Numbered("orders", 7, {"schema": 1, "event_id": "x", "type": "ACCEPTED"}))
    assert list(json.loads(text)) == ["schema", "event_id", "sequence", "type"]
