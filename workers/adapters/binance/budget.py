"""The request weight and the orders that Binance allows, shared between new orders and polls.

Binance counts weight a minute for an address and orders a ten seconds for an account, in windows
that begin with the venue's own minute and ten seconds, and says in the header of each answer how
much is used, by every process together. New orders may use what polls must leave, and never wait:
an order that waits inside a library is one that nobody can take back.

Source: Binance Spot API, "Limits" (request weight, order count, 429 and 418).
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

import structlog

from execution.domain.errors import RateLimited, StoreUnavailable

MINUTE, TEN_SECONDS = 60.0, 10.0

# What polls leave to orders and cancels, and what everybody leaves to be on the safe side.
_POLLS_MAY_USE, _ALL_MAY_USE = 0.7, 0.95

_SHARED_SECONDS = 5.0
_A_MOMENT = 2.0
# When the venue does not say how long: to the next minute, or its shortest ban ("IP limits").
_WITHOUT_A_WORD = {429: 60.0, 418: 120.0}
_BANNED_UNTIL = re.compile(r"banned until (\d{13})")
_TAKEN_AT = re.compile(r'"transactTime"\s*:\s*(\d{13})\b')
_TOO_MANY_ORDERS = re.compile(r'"code"\s*:\s*-1015\b')

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


class KeptPause(Protocol):
    """Where it is kept until when the venue wants no request, for all that share its address."""

    async def left(self) -> float:
        """For how many seconds from now on. StoreUnavailable."""

    async def keep(self, seconds: float, reason: str) -> None:
        """Keep that it wants none for so long. StoreUnavailable."""


@dataclass(frozen=True, slots=True)
class Count:
    """How many unfilled orders the account had placed on a day, at a time of the venue's."""

    at: datetime
    orders: int


class Budget:
    """What may be sent now. `ahead` is how far the venue's clock is before ours, in seconds.

    `kept` is shared with other processes; without it a pause is known to this one alone. `today`
    is the count of unfilled orders that came with the last answer to a new one.
    """

    def __init__(
        self,
        *,
        weight_a_minute: int = 6000,
        orders_in_ten_seconds: int = 100,
        kept: KeptPause | None = None,
    ) -> None:
        self.ahead = 0.0
        self.today: Count | None = None
        self._kept = kept
        self._unkept: tuple[float, str] | None = None
        self._read_at = -_SHARED_SECONDS
        self._orders_shut_until = 0.0
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
        """Count a request in; polls wait for their share, what is urgent raises RateLimited.

        So do polls where the venue wants no request for longer than a moment.
        """
        await self._share()
        if _urgent.get() or self._shut_until - time.monotonic() > _A_MOMENT:
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
        if self._orders_shut_until > time.monotonic():
            raise RateLimited("the account has placed as many orders as it may for now")
        if self._orders.used() + 1 > self._orders.limit * _ALL_MAY_USE:
            raise RateLimited(f"{self._orders.used()} orders within ten seconds are the limit")
        self._orders.add(1)

    def told(self, headers: Mapping[str, str], body: str = "") -> None:
        """Take what an answer's headers say is used; `body` says when a new order was taken."""
        said = {name.lower(): value for name, value in headers.items()}
        for name, window in (
            ("x-mbx-used-weight-1m", self._weight),
            ("x-mbx-order-count-10s", self._orders),
        ):
            value = said.get(name, "")
            if value.isdigit():
                window.told(int(value))
        orders = said.get("x-mbx-order-count-1d", "")
        taken = _TAKEN_AT.search(body)
        if orders.isdigit() and taken is not None:
            at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=int(taken[1]))
            self.today = Count(at, int(orders))

    def limited(self, status: int, headers: Mapping[str, str], body: str) -> None:
        """The venue has refused a request for its rate (429, 418): nothing more before it says.

        It says so in Retry-After, in seconds, or in words: "IP banned until", in milliseconds.
        Beyond the rate of orders (-1015) only orders wait, until the next ten seconds ("Unfilled
        order count": "you will receive a 429 error without the Retry-After header").
        """
        if _TOO_MANY_ORDERS.search(body):
            self._orders_shut_until = time.monotonic() + self._orders.left()
            return
        said = {name.lower(): value for name, value in headers.items()}.get("retry-after", "")
        banned = _BANNED_UNTIL.search(body)
        waits = [
            *([float(said)] if said.isdigit() else []),
            *([int(banned[1]) / 1000 - self._now()] if banned else []),
        ]
        self.shut(max(waits, default=_WITHOUT_A_WORD[status]), f"HTTP {status}")

    def shut(self, seconds: float, reason: str = "") -> None:
        """The venue wants no request for so long."""
        until = time.monotonic() + seconds
        if until > self._shut_until:
            self._shut_until = until
            self._unkept = (until, reason)

    async def settle(self) -> None:
        """Keep what the venue has said of a pause, for everybody; once more later if it fails."""
        if self._kept is None or self._unkept is None:
            return
        until, reason = self._unkept
        try:
            await self._kept.keep(max(until - time.monotonic(), 0.0), reason)
        except StoreUnavailable as error:
            structlog.get_logger().warning("pause of a venue not kept yet", error=str(error))
            return
        if self._unkept == (until, reason):
            self._unkept = None

    async def _share(self) -> None:
        """Hear now and then what others were told; a restart begins with it."""
        now = time.monotonic()
        if self._kept is None or now - self._read_at < _SHARED_SECONDS:
            return
        self._read_at = now
        await self.settle()
        try:
            left = await self._kept.left()
        except StoreUnavailable:
            return
        self._shut_until = max(self._shut_until, now + left)

    def _check_open(self) -> None:
        left = self._shut_until - time.monotonic()
        if left > 0:
            raise RateLimited(f"the venue wants no request for another {left:.0f} s", wait=left)

    def _pause(self, weight: int) -> float:
        left = self._shut_until - time.monotonic()
        if left > 0:
            return left
        full = self._weight.used() + weight > self._weight.limit * _POLLS_MAY_USE
        return self._weight.left() + 0.01 if full and self._weight.used() else 0.0
