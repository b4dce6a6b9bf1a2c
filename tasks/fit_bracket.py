"""Fits a bracket's children to what is open: one family at a time, one change of a child at a time.

The message says only that a family may be due. Everything is read anew under the family's lock and
decided by `execution.domain.protection`; what is done at the venue is recorded before and after.
What is still to be done when a worker dies is found by recovery (`brackets.due_at`).
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import structlog
from sqlalchemy import Connection

from execution.domain.brackets import Role, children, flattening
from execution.domain.errors import BrokerError, BrokerRejected
from execution.domain.identity import event_id
from execution.domain.lifecycle import Step, control_queue
from execution.domain.orders import Order
from execution.domain.pacing import never_left, pause_after
from execution.domain.ports import Modification
from execution.domain.protection import (
    Action,
    Add,
    Cancel,
    Cause,
    Explain,
    Phase,
    Resize,
    is_settling,
    plan,
)
from execution.domain.reports import VenueOrder
from execution.domain.vocabulary import BrokerName
from execution.intake import new_id
from execution.store import alerts, brackets, families, legs, orders, unprotected
from execution.store.families import FRESH, Snapshot
from execution.store.loading import load, load_with_attempt
from tasks.await_fill import ask_for_executions
from tasks.step import StepTask, publish_quietly
from workers.app import app
from workers.chains import declared, send_from
from workers.context import context
from workers.registry import session_of

_MOST_ROUNDS = 20
_AGAIN = timedelta(seconds=1)
_SETTLING = timedelta(seconds=30)
"""How long what is under way is left to be heard of before it is looked at all the same."""


@app.task(bind=True, base=StepTask, name="tasks.fit_bracket")
def fit_bracket(self: StepTask, order_id: str) -> None:
    """Bring a family to rest, or as near to it as can be now; `order_id` is its parent's."""
    _Fitting(self, UUID(order_id)).run()
    publish_quietly()


@dataclass(frozen=True, slots=True)
class _AtVenue:
    """A leg to be changed to `quantity` in all, or cancelled: the attempt of `order`."""

    role: Role
    order: Order
    quantity: Decimal | None = None


@dataclass(slots=True)
class _Turn:
    """What one look at a family leads to: children to be sent, and what the venue must do."""

    found: Snapshot
    done: bool = False
    placed: list[UUID] = field(default_factory=list)
    venue: list[_AtVenue] = field(default_factory=list)


