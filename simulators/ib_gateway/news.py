"""What the gateway tells its clients unasked, and in which order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from simulators.ib_gateway.messages import Message


class Topic(StrEnum):
    """What a message is about."""

    ORDER = "order"
    EXECUTION = "execution"
    COMMISSION = "commission"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class News:
    """One message about the order `order_id` of a client, sent `delay` seconds from now.

    `moved` is the account and the contract whose position an execution changed.
    """

    topic: Topic
    client_id: int
    order_id: int
    perm_id: int
    message: Message
    moved: tuple[str, int] | None = None
    delay: float = 0.0


Publish = Callable[[Sequence[News]], None]

OPEN_ORDER = 5
"""The message id of openOrder."""


def executions_first(news: Sequence[News], struck: Mapping[int, float]) -> list[News]:
    """Bring the executions of some orders before all else that is said of those orders.

    `struck` gives, by permId, how many seconds later the rest of what is said of an order follows.
    """
    first = [item for item in news if item.perm_id in struck and item.topic is Topic.EXECUTION]
    rest = [
        replace(item, delay=struck[item.perm_id]) if item.perm_id in struck else item
        for item in news
        if item.topic is not Topic.EXECUTION or item.perm_id not in struck
    ]
    return first + rest


def orders_first(news: Sequence[News], shown: Mapping[int, float]) -> list[News]:
    """Bring the openOrder that follows an execution of some orders before that execution.

    `shown` gives, by permId, how many seconds later the execution and what comes after it follow.
    """
    told: list[News] = []
    executed: set[int] = set()
    ahead: set[int] = set()
    for item in news:
        perm_id = item.perm_id
        if perm_id in shown and item.topic is Topic.EXECUTION:
            executed.add(perm_id)
        overtakes = item.message[0] == OPEN_ORDER and perm_id not in ahead
        if perm_id not in executed:
            told.append(item)
        elif overtakes:
            ahead.add(perm_id)
            told.append(item)
        else:
            told.append(replace(item, delay=shown[perm_id]))
    return told
