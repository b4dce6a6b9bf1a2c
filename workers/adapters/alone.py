"""One order that its venue tells nothing of must not end the watch of all others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from execution.domain.errors import BrokerError, CredentialsRefused

T = TypeVar("T")


async def of_one(
    answer: Awaitable[T], health_check: Callable[[], Awaitable[None]], venue_order_id: str
) -> T | None:
    """The answer to a question about one order; None where the venue answers others, not this.

    Raises what `health_check` does (BrokerUnavailable) where it answers nothing.
    """
    try:
        return await answer
    except CredentialsRefused:
        raise
    except BrokerError as error:
        await health_check()
        structlog.get_logger().warning(
            "nothing is told of one order", venue_order_id=venue_order_id, error=str(error)
        )
        return None
