"""The sweep: sends again what has stood still, whatever became of its message."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Protocol, Self
from uuid import UUID

from execution.domain.errors import RequestRefused
from execution.domain.instruments import Instrument
from execution.domain.lifecycle import Step, control_queue
from execution.domain.mapping import ExchangeMapper
from execution.domain.order_changes import Timing
from execution.domain.routing import FORCED
from execution.domain.vocabulary import BrokerName, OrderState
from execution.intake import new_id
from execution.store import (
    alerts,
    commands,
    executions,
    families,
    measuring,
    orders,
    positions,
    producers,
    recovery,
    reducing,
    requests,
    sharing,
    unprotected,
)
from execution.store.clock import now
from execution.store.engine import Store
from execution.store.giving_up import give_up, keep_from_live
from execution.store.loading import load

_MOST_BATCHES = 1_000


class Messages(Protocol):
    """Sends messages to the queues; what is lost of them a later sweep sends again."""

    def steps(
        self, order_id: UUID, first: Step, broker: BrokerName, channel: int | None = None
    ) -> None:
        """Send an order's steps, from `first` on, to the broker's workers or one channel's."""

    def task(self, name: str, key: UUID, queue: str) -> None:
        """Send one task, which takes the id of what it is about."""


@dataclass(slots=True)
class Repairs:
    """How many of each were sent on; `orphans`, executions of no order of ours, are booked.

    `doubted` are half sent and have nobody who could ask their venue: they stand in UNKNOWN now.
    `families` are brackets to be looked at.
    """

    requests: int = 0
    orders: int = 0
    commands: int = 0
    orphans: int = 0
    rerouted: int = 0
    doubted: int = 0
    families: int = 0

    def __iadd__(self, other: Repairs) -> Self:
        for name in Repairs.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        return self


