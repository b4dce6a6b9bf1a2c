"""Task events for monitors, sent in bundles: Flower takes them as well a tenth of a second later.

Celery gathers events only until its loop turns, so that nearly each one is published alone, which
costs more than some steps do.
"""

from __future__ import annotations

from typing import Any

from celery.app.events import Events as CeleryEvents
from celery.events.dispatcher import EventDispatcher
from celery.worker.consumer import Consumer as CeleryConsumer
from kombu.asynchronous import set_event_loop
from vine import promise

LINGER = 0.1
"""Seconds from an event to its sending, at most, while nothing else is the matter."""
MOST = 500
"""Events that are sent at once, however soon."""


class Dispatcher(EventDispatcher):
    """Gathers more than Celery's 24."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.buffer_limit = MOST


class Events(CeleryEvents):
    """What the application's `events` names."""

    dispatcher_cls = "workers.task_events:Dispatcher"


class Consumer(CeleryConsumer):
    """Sends gathered events after a moment, not as soon as the loop turns."""

    hub: Any
    event_dispatcher: Any

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._due = False
        # Workers do not talk with each other: another's word would be taken for what is revoked.
        options |= {"without_mingle": True, "without_gossip": True}
        super().__init__(*arguments, **options)
        self._linger_promise = promise(self._linger)

    def register_with_event_loop(self, hub: Any) -> None:
        """Celery resets the hub after a lost connection, and kombu forgets it then."""
        set_event_loop(hub)
        super().register_with_event_loop(hub)

    def on_send_event_buffered(self) -> None:  # type: ignore[override]
        """Called for each event, from any thread: only the loop's own thread may set a timer."""
        if self.hub and not self._due:
            self._due = True
            self.hub.call_soon(self._linger_promise)

    def _linger(self) -> None:
        self.hub.call_later(LINGER, self._send)

    def _send(self) -> None:
        self._due = False
        if self.event_dispatcher:
            self.event_dispatcher.flush()
