"""Request weights by address and unfilled orders by account, with what Binance does beyond them.

Windows are fixed: a minute begins at its second 0, ten seconds at second 0, 10, 20.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from simulators.binance.errors import ApiError
from simulators.binance.options import VenueOptions

_SECOND = 1000
_MINUTE = 60 * _SECOND
_DAY = 24 * 60 * _MINUTE
# An order that rested before it traded earns back five of the count, one that took only itself.
_MAKER_CREDIT = 5
_BANNED = 418
_LONGEST_BAN = 3 * _DAY
_RAW_WINDOW = 5 * _MINUTE
_NO_POLLING = "Please use WebSocket Streams for live updates to avoid"


@dataclass(slots=True)
class Window:
    """A count that begins anew every `length` milliseconds."""

    length: int
    began: int = 0
    count: int = 0

    def at(self, now: int) -> int:
        """The count of the window that `now` is in."""
        began = now - now % self.length
        if began != self.began:
            self.began, self.count = began, 0
        return self.count

    def add(self, now: int, amount: int) -> int:
        """Count, never below 0; gives the count."""
        self.count = max(self.at(now) + amount, 0)
        return self.count

    def seconds_left(self, now: int) -> int:
        """Whole seconds until the next window."""
        return max(1, math.ceil((self.length - now % self.length) / _SECOND))


@dataclass(slots=True)
class Address:
    """What one client address has used, and until when it is banned."""

    weight: Window = field(default_factory=lambda: Window(_MINUTE))
    raw: Window = field(default_factory=lambda: Window(_RAW_WINDOW))
    beyond: Window = field(default_factory=lambda: Window(_MINUTE))
    banned_until: int = 0
    bans: int = 0


class RateLimits:
    """Counts what is asked; `charge` and `charge_orders` say no beyond the limits."""

    def __init__(self, options: VenueOptions) -> None:
        self._options = options
        self._addresses: dict[str, Address] = {}
        self._orders = {"10S": Window(10 * _SECOND), "1D": Window(_DAY)}

    def charge(self, address: str, weight: int, now: int) -> None:
        """Count a request. ApiError -1003 beyond the limit (429), and for who goes on (418)."""
        used = self._addresses.setdefault(address, Address())
        if now < used.banned_until:
            raise self.refusal(_BANNED, (used.banned_until - now) / _SECOND, now)
        heavy = used.weight.add(now, weight) > self._options.weight_limit
        if not heavy and used.raw.add(now, 1) <= self._options.raw_limit:
            return
        if used.beyond.add(now, 1) > self._options.ban_after:
            used.bans += 1
            length = self._options.ban_seconds * 2 ** (used.bans - 1) * _SECOND
            used.banned_until = now + min(length, _LONGEST_BAN)
            raise self.refusal(_BANNED, (used.banned_until - now) / _SECOND, now)
        limit, what, window = (
            (self._options.weight_limit, "request weight per 1 MINUTE", used.weight)
            if heavy
            else (self._options.raw_limit, "requests per 5 MINUTE", used.raw)
        )
        raise ApiError(
            -1003,
            self._too_much(limit, what),
            status=429,
            headers={"Retry-After": str(window.seconds_left(now))},
        )

    def refusal(self, status: int, seconds: float, now: int) -> ApiError:
        """What somebody beyond the limit hears: too much (429), or that he is banned (418)."""
        wait = max(1, math.ceil(seconds))
        if status == _BANNED:
            words = f"Way too much request weight used; IP banned until {now + wait * _SECOND}."
            message = f"{words} {_NO_POLLING} bans."
        else:
            message = self._too_much(self._options.weight_limit, "request weight per 1 MINUTE")
        return ApiError(-1003, message, status=status, headers={"Retry-After": str(wait)})

    def charge_orders(self, count: int, now: int) -> None:
        """Count new orders. ApiError -1015 when the account may not place so many now."""
        for (name, window), limit in zip(self._orders.items(), self._order_limits(), strict=True):
            if window.at(now) + count > limit:
                interval = {"10S": "10 SECOND", "1D": "1 DAY"}[name]
                raise ApiError(
                    -1015,
                    f"Too many new orders; current limit is {limit} orders per {interval}.",
                    status=429,
                    headers={"Retry-After": str(window.seconds_left(now))},
                )
        for window in self._orders.values():
            window.add(now, count)

    def first_fill(self, now: int, *, is_maker: bool) -> None:
        """An order traded for the first time: it no longer counts as unfilled."""
        for window in self._orders.values():
            window.add(now, -(_MAKER_CREDIT if is_maker else 1))

    def weight_headers(self, address: str, now: int) -> dict[str, str]:
        """The headers of every answer."""
        used = str(self._addresses.setdefault(address, Address()).weight.at(now))
        return {"X-MBX-USED-WEIGHT": used, "X-MBX-USED-WEIGHT-1M": used}

    def order_headers(self, now: int) -> dict[str, str]:
        """The headers of the answer to a new order."""
        return {
            f"X-MBX-ORDER-COUNT-{name}": str(window.at(now))
            for name, window in self._orders.items()
        }

    def as_json(self) -> list[dict[str, object]]:
        """The entry `rateLimits` of exchangeInfo."""
        requests = [
            _entry("REQUEST_WEIGHT", "MINUTE", 1, self._options.weight_limit),
            _entry("RAW_REQUESTS", "MINUTE", 5, self._options.raw_limit),
        ]
        return [requests[0], *self._orders_json(), requests[1]]

    def order_counts(self, now: int) -> list[dict[str, object]]:
        """What rateLimit/order answers."""
        return [
            entry | {"count": window.at(now)}
            for entry, window in zip(self._orders_json(), self._orders.values(), strict=True)
        ]

    def _orders_json(self) -> list[dict[str, object]]:
        seconds, day = self._order_limits()
        return [_entry("ORDERS", "SECOND", 10, seconds), _entry("ORDERS", "DAY", 1, day)]

    def _order_limits(self) -> tuple[int, int]:
        return self._options.order_limit_10s, self._options.order_limit_day

    @staticmethod
    def _too_much(limit: int, what: str) -> str:
        words = f"Too much request weight used; current limit is {limit} {what}."
        return f"{words} {_NO_POLLING} polling the API."


def _entry(kind: str, interval: str, number: int, limit: int) -> dict[str, object]:
    return {
        "rateLimitType": kind,
        "interval": interval,
        "intervalNum": number,
        "limit": limit,
    }
