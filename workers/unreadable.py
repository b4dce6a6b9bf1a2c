"""Raises an alert for each message of a venue that may hold an execution and cannot be read."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from execution.domain.errors import StoreUnavailable
from execution.domain.ports import Broker, ReportsUnreadable
from execution.domain.reports import Unreadable
from execution.domain.vocabulary import BrokerName
from execution.store import alerts
from workers.context import Context

_EVERY = 1.0


async def feed(context: Context, broker: BrokerName, adapter: Broker) -> None:
    """Raise them as they come, for as long as the session serves; none waits for the next."""
    if not isinstance(adapter, ReportsUnreadable):
        return
    waiting: list[Unreadable] = []
    while True:
        waiting += adapter.unreadable()
        if waiting:
            try:
                await asyncio.to_thread(_raise, context, broker, waiting)
                waiting = []
            except StoreUnavailable as error:
                log = structlog.get_logger()
                log.warning("unreadable message not recorded yet", error=str(error))
        await asyncio.sleep(_EVERY)


def _raise(context: Context, broker: BrokerName, found: Sequence[Unreadable]) -> None:
    with context.store.transaction() as connection:
        for message in found:
            alerts.alert(
                connection,
                alerts.UNREADABLE_MESSAGE,
                f"{broker}:{message.key}",
                f"{broker}: a message that may hold an execution could not be read, and is asked "
                f"for again: {message.text} ({message.why})",
                broker=broker,
            )