@dataclass(frozen=True, slots=True)
class Sweep:
    """Finds by index, in bounded batches, what is overdue; what it does again is safe to do again.

    `unserved_grace` is how long a broker may be without a worker before its orders turn away,
    `force_paper` that they do so whatever they want after a failure. `unprotected_after` is
    how long a bracket's position may be without a working stop before that is reported; with
    `unprotected_flatten` it is then closed.
    """

    store: Store
    mapper: ExchangeMapper
    timing: Timing
    unserved_grace: timedelta
    messages: Messages
    force_paper: bool = False
    unprotected_after: timedelta = timedelta(seconds=5)
    unprotected_flatten: bool = False

    def once(self) -> Repairs:
        """Send on one batch of each kind."""
        return self._batch()[0]

    def to_the_end(self) -> Repairs:
        """Go on until less than a full batch was due: what was sent on is due again only later."""
        done, more, batches = Repairs(), True, 0
        while more and batches < _MOST_BATCHES:
            batch, more = self._batch()
            done += batch
            batches += 1
        return done

    def _batch(self) -> tuple[Repairs, bool]:
        """What a batch did, and whether any kind of it was full, so that more may be due."""
        deadline = self.timing.step
        self._share_out()
        with self.store.transaction() as connection:
            due_requests = recovery.due_requests(connection, deadline)
            requests.unannounced(connection, recovery.BATCH)
            producers.end_transactions(connection, producers.LONGEST_OF_ANY)
            recovery.stranded(connection)
            due = recovery.due_orders(connection, deadline)
            instructed = commands.due(connection, deadline, recovery.MAXIMUM_WAIT, recovery.BATCH)
            brackets = families.due(connection, deadline, recovery.MAXIMUM_WAIT, recovery.BATCH)
            orphans = recovery.orphan_reports(connection)
        for order_id, step in due_requests:
            self.messages.steps(order_id, step, BrokerName.PAPER)
        for order in due:
            self.messages.steps(order.order_id, order.step, order.broker, order.channel)
        for command in instructed:
            queue = control_queue(command.broker, command.channel)
            self.messages.task("tasks.execute_command", command.command_id, queue)
        for family in brackets:
            self.messages.task("tasks.fit_bracket", family.parent_id, family.broker.queue)
        for report_id in orphans:
            self._apply_orphan(report_id)
        self._watch_over_brackets()
        rerouted, more = self._turn_away_unserved()
        doubted = self._doubt_unserved()
        done = Repairs(
            len(due_requests),
            len(due),
            len(instructed),
            len(orphans),
            rerouted,
            doubted,
            len(brackets),
        )
        if done != Repairs():
            with self.store.transaction() as connection:
                measuring.count(connection, "repair", asdict(done))
        most = max(done.requests, done.orders, done.commands, done.orphans, doubted, done.families)
        return done, more or most >= recovery.BATCH

    def _watch_over_brackets(self) -> None:
        """Report what has been unprotected for too long, whether its broker has a worker or not."""
        with self.store.transaction() as connection:
            found = unprotected.maybe_bare(connection, self.unprotected_after, recovery.BATCH)
        for parent_id in found:
            with self.store.transaction() as connection:
                family = families.snapshot(connection, parent_id)
            if family is not None:
                with self.store.transaction() as connection:
                    unprotected.report_bare(connection, family, flatten=self.unprotected_flatten)

    def _share_out(self) -> None:
        """Make room at positions against which more stands than there is of them."""
        with self.store.direct() as link:
            places = reducing.crowded(link, recovery.BATCH)
        for place in places:
            with self.store.transaction() as connection:
                sharing.share_out(connection, place, new_id)

    def _apply_orphan(self, report_id: int) -> None:
        """An execution of no order of ours needs no broker's worker: it is booked here."""
        with self.store.transaction() as connection:
            executions.apply_orphan(connection, report_id, self._instrument)
        with self.store.transaction() as connection:
            positions.apply_orphan(connection, report_id)

    def _instrument(self, symbol: str) -> Instrument | None:
        try:
            return self.mapper.map(symbol, on=now().date())
        except RequestRefused:
            return None

    def _turn_away_unserved(self) -> tuple[int, bool]:
        """Turn away from a broker that has no worker what has waited for one long enough.

        Returns how many go on to paper, and whether there may be more of them.
        """
        count = 0
        with self.store.transaction() as connection:
            stranded = recovery.unserved(connection, self.unserved_grace)
        reason = f"nobody has served its queue for {self.unserved_grace.total_seconds():.0f} s"
        for order_id in stranded:
            with self.store.transaction() as connection:
                order = load(connection, order_id, lock=True)
                if (
                    order is None
                    or order.state is not OrderState.PENDING
                    or order.broker is BrokerName.PAPER
                    or order.attempt.intent_at is not None
                ):
                    continue
                turn_away = keep_from_live if self.force_paper else give_up
                rerouted = turn_away(
                    connection,
                    order,
                    FORCED if self.force_paper else reason,
                    step=Step.CONNECT_GATEWAY,
                    attempt_id=new_id(),
                    timing=self.timing,
                )
            if rerouted:
                self.messages.task("tasks.reroute_to_paper", order_id, BrokerName.PAPER.queue)
                count += 1
        return count, count > 0 and len(stranded) >= recovery.BATCH

    def _doubt_unserved(self) -> int:
        """Say that an order is in doubt whose sender is gone, and who could ask for it, too."""
        with self.store.transaction() as connection:
            half_sent = recovery.half_sent(connection, self.unserved_grace)
        for order_id in half_sent:
            with self.store.transaction() as connection:
                order = load(connection, order_id, lock=True)
                if order is None or order.state is not OrderState.SUBMITTING:
                    continue
                reason = f"sent or not, and nobody serves {order.broker}"
                if orders.in_doubt(connection, order, reason, self.timing.step):
                    alerts.alert(
                        connection,
                        alerts.UNKNOWN_OUTCOME,
                        order.order_id,
                        f"order {order.client_order_id} at {order.broker}: {reason}",
                        order_id=order.order_id,
                        broker=order.broker,
                    )
        return len(half_sent)
