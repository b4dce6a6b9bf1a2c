"""Step 4: the intent to send is committed, then the order is sent; after doubt, asked for first."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Connection

from execution.domain.errors import (
    AccessRefused,
    BrokerError,
    BrokerRejected,
    BrokerUnavailable,
    NotAllowed,
    NotTaken,
    OutcomeUnknown,
    RateLimited,
    RejectionScope,
    TooLate,
)
from execution.domain.lifecycle import Step
from execution.domain.orders import Order
from execution.domain.pacing import MOST, Tries, may_go_again
from execution.domain.reports import VenueOrder
from execution.domain.vocabulary import OrderState
from execution.faultpoints import reach
from execution.intake import new_id
from execution.store import alerts, breakers, following, giving_up, orders, tries
from execution.store.loading import load
from tasks.exits import venue_of, wait_for_room
from tasks.failure import count_failure, give_up, halted, not_allowed, refused, send_reroute
from tasks.step import StepTask
from workers.app import app
from workers.chains import fit_family
from workers.context import context
from workers.registry import session_of
from workers.session import BrokerSession

_AGAIN = timedelta(seconds=1)
# Clocks of the database and the venue may differ; absence is believed only this much later.
_CLOCK_MARGIN = timedelta(seconds=1)
_MOST_PATIENCE = timedelta(seconds=30)
_SHUT_OUT = timedelta(minutes=1)
"""Knocking at a venue that lets nobody in would be taken for an attack."""


@app.task(bind=True, base=StepTask, name=Step.SUBMIT_ORDER.task)
def submit_order(self: StepTask, order_id: str) -> None:
    """Send an order that was not sent; find out about one that may have been."""
    self.on_latest(order_id, lambda order: _submit(self, order))


def _submit(task: StepTask, order: Order) -> bool:
    if order.step != Step.CONNECT_GATEWAY:
        return False
    try:
        session = session_of(order.broker, order.attempt.channel)
    except BrokerUnavailable:
        return False  # another worker's: recovery sends it there
    match order.state:
        case OrderState.PENDING:
            return _send(task, order, session)
        case OrderState.SUBMITTING | OrderState.UNKNOWN if _lease_is_free(order):
            return _find_out(task, order, session)
        case _:
            return False


def _lease_is_free(order: Order) -> bool:
    until = order.attempt.lease_until
    return until is None or until < order.read_at


def _send(task: StepTask, order: Order, session: BrokerSession) -> bool:
    """Commit the intent, then send; False when somebody else has taken the order."""
    shared = context()
    if not session.owns(order.attempt.account):
        # Step 3 was another login's, or of a release that knew none: it looks again.
        reason = f"{order.broker} is of another login than it was"
        with shared.store.transaction() as connection:
            orders.back_to_gateway(connection, order, reason, _AGAIN)
        task.end_chain()
        return True
    try:
        intended = shared.gate.intend(
            order,
            session.price_of,
            lambda link, order, controls: orders.commit_intent(
                link, order, session.session_id, shared.timing, controls
            ),
            venue_of(session, order),
        )
    except NotAllowed as refusal:
        not_allowed(task.app, order, refusal, step=Step.SUBMIT_ORDER)
        task.end_chain()
        return True
    except BrokerError as error:  # the rules, before anything was sent
        with shared.store.transaction() as connection:
            orders.back_to_gateway(connection, order, str(error), _AGAIN)
        task.end_chain()
        return True
    if intended is None:
        return False
    if intended.state is not OrderState.SUBMITTING:
        wait_for_room(task, intended, newly=intended.version != order.version)
        return True
    if order.reason is not None and order.state is OrderState.PENDING:
        with shared.store.transaction() as connection:
            alerts.resolve(connection, alerts.WAITING, order.order_id)
    _send_intended(task, intended, session, doubted=order.attempt.intent_at is not None)
    return True


def _send_intended(
    task: StepTask, intended: Order, session: BrokerSession, *, doubted: bool
) -> None:
    """Send what this session has just committed the intent for."""
    shared = context()
    if session.capabilities.remote:
        shared.publisher.soon()  # a venue may take its time, and what it is asked is known now
    attempt = intended.for_venue()
    try:
        accepted = session.submit(attempt)
    except BrokerRejected as refusal:
        _refused(task, intended, refusal)
    except BrokerUnavailable as error:
        _never_left(task, intended, session, error)
    except OutcomeUnknown as error:
        _in_doubt(intended, str(error), _AGAIN, failed=True)
    else:
        reach("submit_order:after_send", intended.order_id)
        _accepted(task, intended, accepted, session, doubted=doubted)
        return
    task.end_chain()


def _find_out(task: StepTask, order: Order, session: BrokerSession) -> bool:
    """Ask the venue for an order that may have arrived; send again only what provably did not.

    False when somebody else has taken the order.
    """
    shared = context()
    with shared.store.direct() as link:
        held = orders.extend_lease(link, order, session.session_id, shared.timing)
    if held is None:
        return False
    attempt = held.for_venue()
    patience = _patience(held)
    try:
        found = session.call(
            lambda adapter: adapter.find(attempt), shared.settings.broker_call_timeout
        )
    except BrokerError as error:
        _in_doubt(held, f"sent, and {held.broker} cannot be asked: {error}", patience)
        task.end_chain()
        return True
    if found is not None:
        _accepted(task, held, found, session, doubted=True)
        return True
    send_by = held.attempt.send_by
    proof_at = (
        None
        if send_by is None
        else send_by + session.capabilities.absence_proven_after + _CLOCK_MARGIN
    )
    if proof_at is not None and proof_at > held.read_at:
        # It may be shown any moment: nobody waits for the proof that it is not there.
        due = min(proof_at - held.read_at, patience)
        _in_doubt(held, f"sent, and {held.broker} does not show it yet", due)
        task.end_chain()
        return True
    if not _may_go_again(held, session):
        _never_again(task, held)
        task.end_chain()
        return True
    if _goes_later(held, session):
        task.end_chain()
        return True
    return _send(task, held, session)


def _may_go_again(order: Order, session: BrokerSession) -> bool:
    """Whether an order that provably never arrived may be sent again at all."""
    since = order.attempt.intent_at or order.created_at
    within = session.capabilities.resends_within
    return may_go_again(order.order_type, order.time_in_force, order.read_at - since, within)


def _never_again(task: StepTask, order: Order) -> None:
    """`on_failure` decides about an order that never arrived and is too late to be sent again.

    One that would wait for its broker cannot: it stays in doubt until a person decides.
    """
    reason = f"{order.broker} took nothing of it, and it is too late to send it again"
    rerouted = False
    with context().store.transaction() as connection:
        now = _unless_executed(connection, order)
        stays = giving_up.waits(connection, now)
        if not stays:
            rerouted = give_up(connection, now, reason, step=Step.SUBMIT_ORDER)
    if stays:
        _in_doubt(order, f"{reason}: resolve it by hand", _MOST_PATIENCE)
    elif rerouted:
        send_reroute(task.app, order)
    elif order.parent_order_id is not None:
        fit_family(task.app, order)


def _goes_later(order: Order, session: BrokerSession) -> bool:
    """Where it provably never was there, and must not be sent again at once: put it off.

    Its id may be used up, or it was sent too often of late.
    """
    with context().store.statement() as connection:
        pause = tries.of_order(connection, order.order_id).wait(order.read_at)
    if not (pause or session.capabilities.ids_once):
        return False
    reason = f"{order.broker} took nothing of it"
    if pause:
        reason += f", {MOST} times within a minute"
    with context().store.transaction() as connection:
        if session.capabilities.ids_once:
            due = max(pause, _AGAIN)
            put_off = following.anew(connection, order, reason, new_id(), due, sent=True)
        else:
            put_off = orders.back_to_gateway(connection, order, reason, pause, sent=True)
        if put_off:
            alerts.resolve(connection, alerts.UNKNOWN_OUTCOME, order.order_id)
    return True


def _patience(order: Order) -> timedelta:
    """How long until the venue is asked again: the longer it has been in doubt, the longer."""
    if order.attempt.intent_at is None:
        return _AGAIN
    in_doubt_for = order.read_at - order.attempt.intent_at
    return min(max(in_doubt_for / 2, _AGAIN), _MOST_PATIENCE)


def _accepted(
    task: StepTask, order: Order, said: VenueOrder, session: BrokerSession, *, doubted: bool
) -> None:
    """Record that the venue has the order, and go on unless somebody else has done so."""
    shared = context()
    with shared.store.direct() as link:
        recorded = orders.acknowledged(link, order, said, session.session_id, shared.timing)
    if recorded is None:
        recorded = _accepted_after_news(order, said, session)
    if recorded is None:
        task.end_chain()
        return
    if doubted or session.capabilities.remote:
        with shared.store.transaction() as connection:
            breakers.succeeded(connection, order.broker)
            alerts.resolve(connection, alerts.UNKNOWN_OUTCOME, order.order_id)
    if not said.state.is_final:
        # From here on, not from step 5 on: what fills in parts is heard of to its end.
        session.watch(order.for_venue())
    if order.parent_order_id is not None:
        fit_family(task.app, order)
    task.go_on(order.order_id, Step.AWAIT_FILL, order.broker, recorded)


def _accepted_after_news(order: Order, said: VenueOrder, session: BrokerSession) -> Order | None:
    """Record it on what news of the order have made of it, if its submission is still ours."""
    shared = context()
    with shared.store.transaction() as connection:
        now = _latest(connection, order)
        if now is None:
            return None
        return orders.acknowledged(connection, now, said, session.session_id, shared.timing)


def _latest(connection: Connection, order: Order) -> Order | None:
    """The order as news of it have left it, locked; None when somebody else has gone on with it.

    A venue may speak of an order before it answers who sent it.
    """
    now = load(connection, order.order_id, lock=True)
    if now is None or now.state is not order.state:
        return None
    ours = (order.attempt.intent_at, order.attempt.lease_owner)
    return now if (now.attempt.intent_at, now.attempt.lease_owner) == ours else None


def _unless_executed(connection: Connection, order: Order) -> Order:
    """The latest of an order that its venue says it does not have.

    Where it has reported executions it is the stale one, of which nothing can be made any more:
    they come first.
    """
    now = _latest(connection, order)
    return order if now is None or now.unapplied else now


def _refused(task: StepTask, order: Order, refusal: BrokerRejected) -> None:
    if refusal.scope is RejectionScope.SYMBOL:
        with context().store.transaction() as connection:
            now = _unless_executed(connection, order)
            halted(connection, now, refusal.reason, step=Step.SUBMIT_ORDER, code=refusal.code)
        if order.parent_order_id is not None:
            fit_family(task.app, order)
        return
    with context().store.transaction() as connection:
        rerouted = refused(
            connection,
            _unless_executed(connection, order),
            refusal.reason,
            step=Step.SUBMIT_ORDER,
            code=refusal.code,
            of_venue=refusal.scope is RejectionScope.VENUE,
            may_reroute=refusal.scope is not RejectionScope.TERMS,
        )
    if rerouted:
        send_reroute(task.app, order)
    elif order.parent_order_id is not None:
        fit_family(task.app, order)


def _never_left(
    task: StepTask, order: Order, session: BrokerSession, error: BrokerUnavailable
) -> None:
    shared, reason = context(), str(error)
    rerouted = False
    with shared.store.transaction() as connection:
        order = _unless_executed(connection, order)
        tried = tries.of_order(connection, order.order_id)
        # That a busy worker came too late, or held itself back, says nothing of the venue.
        fails = not isinstance(error, TooLate | RateLimited)
        count_failure(connection, order, reason, counts=fails and _is_first(tried))
        failing_for = max(session.down_for(), tried.failing_for(order.read_at) * fails)
        pause = _AGAIN if isinstance(error, TooLate) else tried.pause(order.read_at)
        # No waiting makes a venue accept a key, or an address.
        hopeless = isinstance(error, AccessRefused)
        if hopeless or failing_for > shared.settings.lost_connection_grace:
            again = _SHUT_OUT if hopeless else giving_up.WAIT
            rerouted = give_up(connection, order, reason, step=Step.SUBMIT_ORDER, again=again)
        elif session.capabilities.ids_once:
            following.anew(connection, order, reason, new_id(), pause, failed=fails)
        else:
            sent = isinstance(error, NotTaken)
            due = max(tried.wait(order.read_at), pause) if sent else pause
            orders.back_to_gateway(connection, order, reason, due, sent=sent, failed=fails)
    if rerouted:
        send_reroute(task.app, order)


def _in_doubt(order: Order, reason: str, due: timedelta, *, failed: bool = False) -> None:
    shared = context()
    with shared.store.transaction() as connection:
        order = _unless_executed(connection, order)
        if failed:
            first = _is_first(tries.of_order(connection, order.order_id))
            count_failure(connection, order, reason, counts=first)
        if orders.in_doubt(connection, order, reason, due):
            alerts.alert(
                connection,
                alerts.UNKNOWN_OUTCOME,
                order.order_id,
                f"order {order.client_order_id} at {order.broker}: {reason}",
                order_id=order.order_id,
                broker=order.broker,
            )


def _is_first(tried: Tries) -> bool:
    """Whether an order has just been tried for the first time of late.

    What fails again is that order's trouble: it opens no breaker for others.
    """
    return len(tried.intents) <= 1
