"""The eight steps of an order, in order, and where each runs."""

from __future__ import annotations

from enum import IntEnum

from execution.domain.vocabulary import BrokerName

INTAKE_QUEUE = "orders"


def control_queue(broker: BrokerName, channel: int | None) -> str:
    """Where the worker of a channel is told what only it can do: `ibkr.2`; without one `ibkr`."""
    return broker.queue if channel is None else f"{broker.queue}.{channel}"


class Step(IntEnum):
    """A step's value is its number; an order's `step` is the last one completed (0: none yet)."""

    CREATE_ORDER = 1
    PERSIST_ORDER = 2
    CONNECT_GATEWAY = 3
    SUBMIT_ORDER = 4
    AWAIT_FILL = 5
    PERSIST_FILL = 6
    UPDATE_POSITIONS = 7
    PUBLISH_FILL_EVENT = 8

    @classmethod
    def after(cls, step: int, *, at_rest: bool) -> Step:
        """The step that goes on with an order whose last completed step is `step`.

        `at_rest` is True for one that is over or has executions to apply: step 5 looks after it,
        unless it is on its way from there to step 8.
        """
        if cls.AWAIT_FILL <= step <= cls.UPDATE_POSITIONS:
            return cls(step + 1)
        return cls.AWAIT_FILL if at_rest else cls(step + 1)

    @property
    def label(self) -> str:
        """The step's name in tables and events, which is also its task's: `create_order`."""
        return self.name.lower()

    @property
    def task(self) -> str:
        """The Celery task's name."""
        return f"tasks.{self.label}"

    def queue(self, broker: BrokerName, channel: int | None = None) -> str:
        """The queue a step runs on: the first two need no broker, the rest its own worker.

        What only one of its workers can do, that of a `channel`, runs on that one's control queue.
        """
        return INTAKE_QUEUE if self <= Step.PERSIST_ORDER else control_queue(broker, channel)
