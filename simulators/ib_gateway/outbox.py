"""What goes out to one client, and what a fault keeps back of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from simulators.ib_gateway.messages import Message
from simulators.ib_gateway.wire import frame

# Client id and order id: whose order a message is about.
Key = tuple[int, int]
Said = list[tuple[Key | None, bytes]]


class Outbox:
    """Frames on their way to a client, in order, unless they are about an order that is held."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write
        self._held: dict[Key, list[bytes]] = {}
        self._silenced: set[Key] = set()
        self._captured: Said | None = None

    def send(self, message: Message, key: Key | None = None) -> None:
        """Send a message; `key` names the order that it is about."""
        if key in self._silenced:
            return
        data = frame(message)
        if self._captured is not None:
            self._captured.append((key, data))
        else:
            self._pass(key, data)

    def silent_about(self, key: Key) -> bool:
        """True when this client is to hear nothing of an order."""
        return key in self._silenced

    @contextmanager
    def capture(self) -> Iterator[Said]:
        """Keep what is sent meanwhile; the caller delivers it, or does not."""
        before, self._captured = self._captured, []
        try:
            yield self._captured
        finally:
            self._captured = before

    def deliver(self, said: Said) -> None:
        """Send what was captured."""
        for key, data in said:
            if key not in self._silenced:
                self._pass(key, data)

    def silence(self, key: Key) -> None:
        """Never say a word about an order."""
        self._silenced.add(key)

    def hold(self, key: Key) -> None:
        """Keep back all that is said about an order, until it is let go."""
        self._held.setdefault(key, [])

    def let_go(self, key: Key) -> None:
        """Say what was kept back about an order."""
        for data in self._held.pop(key, []):
            self._write(data)

    def _pass(self, key: Key | None, data: bytes) -> None:
        if key is not None and key in self._held:
            self._held[key].append(data)
        else:
            self._write(data)
