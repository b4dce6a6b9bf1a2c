"""The matching engine's time: it stands still while one request is processed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


class EngineClock:
    """Milliseconds since 1970. What one request does, an order and its trades, has one time."""

    def __init__(self, true: Callable[[], int]) -> None:
        self._true = true
        self._stands_at: int | None = None

    def __call__(self) -> int:
        """The time now, or when the clock was stopped."""
        return self._true() if self._stands_at is None else self._stands_at

    @contextmanager
    def standing(self) -> Iterator[None]:
        """Let the clock stand for a while; nothing may be awaited meanwhile."""
        self._stands_at = self._true()
        try:
            yield
        finally:
            self._stands_at = None
