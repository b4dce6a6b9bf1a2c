"""Room for messages: never more than fit, orders before questions, and no order kept waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from execution.domain.errors import RateLimited
from workers.adapters.ibkr.limiter import A_SECOND, QUESTIONS, Limiter


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of the limiter's sleeps."""
    clock = Clock()
    monkeypatch.setattr("workers.adapters.ibkr.limiter.asyncio.sleep", clock.sleep)
    return clock


def sent_at(clock: Clock, count: int, send: Callable[[Limiter], Awaitable[None]]) -> list[float]:
    """When each of several messages goes out, one after the other."""

    async def run() -> list[float]:
        limits, times = Limiter(clock), []
        for _ in range(count):
            await send(limits)
            times.append(clock.now)
        return times

    return asyncio.run(run())


def test_never_more_than_fit_into_a_second(clock: Clock) -> None:
    """In any second, whatever it begins with."""
    times = sent_at(clock, 3 * A_SECOND, lambda limits: limits.order(60))
    for at in times:
        assert sum(at <= other < at + 1 for other in times) <= A_SECOND
    assert times[-1] == 102


def test_questions_leave_room_for_orders(clock: Clock) -> None:
    """After as many questions as may be, orders still go out at once."""
    times = sent_at(clock, QUESTIONS + 1, lambda limits: limits.question())
    assert (times[QUESTIONS - 1], times[QUESTIONS]) == (100, 101)

    async def run() -> float:
        limits = Limiter(clock)
        for _ in range(QUESTIONS):
            await limits.question()
        began = clock.now
        for _ in range(A_SECOND - QUESTIONS):
            await limits.order(0)
        return clock.now - began

    assert asyncio.run(run()) == 0


def test_an_order_that_cannot_go_in_time_does_not_go(clock: Clock) -> None:
    """RateLimited at once, not after its patience; it takes no room from others."""

    async def run() -> None:
        limits = Limiter(clock)
        for _ in range(A_SECOND):
            await limits.order(0)
        with pytest.raises(RateLimited):
            await limits.order(0.9)
        assert clock.now == 100
        await limits.order(1.0)
        assert clock.now == 101

    asyncio.run(run())
