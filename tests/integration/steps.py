"""Steps 5 to 8 of an order in this process, one transaction at a time, in any order.

The tasks and the store are the real ones. In the place of Celery there is a list of messages, which
a test delivers, doubles or loses; in the place of a venue there is one that fills and ends an order
when it is told to, and whose word may be lost as well. `Desk.between` is called before each
transaction of a step, when none is open: what it does there came in between.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from types import ModuleType, SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
import redis
from sqlalchemy import event, text

from execution.domain.capabilities import CAPABILITIES
from execution.domain.errors import OutcomeUnknown
from execution.domain.lifecycle import Step
from execution.domain.mapping import ExchangeMapper
from execution.domain.orders import Order
from execution.domain.ports import Attempt
from execution.domain.reports import Execution, VenueOrder
from execution.domain.vocabulary import BrokerName, Environment, OrderState
from execution.events.publisher import Publisher
from execution.recovering import Sweep
from execution.store.engine import Store
from execution.store.outbox import Numbered
from tasks import (
    await_fill,
    connect_gateway,
    persist_fill,
    publish_fill_event,
    update_positions,
)
from tasks import step as step_module
from workers.context import Context
from workers.recording import Recorder
from workers.session import BrokerSession

from .stored import TIMING, reload, submitted, trade

_MODULES: dict[Step, ModuleType] = {
    Step.CONNECT_GATEWAY: connect_gateway,
    Step.AWAIT_FILL: await_fill,
    Step.PERSIST_FILL: persist_fill,
    Step.UPDATE_POSITIONS: update_positions,
    Step.PUBLISH_FILL_EVENT: publish_fill_event,
}
_ROUNDS = 40
"""Sweeps within which an order must be at rest once nothing new is reported."""


class _Silent(Publisher):
    """Numbers what is committed, and tells nobody."""

    def _publish(self, events: Sequence[Numbered]) -> None:
        """Nobody listens."""

    def soon(self) -> None:
        """No thread: what is written is published with the next step 8."""


@dataclass
class Venue:
    """What the venue has of one order, and how it ended there."""

    order: Order
    executions: list[Execution] = field(default_factory=list)
    state: OrderState = OrderState.SUBMITTED
    needs_loop: bool = False
    capabilities: Any = CAPABILITIES[BrokerName.BINANCE]
    hidden: int = 0
    """How many of its last executions it does not list."""

    @property
    def filled(self) -> Decimal:
        return sum((one.quantity for one in self.executions), Decimal(0))

    def fill(self, quantity: int) -> None:
        """Execute so much of the order, as far as it is not over."""
        left = self.order.quantity - self.filled
        part = min(Decimal(quantity), left)
        if self.state.is_final or not part:
            return
        number = len(self.executions)
        self.executions.append(trade(self.order, f"e{number}", str(part), "100", second=number))
        self.state = OrderState.PARTIALLY_FILLED if part < left else OrderState.FILLED

    def end(self) -> None:
        """Cancel what is left."""
        if not self.state.is_final:
            self.state = OrderState.CANCELLED

    def listed(self) -> list[Execution]:
        """The executions that it lists."""
        return self.executions[: len(self.executions) - self.hidden]

    def says(self) -> VenueOrder:
        """Its word on the order."""
        return VenueOrder(
            broker_order_id="1",
            state=self.state,
            symbol=self.order.symbol,
            side=self.order.side,
            quantity=self.order.quantity,
            filled_quantity=self.filled,
            venue_order_id=self.order.attempt.venue_order_id,
            executions=tuple(self.listed()),
        )

    async def find(self, attempt: Attempt) -> VenueOrder | None:
        if attempt.venue_order_id != self.order.attempt.venue_order_id:
            raise OutcomeUnknown("another order")
        return self.says()


@dataclass(frozen=True)
class Message:
    """A step to be run; `handed` is what the step before hands over in the same process."""

    step: Step
    handed: Order | None


class Desk:
    """One order that waits at its venue, and the messages on their way."""

    between: Callable[[], None]

    def __init__(self, store: Store, patch: pytest.MonkeyPatch, order: Order | None = None) -> None:
        self.store = store
        self.watching = Store(store.engine.url.render_as_string(hide_password=False))
        self.messages: list[Message] = []
        self.between = lambda: None
        self._open = self._running = 0
        self.order = order or submitted(store, quantity="6", account=uuid4().hex)
        self.venue = Venue(self.order)
        self._context = cast(
            "Context",
            SimpleNamespace(
                store=store,
                timing=TIMING,
                publisher=self._publisher(),
                settings=SimpleNamespace(
                    broker_call_timeout=timedelta(seconds=3),
                    execution_environment=Environment.PRACTICE,
                    default_account="main",
                    session_timeout=timedelta(seconds=3),
                    missing_executions_patience=timedelta(0),
                ),
            ),
        )
        self.session = BrokerSession(
            BrokerName.BINANCE, cast("Any", self.venue), self._context, self._wake
        )
        self.recorder = Recorder(
            BrokerName.BINANCE, self._context, self.session.session_id, self._wake
        )
        self._sweep = Sweep(store, ExchangeMapper(), TIMING, timedelta(hours=1), cast("Any", self))
        for name, module in list(sys.modules.items()):
            if name.startswith("tasks.") and hasattr(module, "context"):
                patch.setattr(module, "context", lambda: self._context)
        patch.setattr(await_fill, "send_from", self._send_from)
        patch.setattr(await_fill, "session_of", lambda *_: self.session)

        self._pools = [store._engine_of(direct=direct) for direct in (False, True)]
        for pool in self._pools:
            event.listen(pool, "checkout", self._taken)
            event.listen(pool, "checkin", self._given_back)
        self.run(Message(Step.AWAIT_FILL, None))

    def close(self) -> None:
        for pool in self._pools:
            event.remove(pool, "checkout", self._taken)
            event.remove(pool, "checkin", self._given_back)
        self.watching.close()
        self.session._loop.close()

    def _publisher(self) -> Publisher:
        return _Silent(self.store, redis.Redis(), TIMING.step)

    def _wake(self, order: Order) -> None:
        self.messages.append(Message(Step.AWAIT_FILL, order))

    def _send_from(self, _app: object, _order_id: UUID, first: Step, *_: object) -> None:
        self.messages.append(Message(first, None))

    def steps(self, _order_id: UUID, first: Step, *_: object) -> None:
        """As recovery sends them."""
        self.messages.append(Message(first, None))

    def _taken(self, *_: object) -> None:
        """A connection is taken for a transaction."""
        if self._running and not self._open:
            self.between()
        self._open += 1

    def _given_back(self, *_: object) -> None:
        self._open -= 1

    def run(self, message: Message) -> None:
        """Let a step do its work, as a worker does with its message; something is due after it."""
        task = _Running(self, message.handed)
        work: Any = getattr(_MODULES[message.step], message.step.label)
        self._running += 1
        # Each as in a process of its own: in one, they would wait for each other.
        cast("Any", self._context).publisher = self._publisher()
        try:
            work.__class__.run(task, str(self.order.order_id))
        finally:
            self._running -= 1
        assert self.violations() == []

    def deliver(self, number: int) -> None:
        """One of the messages arrives."""
        if self.messages:
            self.run(self.messages.pop(number % len(self.messages)))

    def run_all(self) -> None:
        """Deliver the messages in their order until there are none."""
        while self.messages:
            self.deliver(0)

    def hear(self) -> None:
        """The session's watcher hears the venue's word."""
        self.recorder.news(self.venue.says())

    def listen(self) -> None:
        """The session looks at the account's executions."""
        self.recorder.executions(self.venue.listed())

    def patience(self, patience: timedelta) -> None:
        """How long executions may be missing."""
        cast("Any", self._context.settings).missing_executions_patience = patience

    def sweep(self) -> None:
        """Time passes, and recovery sends what is overdue."""
        with self.watching.transaction() as connection:
            connection.execute(
                text(
                    """UPDATE orders SET due_at = clock_timestamp() - interval '1 second'
                    WHERE due_at IS NOT NULL"""
                )
            )
        self._sweep.once()

    def now(self) -> Order:
        """The order as it is."""
        return reload(self.watching, self.order.order_id)

    def violations(self) -> list[Any]:
        """Orders that have news for step 5, and for which nothing is due."""
        with self.watching.statement() as connection:
            return list(
                connection.execute(
                    text(
                        """
                        SELECT o.order_id, o.step, o.state FROM orders o
                        JOIN order_attempts a ON a.order_id = o.order_id
                            AND a.attempt_no = o.attempt_no
                        WHERE o.due_at IS NULL AND (
                            o.step BETWEEN 5 AND 6
                            OR EXISTS (SELECT FROM execution_reports r
                                WHERE r.order_id = o.order_id AND r.applied_at IS NULL)
                            OR EXISTS (SELECT FROM fills f
                                WHERE f.order_id = o.order_id AND f.positioned_at IS NULL)
                            OR (a.reported_state IN ('FILLED', 'CANCELLED')
                                AND o.state NOT IN ('FILLED', 'CANCELLED')))
                        """
                    )
                )
            )

    def come_to_rest(self) -> Order:
        """Every message is lost; recovery alone brings the order to its end."""
        self.between = lambda: None
        self.messages.clear()
        for _ in range(_ROUNDS):
            if self.now().due_at is None:
                break
            self.sweep()
            self.run_all()
        return self.now()

    def assert_booked(self) -> None:
        """The order ended as its venue says, and each execution is booked and told once."""
        order, venue = self.now(), self.venue
        assert order.due_at is None, (order.state, order.step)
        assert (order.state, order.filled_quantity) == (venue.state, venue.filled)
        assert (order.unapplied, order.unfinished) == (0, 0)
        with self.watching.statement() as connection:
            held = connection.execute(
                text("SELECT quantity FROM positions WHERE account = :account"),
                {"account": order.account},
            ).scalar_one_or_none()
            told = connection.execute(
                text(
                    """SELECT payload ->> 'execution_id' FROM events
                    WHERE stream = 'fills' AND order_id = :order_id"""
                ),
                {"order_id": order.order_id},
            ).scalars()
            assert (held or Decimal(0)) == venue.filled
            assert sorted(told) == sorted(one.execution_id for one in venue.executions)


class _Running(step_module.StepTask):
    """A step that runs: what it leaves becomes a message."""

    abstract = True

    def __init__(self, desk: Desk, handed: Order | None) -> None:
        self._desk, self._handed = desk, handed

    @property
    def handed(self) -> Order | None:
        return self._handed

    def end_chain(self) -> None:
        """Nothing follows."""

    def go_on(
        self,
        order_id: UUID,
        following: Step,
        broker: BrokerName,
        handed: Order | None = None,
    ) -> None:
        del order_id, broker
        self._desk.messages.append(Message(following, handed))


def nth(number: int, act: Callable[[], None]) -> Callable[[], None]:
    """For `Desk.between`: do something before the transaction of this number, once."""
    counted = itertools.count()

    def between() -> None:
        if next(counted) == number:
            act()

    return between
