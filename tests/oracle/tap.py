"""A consumer of the event stream that keeps every message."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from typing import Self

import redis

from tests.oracle.facts import CHANNELS, STREAMS, Message, Row
from tests.oracle.sources import QUERIES, query
from tests.oracle.words import as_message, sequence_of


class EventTap:
    """A consumer: keeps every message of the four channels, and replays what it missed.

    Between `start` and `stop`, or in a `with`, it listens. It comes back by itself when Redis goes
    away; `losses` counts how often it did.
    """

    def __init__(self, redis_url: str) -> None:
        self._url = redis_url
        self._lock = threading.Lock()
        self._messages: list[Message] = []
        self._listening = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="event-tap", daemon=True)
        self.losses = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Listen from now on. TimeoutError when Redis does not take the subscription."""
        self._thread.start()
        if not self._listening.wait(30):
            self.stop()
            raise TimeoutError("Redis did not take the subscription within 30 s")

    def stop(self) -> None:
        """Stop listening; what was heard stays."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(10)

    @property
    def messages(self) -> list[Message]:
        """What was heard so far, in the order heard, and then what was replayed."""
        with self._lock:
            return list(self._messages)

    def catch_up(self, database_url: str, *, patience: float = 5.0) -> int:
        """Replay from the table `events`, by sequence, what was not heard; returns how many.

        A message may still be on its way: before anything counts as missed, a tap that never lost
        touch waits for it up to `patience` seconds.
        """
        rows = query(database_url, {"events": QUERIES["events"]})["events"]
        numbered = [row for row in rows if row["sequence"] is not None]
        deadline = time.monotonic() + patience
        while missing := self._missing(numbered):
            waits = self._thread.is_alive() and not self.losses
            if not waits or time.monotonic() > deadline:
                break
            self._stopping.wait(0.02)
        replayed = [Message(row["stream"], as_message(row), replayed=True) for row in missing]
        with self._lock:
            self._messages += replayed
        return len(replayed)

    def _missing(self, rows: Iterable[Row]) -> list[Row]:
        heard = {
            (message.channel, sequence_of(message.text))
            for message in self.messages
            if message.channel in STREAMS
        }
        return [row for row in rows if (row["stream"], row["sequence"]) not in heard]

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._listen()
            except (redis.RedisError, OSError):
                if self._listening.is_set():
                    self.losses += 1
                    self._listening.clear()
                self._stopping.wait(0.1)

    def _listen(self) -> None:
        client = redis.Redis.from_url(self._url, decode_responses=True)
        subscription = client.pubsub()  # type: ignore[no-untyped-call]
        waiting = set(CHANNELS)
        try:
            subscription.subscribe(*CHANNELS)
            while not self._stopping.is_set():
                heard = subscription.get_message(timeout=0.1)
                if heard is None:
                    continue
                if heard["type"] == "subscribe":
                    if heard["channel"] not in waiting:
                        # The driver came back by itself, and does not say what it missed.
                        self.losses += 1
                    waiting.discard(heard["channel"])
                    if not waiting:
                        self._listening.set()
                elif heard["type"] == "message":
                    with self._lock:
                        self._messages.append(Message(heard["channel"], heard["data"]))
        finally:
            subscription.close()
            client.close()
