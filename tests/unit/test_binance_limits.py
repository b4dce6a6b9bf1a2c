"""The simulated Binance's request weights, bans, and counts of unfilled orders."""

from __future__ import annotations

import pytest

from simulators.binance.errors import ApiError
from simulators.binance.limits import RateLimits
from simulators.binance.options import VenueOptions

NOON = 1_700_000_040_000
OPTIONS = VenueOptions(
    weight_limit=100, order_limit_10s=5, order_limit_day=12, ban_after=2, ban_seconds=60
)


def _refused(limits: RateLimits, weight: int, now: int) -> tuple[int, int, str]:
    with pytest.raises(ApiError) as error:
        limits.charge("here", weight, now)
    return error.value.status, error.value.code, error.value.headers["Retry-After"]


def test_weight() -> None:
    """Weights add up within a minute, per address, and begin anew with the next."""
    limits = RateLimits(OPTIONS)
    limits.charge("here", 60, NOON)
    limits.charge("here", 40, NOON + 10_000)
    assert limits.weight_headers("here", NOON + 10_000)["X-MBX-USED-WEIGHT-1M"] == "100"
    assert _refused(limits, 1, NOON + 50_500) == (429, -1003, "10")
    limits.charge("there", 100, NOON + 50_500)
    limits.charge("here", 100, NOON + 60_000)


def test_ban() -> None:
    """Who goes on after a 429 is banned, and the next time for twice as long."""
    limits = RateLimits(OPTIONS)
    limits.charge("here", 100, NOON)
    statuses = [_refused(limits, 1, NOON)[0] for _ in range(3)]
    assert statuses == [429, 429, 418]
    assert _refused(limits, 1, NOON + 59_000) == (418, -1003, "1")
    limits.charge("here", 100, NOON + 60_000)
    again = [_refused(limits, 1, NOON + 60_000) for _ in range(3)]
    assert [(status, wait) for status, _, wait in again] == [(429, "60"), (429, "60"), (418, "120")]


def test_raw_requests() -> None:
    """Requests are counted by number, too."""
    limits = RateLimits(VenueOptions(raw_limit=2))
    limits.charge("here", 1, NOON)
    limits.charge("here", 1, NOON)
    status, code, _ = _refused(limits, 1, NOON)
    assert (status, code) == (429, -1003)


def test_order_count() -> None:
    """Unfilled orders are limited per ten seconds and per day; a refused one is not counted."""
    limits = RateLimits(OPTIONS)
    limits.charge_orders(3, NOON)
    with pytest.raises(ApiError, match="current limit is 5 orders per 10 SECOND") as error:
        limits.charge_orders(3, NOON + 9_999)
    assert (error.value.status, error.value.code) == (429, -1015)
    assert limits.order_headers(NOON + 9_999) == {
        "X-MBX-ORDER-COUNT-10S": "3",
        "X-MBX-ORDER-COUNT-1D": "3",
    }
    limits.charge_orders(5, NOON + 10_000)
    with pytest.raises(ApiError, match="current limit is 12 orders per 1 DAY"):
        limits.charge_orders(5, NOON + 20_000)


def test_filled_orders_do_not_count() -> None:
    """The first fill takes an order out of the count: one as a taker, five as a maker."""
    limits = RateLimits(OPTIONS)
    limits.charge_orders(5, NOON)
    limits.first_fill(NOON, is_maker=False)
    assert [entry["count"] for entry in limits.order_counts(NOON)] == [4, 4]
    limits.first_fill(NOON, is_maker=True)
    assert [entry["count"] for entry in limits.order_counts(NOON)] == [0, 0]


def test_published() -> None:
    """What exchangeInfo says of the limits is what holds."""
    published = {
        (entry["rateLimitType"], entry["interval"]): entry["limit"]
        for entry in RateLimits(OPTIONS).as_json()
    }
    assert published == {
        ("REQUEST_WEIGHT", "MINUTE"): 100,
        ("ORDERS", "SECOND"): 5,
        ("ORDERS", "DAY"): 12,
        ("RAW_REQUESTS", "MINUTE"): 61_000,
    }
