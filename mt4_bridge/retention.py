"""Forgets what is over, little by little, beside the work."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

_PAUSE_SECONDS = 3600.0


async def forget_regularly(forget: Callable[[], None]) -> None:
    """Call it now and every hour, until cancelled."""
    while True:
        forget()
        await asyncio.sleep(_PAUSE_SECONDS)
