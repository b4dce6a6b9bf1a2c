"""A group's orders as requests, and their messages: recorded together, sent at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol
from uuid import UUID

import structlog

from execution.arbitrage.plan import STRATEGY, Plan
from execution.domain.arbitrage.groups import Purpose, Role
from execution.domain.arbitrage.permission import ShortSpot
from execution.domain.decimals import plain
from execution.domain.vocabulary import ExecutionMode, OnFailure
from execution.faultpoints import reach
from execution.intake import Intake
from execution.store.groups import Placed
from execution.store.statements import Link


class Messages(Protocol):
    """Sends messages to the queues; what is lost of them recovery sends again."""

    def order(self, order_id: UUID) -> None:
        """Let an accepted request go its way."""

    def cancel(self, client_order_id: str, cancel_id: str) -> None:
        """Let a recorded cancel be carried out."""


def record(
    link: Link, intake: Intake, plan: Plan, mode: ExecutionMode, placed: Iterable[Placed]
) -> list[UUID]:
    """Record orders of a group as requests, in the caller's transaction; their order ids.

    `plan` is for the group's pair, `mode` what it trades in.
    """
    found = []
    for one in placed:
        receipt = intake.record_within(link, _payload(plan, mode, one))
        assert receipt.order_id is not None  # noqa: S101 - an accepted request has one
        found.append(receipt.order_id)
    return found


def _payload(plan: Plan, mode: ExecutionMode, placed: Placed) -> dict[str, Any]:
    """An order at the market. What opens is refused where it cannot go; what reduces waits."""
    pair, spot = plan.pair, placed.leg is not Role.TRUST
    payload: dict[str, Any] = {
        "client_order_id": placed.client_order_id,
        "symbol": pair.spot if spot else pair.trust,
        "side": placed.side.value,
        "quantity": plain(placed.quantity),
        "strategy": STRATEGY,
        "on_failure": OnFailure.REJECT.value,
    }
    if placed.purpose is Purpose.REDUCING:
        payload["on_failure"] = OnFailure.WAIT.value
        # Coins of an inventory are in no position of ours, nor are the fees taken from it: what
        # the group still holds of them need not fit into the account's position.
        of_inventory = spot and plan.bounds.short_spot is ShortSpot.INVENTORY
        payload["reduce_only"] = not of_inventory
    if mode is ExecutionMode.PAPER:
        payload["execution_mode"] = mode.value
    return payload


def send(messages: Messages, orders: Sequence[UUID], point: str) -> None:
    """Send the messages of committed orders, all at once. Never raises: recovery sends the rest."""
    if orders:
        asyncio.run(_all_at_once([_one(messages, order, point) for order in orders]))


def _one(messages: Messages, order_id: UUID, point: str) -> Callable[[], None]:
    def go() -> None:
        messages.order(order_id)
        reach(f"nav:{point}:one_sent")

    return go


async def _all_at_once(calls: Sequence[Callable[[], None]]) -> None:
    answers = await asyncio.gather(
        *(asyncio.to_thread(call) for call in calls), return_exceptions=True
    )
    for answer in answers:
        if isinstance(answer, Exception):
            structlog.get_logger().warning("wake-up not sent, recovery will", error=str(answer))
