"""Orders go before polls, nothing urgent waits, and the venue's own count is believed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from execution.domain.errors import RateLimited
from workers.adapters.binance.budget import Budget, urgent


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """A clock that only the test moves, at the beginning of a minute."""
    now = [1_700_000_040.0]
    monkeypatch.setattr("workers.adapters.binance.budget.time.time", lambda: now[0])

    def move(seconds: float) -> None:
        now[0] += seconds

    return move


def waits(budget: Budget, weight: int) -> bool:
    """Whether a poll of that weight would have to wait."""

    async def ask() -> bool:
        try:
            async with asyncio.timeout(0):
                await budget.take(weight)
        except TimeoutError:
            return True
        return False

    return asyncio.run(ask())


def refused(budget: Budget, weight: int) -> bool:
    """Whether something urgent of that weight is not let out."""

    async def ask() -> bool:
        try:
            with urgent():
                await budget.take(weight)
        except RateLimited:
            return True
        return False

    return asyncio.run(ask())


def test_polls_leave_a_share_to_orders(clock: Callable[[float], None]) -> None:
    """Polls stop at 70 % of the minute, orders at 95 %; the next minute is a new one."""
    budget = Budget(weight_a_minute=100)
    assert not waits(budget, 70)
    assert waits(budget, 1)
    assert not refused(budget, 25)
    assert refused(budget, 1)
    clock(60)
    assert not waits(budget, 70)


def test_what_the_venue_counts_counts(clock: Callable[[float], None]) -> None:
    """Other workers share the address: the header says what all have used."""
    budget = Budget(weight_a_minute=100)
    budget.told({"X-MBX-USED-WEIGHT-1M": "69", "x-mbx-order-count-10s": "94"})
    assert waits(budget, 2)
    assert not refused(budget, 2)
    budget.take_order()
    with pytest.raises(RateLimited):
        budget.take_order()
    clock(10)
    budget.take_order()


def test_a_poll_larger_than_its_share_goes_alone(clock: Callable[[float], None]) -> None:
    """Or it would wait for ever."""
    budget = Budget(weight_a_minute=100)
    assert not waits(budget, 80)
    assert waits(budget, 80)
    clock(60)
    assert not waits(budget, 80)


def test_shut_means_shut(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a 429 nothing leaves until its time is over; everybody hears so at once."""
    now = [1000.0]
    monkeypatch.setattr("workers.adapters.binance.budget.time.monotonic", lambda: now[0])
    budget = Budget()
    budget.shut(30)
    with pytest.raises(RateLimited, match="another 30 s") as poll:
        waits(budget, 1)
    assert poll.value.wait == 30
    assert refused(budget, 1)
    with pytest.raises(RateLimited, match="another 30 s"):
        budget.take_order()
    now[0] += 30
    assert not waits(budget, 1)
    assert not refused(budget, 1)
    budget.take_order()


def test_the_limits_are_the_venue_s_own() -> None:
    """What it does not tell stays as it was."""
    budget = Budget(weight_a_minute=100, orders_in_ten_seconds=1)
    budget.limits(None, 1000)
    for _ in range(900):
        budget.take_order()
    assert refused(budget, 96)


BANNED = """{"code":-1003,"msg":"Way too much request weight used; IP banned until %d. Please use
WebSocket Streams for live updates to avoid bans."}"""


@pytest.mark.parametrize(
    ("status", "headers", "body", "seconds"),
    [
        (429, {"Retry-After": "7"}, "{}", 7),
        (418, {"retry-after": "90"}, BANNED % 1_790_000_500_000, 500),
        (418, {}, BANNED % 1_790_000_500_000, 500),
        (418, {"Retry-After": "900"}, BANNED % 1_790_000_500_000, 900),
        (418, {}, "<html>", 120),
        (429, {"Retry-After": "soon"}, "{}", 60),
    ],
)
def test_how_long_the_venue_wants_no_request(
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    headers: dict[str, str],
    body: str,
    seconds: float,
) -> None:
    """By Retry-After or the time in -1003, whichever is later; by its venue's clock."""
    monkeypatch.setattr("workers.adapters.binance.budget.time.time", lambda: 1_789_999_990.0)
    budget = Budget()
    budget.ahead = 10.0
    budget.limited(status, headers, body)
    with pytest.raises(RateLimited) as refusal:
        waits(budget, 1)
    assert refusal.value.wait == pytest.approx(seconds, abs=1)


def test_too_many_orders_stop_orders_alone() -> None:
    """-1015 comes with 429 and without Retry-After: questions go on."""
    budget = Budget()
    budget.limited(429, {}, '{"code":-1015,"msg":"Too many new orders."}')
    assert not waits(budget, 1)
    with pytest.raises(RateLimited, match="orders"):
        budget.take_order()


class Shelf:
    """Keeps a pause as the database does."""

    def __init__(self) -> None:
        self.seconds = 0.0

    async def left(self) -> float:
        return self.seconds

    async def keep(self, seconds: float, reason: str) -> None:
        assert reason
        self.seconds = seconds


def test_a_ban_is_everybody_s() -> None:
    """Another process, or the same one started again, asks nothing before it is over."""
    shelf = Shelf()

    async def banned_and_started_again() -> None:
        budget = Budget(kept=shelf)
        budget.limited(418, {"Retry-After": "3600"}, "")
        await budget.settle()
        with pytest.raises(RateLimited) as refusal:
            await Budget(kept=shelf).take(1)
        assert refusal.value.wait > 3500

    asyncio.run(banned_and_started_again())
    assert shelf.seconds > 3500
