"""The request weight and the orders that Binance allows, shared between new orders and polls.

Binance counts weight a minute for an address and orders a ten seconds for an account, in windows
that begin with the venue's own minute and ten seconds, and says in the header of each answer how
much is used, by every process together. New orders may use what polls must leave, and never wait:
an order that waits inside a library is one that nobody can take back.

Source: Binance Spot API, "Limits" (request weight, order count, 429 and 418).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

from execution.domain.errors import RateLimited

MINUTE, TEN_SECONDS = 60.0, 10.0

# What polls leave to orders and cancels, and what everybody leaves to be on the safe side.
_POLLS_MAY_USE, _ALL_MAY_USE = 0.7, 0.95

_urgent: ContextVar[bool] = ContextVar("urgent", default=False)


@contextmanager
def urgent() -> Iterator[None]:
    """Requests made within are a person's or a strategy's own: before polls, or not at all."""
    token = _urgent.set(True)
    try:
        yield
    finally:
        _urgent.reset(token)


class _Window:
    """How much of a limit is used in the window that now lies in."""

    def __init__(self, seconds: float, limit: int, clock: Callable[[], float]) -> None:
        self.seconds = seconds
        self.limit = limit
        self._clock = clock
        self._number = -1
        self._used = 0

    def used(self) -> int:
        number = int(self._clock() // self.seconds)
        if number != self._number:
            self._number, self._used = number, 0
        return self._used

    def add(self, weight: int) -> None:
        self._used = self.used() + weight

    def told(self, used: int) -> None:
        """What the venue counts; requests under way may not be in it yet."""
        self._used = max(self.used(), used)

    def left(self) -> float:
        """Seconds until the next window."""
        return self.seconds - self._clock() % self.seconds


class Budget:
    """What may be sent now. `ahead` is how far the venue's clock is before ours, in seconds."""

    def __init__(self, *, weight_a_minute: int = 6000, orders_in_ten_seconds: int = 100) -> None:
        self.ahead = 0.0
        self._weight = _Window(MINUTE, weight_a_minute, self._now)
        self._orders = _Window(TEN_SECONDS, orders_in_ten_seconds, self._now)
        self._shut_until = 0.0

    def _now(self) -> float:
        return time.time() + self.ahead

    def limits(self, weight_a_minute: int | None, orders_in_ten_seconds: int | None) -> None:
        """Use the venue's own limits."""
        self._weight.limit = weight_a_minute or self._weight.limit
        self._orders.limit = orders_in_ten_seconds or self._orders.limit

    async def take(self, weight: int) -> None:
        """Count a request in; polls wait for their share, what is urgent raises RateLimited."""
        if _urgent.get():
            self._check_open()
            if self._weight.used() + weight > self._weight.limit * _ALL_MAY_USE:
                raise RateLimited(f"the weight of this minute is used up ({self._weight.used()})")
        else:
            while (pause := self._pause(weight)) > 0:  # noqa: ASYNC110 - only time passes here
                await asyncio.sleep(pause)
        self._weight.add(weight)

    def take_order(self) -> None:
        """Count an order in. Raises RateLimited: it may be sent in a while."""
        self._check_open()
        if self._orders.used() + 1 > self._orders.limit * _ALL_MAY_USE:
            raise RateLimited(f"{self._orders.used()} orders within ten seconds are the limit")
        self._orders.add(1)

    def told(self, headers: Mapping[str, str]) -> None:
        """Take what an answer's headers say is used."""
        said = {name.lower(): value for name, value in headers.items()}
        for name, window in (
            ("x-mbx-used-weight-1m", self._weight),
            ("x-mbx-order-count-10s", self._orders),
        ):
            value = said.get(name, "")
            if value.isdigit():
                window.told(int(value))

    def shut(self, seconds: float) -> None:
        """The venue has refused a request for its rate: nothing more before that."""
        self._shut_until = max(self._shut_until, time.monotonic() + seconds)

    def _check_open(self) -> None:
        left = self._shut_until - time.monotonic()
        if left > 0:
            raise RateLimited(f"the venue wants no request for another {left:.0f} s")

    def _pause(self, weight: int) -> float:
        left = self._shut_until - time.monotonic()
        if left > 0:
            return left
        full = self._weight.used() + weight > self._weight.limit * _POLLS_MAY_USE
        return self._weight.left() + 0.01 if full and self._weight.used() else 0.0
