"""What all steps share: how a chain goes on, ends early or turns to another queue."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import structlog
from celery import Task

from execution.domain.errors import EventsUnavailable, StoreUnavailable
from execution.domain.lifecycle import Step
from execution.domain.orders import Order
from execution.domain.vocabulary import BrokerName
from execution.faultpoints import reach, within
from execution.store.loading import load
from workers import in_place
from workers.chains import links_from
from workers.context import context


class StepTask(Task):  # type: ignore[type-arg]
    """Base of every step.

    A step that finds PostgreSQL away is sent again, with growing pauses, until it is back;
    whatever else goes wrong ends this message, and recovery sends the step again when it is due.
    """

    abstract = True
    Request = "workers.in_place:StepRequest"
    autoretry_for: tuple[type[Exception], ...] = (StoreUnavailable, EventsUnavailable)
    max_retries = None
    retry_backoff = 1
    retry_backoff_max = 15
    retry_jitter = True
    ignore_result = True

    def __call__(self, /, *arguments: Any, **named: Any) -> Any:
        """Run the step among its fault points."""
        short = self.name.removeprefix("tasks.")
        key = arguments[0] if arguments else ""
        with within(short, key):
            reach(f"{short}:begin", key)
            result = self.run(*arguments, **named)  # the base would hide this request from `run`
            reach(f"{short}:end", key)
        return result

    @property
    def handed(self) -> Order | None:
        """The order as the step before left it, if that ran in this very process."""
        found: Order | None = getattr(self.request, "handed", None)
        return found

    def on_latest(self, order_id: str, act: Callable[[Order], bool]) -> None:
        """Let `act` do the step with the order as the step before left it, else as it is read now.

        `act` returns False, having done nothing, when somebody has changed the order meanwhile or
        the step is not due: then the chain ends, and what is due is found by recovery.
        """
        handed = self.handed
        if handed is not None and act(handed):
            return
        with context().store.direct() as link:
            order = load(link, UUID(order_id))
        if order is None or not act(order):
            self.end_chain()

    def end_chain(self) -> None:
        """Let this be the last link: the rest is not due, or somebody else does it."""
        self.request.chain = None
        context().publisher.soon()

    def go_on(
        self, order_id: UUID, following: Step, broker: BrokerName, handed: Order | None = None
    ) -> None:
        """Let the next step run, on the queue of the broker that the order has now.

        `handed` is the order as this step has written it, for the case that the next runs here.
        """
        links = self._links(order_id, following, broker)
        if in_place.possible(self.app, self.request.id, links[-1]["options"]["queue"]):
            self.request.chain = None
            in_place.leave(links, handed)
        else:
            self.request.chain = links  # type: ignore[assignment]  # a list, despite the stubs
            context().publisher.soon()

    def _links(self, order_id: UUID, following: Step, broker: BrokerName) -> list[Any]:
        """The rest of the chain; made anew where it was meant for another broker's queue."""
        links: list[Any] = list(self.request.chain or [])
        if not links or not _is_of(links[-1]["options"].get("queue"), following, broker):
            return links_from(order_id, following, broker)
        return links


def _is_of(queue: str | None, following: Step, broker: BrokerName) -> bool:
    """Whether a step may run on a queue: its broker's, or a control queue of that broker."""
    of_all = following.queue(broker)
    return queue is not None and (queue == of_all or queue.startswith(f"{of_all}."))


def publish_quietly() -> None:
    """Publish what is committed; what cannot go out now goes out with the next or by recovery."""
    try:
        context().publisher.flush()
    except (EventsUnavailable, StoreUnavailable) as error:
        structlog.get_logger().warning("events not published yet", error=str(error))