class _Fitting:
    """One worker's work on one family; nobody else works on it meanwhile."""

    def __init__(self, task: StepTask, parent_id: UUID) -> None:
        self._app = task.app
        self._parent_id = parent_id
        self._owner = new_id()
        self._shared = context()
        self._lease = 2 * self._shared.settings.broker_call_timeout + _AGAIN
        self._step: Decimal | None = None
        self._in_groups = self._linked = False
        self._channels = set[int]()
        self._log = structlog.get_logger().bind(order_id=str(parent_id))

    def run(self) -> None:
        """Turn after turn until nothing is to be done, or something must be waited for."""
        if not self._claim():
            return
        ended = False
        try:
            ended = self._run()
        finally:
            if not ended:
                with self._shared.store.transaction() as connection:
                    families.let_go(connection, self._parent_id, self._owner, _AGAIN)
        for channel in self._channels:
            self._send(control_queue(BrokerName.IBKR, channel))

    def _claim(self) -> bool:
        with self._shared.store.transaction() as connection:
            return families.claim(connection, self._parent_id, self._owner, self._lease)

    def _run(self) -> bool:
        """True once the family is given back."""
        with self._shared.store.transaction() as connection:
            parent = load(connection, self._parent_id)
        if parent is None or not self._knows_venue(parent):
            return False
        for _ in range(_MOST_ROUNDS):
            turn = self._look_and_do()
            if turn is None:
                return False
            for order_id in turn.placed:
                send_from(self._app, order_id, Step.CONNECT_GATEWAY, parent.broker)
            for one in turn.venue:
                self._claim()
                self._ask(turn.found, one)
            if self._channels:
                return False
            if not turn.done and not turn.venue and self._rest(turn.found):
                return True
            self._claim()
        return False

    def _knows_venue(self, parent: Order) -> bool:
        """Learn what the venue takes; False while it is away."""
        try:
            session = session_of(parent.broker, None)
            self._in_groups = not session.capabilities.changes_in_group
            self._linked = session.capabilities.one_cancels_other
            rules = session.rules(parent.instrument)
            self._step = None if rules is None else rules.quantity_step
        except BrokerError as error:
            self._log.info("bracket waits", reason=str(error))
            return False
        return True

    def _look_and_do(self) -> _Turn | None:
        """Look at the family, and do in our tables what is to be done there."""
        with self._shared.store.transaction() as connection:
            brackets.lock_family(connection, self._parent_id)
            found = self._snapshot(connection)
            if found is None:
                return None
            turn = _Turn(found)
            for attempt_id in found.ended:
                order = load_with_attempt(connection, attempt_id)
                turn.done |= order is not None and legs.end(connection, order)
            if turn.done:
                return turn
            for action in plan(found.family):
                self._do(connection, turn, action)
            self._cancel_again(connection, turn)
            if not turn.done and not turn.venue:
                self._tidy(connection, turn)
            return turn

    def _complete(self, attempt_id: UUID) -> None:
        """Ask for executions that its venue speaks of and has not listed."""
        with self._shared.store.transaction() as connection:
            order = load_with_attempt(connection, attempt_id)
        if order is not None:
            ask_for_executions(order)

    def _snapshot(self, connection: Connection) -> Snapshot | None:
        return families.snapshot(
            connection, self._parent_id, step=self._step, in_groups=self._in_groups, lock=True
        )

    def _tidy(self, connection: Connection, turn: _Turn) -> None:
        """Let each child's quantity be what it covers, and see that its executions are applied."""
        for role in turn.found.family.members:
            child = load(connection, turn.found.child(role))
            if child is not None:
                legs.fit_total(connection, child)
        for order_id in families.stalled(connection, self._parent_id, self._shared.timing.step):
            send_from(self._app, order_id, Step.AWAIT_FILL, turn.found.parent.broker)
        turn.found = self._snapshot(connection) or turn.found

    def _do(self, connection: Connection, turn: _Turn, action: Action) -> None:
        match action:
            case Explain(role, leg, cause):
                if cause is Cause.DROPPED:
                    unprotected.alert_dropped(connection, turn.found, role, leg)
                legs.explain(connection, leg.attempt_id, cause)
                turn.done = True
            case Add():
                self._add(connection, turn, action)
            case Resize() | Cancel():
                order = load_with_attempt(connection, action.leg.attempt_id)
                if order is not None and action.leg.phase is Phase.UNSENT:
                    turn.done |= _change_unsent(connection, order, action)
                elif order is not None and turn.found.may_ask:
                    asked = _intend(connection, order, action)
                    turn.venue += [asked] if asked is not None else []

    def _cancel_again(self, connection: Connection, turn: _Turn) -> None:
        """Ask for the end of what was to be cancelled and still works.

        Its worker may have died after the intent, before it asked; or the venue has not ended it.
        """
        if not turn.found.may_ask:
            return
        asked = {one.order.attempt.attempt_id for one in turn.venue}
        for role, member in turn.found.family.members.items():
            for leg in member.live:
                if leg.cancelling and leg.phase is Phase.WORKING and leg.attempt_id not in asked:
                    order = load_with_attempt(connection, leg.attempt_id)
                    said = None if order is None else order.attempt.reported_state
                    # Of one that the venue says is over only the executions are waited for.
                    if order is not None and not (said is not None and said.is_final):
                        turn.venue.append(_AtVenue(role, order))

    def _add(self, connection: Connection, turn: _Turn, action: Add) -> None:
        """Place a child, or another leg of it, unless further fills are just coming in."""
        found = turn.found
        if found.family.in_groups and action.group is None and self._may_grow(found):
            return
        parent, child_id = found.parent, found.child(action.role)
        child = load(connection, child_id)
        group = action.group or self._group(found, action, child)
        if child is not None:
            done = legs.add(connection, child, new_id(), action.quantity, group)
        else:
            terms = {one.role: one for one in (*children(parent), flattening(parent))}
            role = terms[action.role]
            done = brackets.insert(connection, parent, role, action.quantity, group)
        if done:
            turn.done = True
            turn.placed.append(child_id)

    def _may_grow(self, found: Snapshot) -> bool:
        """Whether fills that follow each other closely may still be joined in one group."""
        if found.parent.state.is_final:
            return False
        since = found.short_since
        return since is None or found.at - since < self._shared.settings.bracket_coalesce

    def _group(self, found: Snapshot, action: Add, child: Order | None) -> UUID | None:
        """Of which orders one cancels the others; of all, where changes are made in place."""
        if action.role is Role.FLATTEN:
            return None
        if not found.family.in_groups:
            return found.parent.order_id if self._linked else None
        number = 1 if child is None else child.attempt.attempt_no + 1
        return event_id("group", found.parent.order_id, action.role, number)

    def _ask(self, found: Snapshot, one: _AtVenue) -> None:
        """Have a leg changed or cancelled at its venue, and record what becomes of it."""
        order, timeout = one.order, self._shared.settings.broker_call_timeout
        attempt = order.for_venue()
        refused: BrokerRejected | None = None
        said: VenueOrder | None = None
        try:
            session = session_of(order.broker, order.attempt.channel)
        except BrokerError:
            self._leave_to(order)
            return
        try:
            if one.quantity is None:
                session.call(lambda adapter: adapter.cancel(attempt), timeout)
            else:
                change = Modification(
                    quantity=one.quantity,
                    send_by=order.read_at + self._shared.timing.submit_window,
                    group_filled=order.attempt.group_filled,
                )
                said = session.call(lambda adapter: adapter.modify(attempt, change), timeout)
        except BrokerRejected as refusal:
            refused = refusal
        except BrokerError as error:
            self._log.info("no answer to a change of a child", reason=str(error))
            self._failed(pause_after(error, found.failures), never_left=never_left(error))
            return
        if said is None:
            with suppress(BrokerError):
                said = session.call(lambda adapter: adapter.find(attempt), timeout)
        self._record(found, one, said, refused)

    def _record(
        self,
        found: Snapshot,
        one: _AtVenue,
        said: VenueOrder | None,
        refused: BrokerRejected | None,
    ) -> None:
        """Write down what became of a change or a cancel."""
        order, moved, over = one.order, False, said is not None and said.state.is_final
        changed = refused is None and one.quantity is not None
        with self._shared.store.transaction() as connection:
            if said is not None:
                moved = orders.news(connection, order, said, self._shared.timing.step) is not None
            current = load_with_attempt(connection, order.attempt.attempt_id)
            if changed and one.quantity is not None and current is not None:
                legs.resize(connection, current, one.quantity)
                alerts.resolve(connection, alerts.CHANGE_REFUSED, order.order_id)
            if changed or over:
                families.succeeded(connection, self._parent_id)
            elif refused is not None and one.quantity is not None and not moved:
                unprotected.alert_refused(connection, found, one.role, one.quantity, refused.reason)
        if moved:
            channel = order.attempt.channel
            send_from(self._app, order.order_id, Step.AWAIT_FILL, order.broker, channel)
        if not (changed or over):
            self._failed(pause_after(None if moved else refused, found.failures))

    def _failed(self, pause: timedelta, *, never_left: bool = False) -> None:
        with self._shared.store.transaction() as connection:
            families.failed(connection, self._parent_id, pause, counts=not never_left)

    def _leave_to(self, order: Order) -> None:
        """Only the worker that has the leg's channel can have it changed."""
        with self._shared.store.transaction() as connection:
            families.failed(connection, self._parent_id, timedelta(0))
        if order.attempt.channel is not None:
            self._channels.add(order.attempt.channel)

    def _rest(self, found: Snapshot) -> bool:
        """Give the family back until it is due again; False if it has changed meanwhile."""
        for attempt_id in found.incomplete:
            self._complete(attempt_id)
        family, short = found.family, bool(plan(found.family))
        pauses = list[timedelta]()
        if is_settling(family):
            unexplained = any(member.is_unexplained for member in family.members.values())
            pauses.append(FRESH if unexplained else _SETTLING)
        if short and self._in_groups and self._may_grow(found):
            pauses.append(self._shared.settings.bracket_coalesce)
        elif short:
            pauses.append(_SETTLING)
        if found.retry_at is not None and not found.may_ask:
            pauses.append(found.retry_at - found.at)
        due = min(pauses, default=None)
        with self._shared.store.transaction() as connection:
            if not families.release(connection, found, self._owner, due, short=short):
                return False
        self._watch_over(found)
        if due is not None and due < _SETTLING:
            self._send(found.parent.broker.queue, due)
        return True

    def _watch_over(self, found: Snapshot) -> None:
        """Report what has been unprotected for too long; settle what is protected again."""
        settings, since = self._shared.settings, found.bare_since
        late = since is not None and found.at - since >= settings.unprotected_after
        if found.bare is not None or (late and found.family.bare):
            with self._shared.store.transaction() as connection:
                unprotected.report_bare(connection, found, flatten=settings.unprotected_flatten)

    def _send(self, queue: str, due: timedelta = timedelta(0)) -> None:
        self._app.send_task(
            "tasks.fit_bracket",
            args=(str(self._parent_id),),
            queue=declared(self._app, queue),
            countdown=due.total_seconds() or None,
        )


def _change_unsent(connection: Connection, order: Order, action: Resize | Cancel) -> bool:
    if isinstance(action, Resize):
        return legs.resize(connection, order, action.quantity)
    return legs.end_unsent(connection, order, "nothing is left for it to cover")


def _intend(connection: Connection, order: Order, action: Resize | Cancel) -> _AtVenue | None:
    """Record what is about to be asked of the venue; None when somebody has changed the order."""
    if isinstance(action, Resize):
        quantity = action.quantity
        expecting = legs.expect(connection, order, quantity)
        return None if expecting is None else _AtVenue(action.role, expecting, quantity)
    ending = legs.cancel_intended(connection, order)
    return None if ending is None else _AtVenue(action.role, ending)
