"""What all steps share: how a chain goes on, ends early or turns to another queue."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import structlog
from celery import Task

from execution.domain.errors import EventsUnavailable, StoreUnavailable
from execution.domain.lifecycle import Step
from execution.domain.vocabulary import BrokerName
from execution.faultpoints import reach
from workers.chains import send_from
from workers.context import context


class StepTask(Task):  # type: ignore[type-arg]
    """Base of every step.

    A step that finds PostgreSQL away is sent again, with growing pauses, until it is back;
    whatever else goes wrong ends this message, and recovery sends the step again when it is due.
    """

    abstract = True
    Strategy = "workers.strategy:guarded"
    autoretry_for = (StoreUnavailable, EventsUnavailable)
    max_retries = None
    retry_backoff = 1
    retry_backoff_max = 15
    retry_jitter = True
    ignore_result = True

    def __call__(self, /, *arguments: Any, **named: Any) -> Any:
        """Run the step between its two fault points."""
        short = self.name.removeprefix("tasks.")
        key = arguments[0] if arguments else ""
        reach(f"{short}:begin", key)
        result = self.run(*arguments, **named)  # the base would hide this request from `run`
        reach(f"{short}:end", key)
        return result

    def end_chain(self) -> None:
        """Let this be the last link: the rest is not due, or somebody else does it."""
        self.request.chain = None
        publish_quietly()

    def go_on(self, order_id: UUID, done: Step, broker: BrokerName) -> None:
        """Let the next step run, on the queue of the broker that the order has now."""
        following = Step(done + 1)
        rest: list[Any] = list(self.request.chain or [])
        if not rest or rest[-1]["options"].get("queue") != following.queue(broker):
            self.request.chain = None
            send_from(self.app, order_id, following, broker)


def publish_quietly() -> None:
    """Publish what is committed; what cannot go out now goes out with the next or by recovery."""
    try:
        context().publisher.drain()
    except (EventsUnavailable, StoreUnavailable) as error:
        structlog.get_logger().warning("events not published yet", error=str(error))
