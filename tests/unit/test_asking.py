"""Questions to a venue: an answer in time, and no cancellation that gets lost."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta

import pytest

from execution.domain.errors import BrokerUnavailable
from workers.reconciling import ask

LONG = timedelta(seconds=60)


def test_no_answer_in_time() -> None:
    """Is an answer, too: the venue is away."""
    with pytest.raises(BrokerUnavailable, match="no answer within 0 s"):
        asyncio.run(ask(asyncio.sleep(60), timedelta(milliseconds=10)))


@pytest.mark.parametrize("turns", range(6))
def test_a_cancellation_is_not_lost(turns: int) -> None:
    """Whoever asks again and again can be ended, in the very turn in which the venue fails, too.

    A session ends all of its tasks when one of them finds the venue gone, and the others mostly
    find the same at that moment. One that went on would keep the session from connecting anew.
    """

    async def main() -> None:
        gone = asyncio.Event()

        async def question() -> None:
            await gone.wait()
            raise BrokerUnavailable("gone")

        async def again_and_again() -> None:
            while True:
                with suppress(BrokerUnavailable):
                    await ask(question(), LONG)
                await asyncio.sleep(60)

        task = asyncio.create_task(again_and_again())
        for _ in range(5):
            await asyncio.sleep(0)
        gone.set()
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task], timeout=5)
        assert task.cancelled()

    asyncio.run(main())
