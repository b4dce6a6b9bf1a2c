"""A failing question about one order must not end the watch of all others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from execution.domain.errors import AccessRefused, BrokerError

T = TypeVar("T")


async def of_one(
    answer: Awaitable[T], health_check: Callable[[], Awaitable[None]], venue_order_id: str
) -> T | None:
    """The answer to a question about one order; None if only this question fails.

    Raises what `health_check` raises (BrokerUnavailable) if the venue itself does not answer.
    """
    try:
        return await answer
    except AccessRefused:
        raise
    except BrokerError as error:
        await health_check()
        structlog.get_logger().warning(
            "no answer about one order", venue_order_id=venue_order_id, error=str(error)
        )
        return None
