"""Carries a modify out: in place where the venue can, else by a cancel and a new attempt."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from sqlalchemy import Connection

from execution.domain.changes import (
    GIVE_UP,
    changes_nothing,
    fitted,
    in_words,
    made,
    may_send,
    of_attempt,
    terms_after,
)
from execution.domain.commands import CommandKind, why_not
from execution.domain.errors import (
    BrokerError,
    BrokerRejected,
    BrokerUnavailable,
    NotTradedNow,
    RequestRefused,
)
from execution.domain.instruments import Instrument
from execution.domain.lifecycle import Step
from execution.domain.orders import Order
from execution.domain.ports import Modification
from execution.domain.reports import VenueOrder
from execution.domain.risk.exposure import left
from execution.domain.trading_rules import needs_price
from execution.domain.vocabulary import OrderState
from execution.intake import new_id
from execution.store import alerts, amendments, commands, following, sharing
from execution.store.commands import DONE, Command
from execution.store.loading import load_by_client_id, lock_order
from execution.store.reducing import place_of
from tasks import modify_child
from tasks.command_results import ask_later, done, later, record_news, refuse, refuse_in
from tasks.instruct import send_command
from tasks.step import StepTask
from tasks.venue_requests import MOST_REFUSALS, find, send_cancel
from workers.context import context
from workers.registry import session_of
from workers.session import BrokerSession

_NOW, _SOON = timedelta(0), timedelta(seconds=1)


def modify(task: StepTask, command: Command, order: Order) -> None:
    """Take a pending modify one step further."""
    if command.ours and order.is_exit and not command.sent:
        _make_smaller(task, command, order)
        return
    if modify_child.concerns(order):
        _modify_child(task, command, order)
        return
    problem = why_not(order, command.request, sent=command.sent)
    if problem is None and command.sent and not command.ours:
        problem = context().gate.change_halted(order, command.modification)
    if command.sent and order.attempt.replacement is not None:
        _cancel_to_replace(task, command, order)
    elif command.sent:
        _change_in_place(task, command, order, problem)
    elif problem is not None:
        refuse(command, order, problem)
    elif order.state is OrderState.PENDING:
        _change_unsent(task, command, order)
    elif order.state.is_working:
        _set_out(task, command, order, command.modification)
    else:
        later(command, f"the order is {order.state}")


def _make_smaller(task: StepTask, command: Command, order: Order) -> None:
    """Make an exit as small as its position wants it now, or cancel it where nothing is left."""
    if not order.state.is_working:
        if order.state.is_final or order.state is OrderState.PENDING:  # that is cut when it is sent
            done(command, order)
        else:
            later(command, f"the order is {order.state}")
        return
    with context().store.transaction() as connection:
        size = sharing.size_of(connection, place_of(order), order.order_id)
    if size is None or size >= left(order):
        done(command, order)
    elif size <= 0:
        _cancel_instead(task, command, order)
    else:
        _set_out(task, command, order, Modification(quantity=order.filled_quantity + size))


def _cancel_instead(task: StepTask, command: Command, order: Order) -> None:
    """End an exit of which nothing that its venue would take is left."""
    with context().store.transaction() as connection:
        if not commands.settle(connection, command.command_id, DONE, "cancelled instead", []):
            return
        cancel = new_id()
        sharing.record(connection, cancel, CommandKind.CANCEL, order.client_order_id, {})
    send_command(task.app, cancel, order)


def _modify_child(task: StepTask, command: Command, order: Order) -> None:
    if command.sent:
        modify_child.look(task, command, order)
        return
    change = _fitted(task, command, order, command.modification, in_place=False)
    if change is not None:
        modify_child.set_out(task, command, order, change)


def _change_unsent(task: StepTask, command: Command, order: Order) -> None:
    """Change what is at no venue yet. Step 3 fits an order to its venue; after it, this does."""
    change: Modification | None = command.modification
    if order.step >= Step.CONNECT_GATEWAY:
        change = _fitted(task, command, order, command.modification, in_place=False)
    if change is None:
        return
    mid = _mid(order)
    with context().store.transaction() as connection:
        problem = context().gate.change(connection, order, change, mid)
        if problem is not None:
            refuse_in(connection, command, order, problem)
        elif amendments.modified(connection, order, change):
            commands.settle(connection, command.command_id, DONE, None, [])
        else:
            commands.postpone(connection, command.command_id, _NOW)


def _set_out(task: StepTask, command: Command, order: Order, asked: Modification) -> None:
    """Commit the intent to change, one at a time, then send it."""
    try:
        modifies = session_of(order.broker, order.attempt.channel).capabilities.modifies
    except BrokerError as error:
        later(command, str(error))
        return
    in_place = asked.names() <= modifies
    change = _fitted(task, command, order, asked, in_place=in_place)
    if change is None:
        return
    mid = _mid(order)
    with context().store.transaction() as connection:
        if not _intended(connection, command, order, change, mid, in_place=in_place):
            return
        current = load_by_client_id(connection, command.client_order_id)
        under_way = commands.load(connection, command.command_id)
    if current is None or under_way is None:
        return
    if in_place:
        _change_in_place(task, under_way, current, None)
    else:
        _cancel_to_replace(task, under_way, current)


def _intended(
    connection: Connection,
    command: Command,
    order: Order,
    change: Modification,
    mid: Decimal | None,
    *,
    in_place: bool,
) -> bool:
    """Whether a change may set out, its intent written; otherwise the command ends or waits."""
    lock_order(connection, order.order_id)
    if commands.another_under_way(connection, command):
        commands.postpone(connection, command.command_id, _SOON, "another change is under way")
        return False
    if command.ours and order.is_exit:
        size = sharing.size_of(connection, place_of(order), order.order_id)
        if size is None or order.filled_quantity + size < (change.quantity or 0):
            commands.postpone(connection, command.command_id, _NOW)
            return False
    # What makes an exit smaller passes a halt, like the size of a bracket's children.
    problem = None if command.ours else context().gate.change(connection, order, change, mid)
    if problem is not None:
        refuse_in(connection, command, order, problem)
        return False
    if changes_nothing(order, change):
        if amendments.modified(connection, order, change):
            commands.settle(connection, command.command_id, DONE, None, [])
        return False
    if in_place:
        intended = amendments.modify_intended(connection, order, command.external_id)
    else:
        names = (command.command_id, command.external_id)
        intended = following.intended(connection, order, change, *names)
    if intended:
        commands.mark_sent(connection, command.command_id, change)
    else:
        commands.postpone(connection, command.command_id, _NOW)
    return intended


def _fitted(
    task: StepTask, command: Command, order: Order, asked: Modification, *, in_place: bool
) -> Modification | None:
    """A change as its venue takes it.

    None, the command refused, where the venue takes no such order; postponed, where it is away.
    """
    change = asked
    try:
        session = session_of(order.broker, order.attempt.channel)
        rules = session.rules(order.instrument)
        if rules is not None:
            price = None
            if needs_price(terms_after(order, asked, in_place=in_place), rules):
                price = session.price_of(order.instrument)
            change = fitted(order, asked, rules, reference_price=price, in_place=in_place)
    except NotTradedNow as halted:
        if command.ours:
            later(command, str(halted))
        else:
            refuse(command, order, str(halted))
        return None
    except (RequestRefused, BrokerRejected) as refusal:
        if command.ours and order.is_exit:
            _cancel_instead(task, command, order)
        else:
            refuse(command, order, str(refusal))
        return None
    except BrokerError as error:
        later(command, str(error))
        return None
    request = command.request.model_copy(update={"quantity": change.quantity})
    problem = why_not(order, request, sent=command.ours)
    if problem is not None:
        refuse(command, order, problem)
        return None
    return change


def _cancel_to_replace(task: StepTask, command: Command, order: Order) -> None:
    """Cancel the attempt at the venue; step 5 lets the next one follow once it is over.

    An attempt that the venue does not cancel goes on as it was, and the change is refused.
    """
    if order.state.is_final:
        refuse(command, order, f"too late: the order is {order.state}")
        return
    try:
        session = session_of(order.broker, order.attempt.channel)
        refusal = send_cancel(session, command, order)
    except BrokerUnavailable as error:
        later(command, str(error))
        return
    said = find(session, order)
    record_news(task, order, said)
    over = said is not None and said.state.is_final
    if over or refusal is None or said is None or command.sends + 1 < MOST_REFUSALS:
        ask_later(command, refusal or f"asked of {order.broker}, and not cancelled yet")
        return
    with context().store.transaction() as connection:
        latest = load_by_client_id(connection, command.client_order_id, lock=True)
        if latest is not None and following.withdrawn(connection, latest, refusal):
            refuse_in(connection, command, order, refusal)


def _change_in_place(task: StepTask, command: Command, order: Order, problem: str | None) -> None:
    """Send a change, and again where the venue shows the old terms for long; then judge by them.

    `problem` is why it may not be sent any more. What was sent before may have been made all the
    same, so the venue is looked at before it is refused.
    """
    try:
        session = session_of(order.broker, order.attempt.channel)
    except BrokerUnavailable as error:
        later(command, str(error))
        return
    if command.sends and not _is_still_open(task, command, order, session, problem):
        return
    if problem is not None:
        refuse(command, order, problem)
        return
    shared, attempt = context(), order.for_venue()
    change = of_attempt(order, command.modification)
    to_venue = replace(change, send_by=order.read_at + shared.timing.submit_window)
    with shared.store.transaction() as connection:
        if not commands.sending(connection, command):
            return
    said, reason = None, None
    try:
        said = session.call(
            lambda adapter: adapter.modify(attempt, to_venue), shared.settings.broker_call_timeout
        )
    except BrokerRejected as refusal:
        said, reason = find(session, order), refusal.reason
    except BrokerUnavailable as error:
        with shared.store.transaction() as connection:
            commands.never_left(connection, command)
        later(command, str(error))
        return
    except BrokerError as error:
        ask_later(command, str(error))
        return
    verdict = None if said is None else made(change, said)
    if verdict is True or (verdict is None and reason is None):
        _made(task, command, order, said)
    elif reason is not None:
        record_news(task, order, said)
        refuse(command, order, reason)
    else:
        record_news(task, order, said)
        ask_later(command, _not_yet(order, change, said))


def _is_still_open(
    task: StepTask, command: Command, order: Order, session: BrokerSession, problem: str | None
) -> bool:
    """Look at what became of a change that was sent; False when that decides, or is waited for."""
    said, change = find(session, order), of_attempt(order, command.modification)
    if said is None:
        ask_later(command, f"sent, and {order.broker} cannot say what became of it")
        return False
    verdict = made(change, said)
    if verdict is True:
        _made(task, command, order, said)
        return False
    record_news(task, order, said)
    note = _not_yet(order, change, said)
    if said.state.is_final:
        refuse(command, order, f"too late: the order is {said.state}")
        return False
    if command.since_last_send < _on_its_way(session):
        ask_later(command, note)
        return False
    if problem is not None:
        if verdict is False:
            refuse(command, order, problem)
        else:
            ask_later(command, problem)
        return False
    if command.since_sent > GIVE_UP:
        refuse(command, order, f"sent {command.sends} times: {note}")
        return False
    if not may_send(command.sends, command.since_sent, command.since_last_send):
        ask_later(command, note)
        return False
    return True


def _made(task: StepTask, command: Command, order: Order, said: VenueOrder | None) -> None:
    """Take the new terms over, and what the venue said with them."""
    with context().store.transaction() as connection:
        latest = load_by_client_id(connection, command.client_order_id, lock=True)
        settled = commands.settle(connection, command.command_id, DONE, None, [])
        if latest is not None and settled:
            amendments.modified(connection, latest, command.modification)
        if settled and command.ours:
            alerts.resolve(connection, alerts.CHANGE_REFUSED, order.order_id)
    record_news(task, order, said)


def _not_yet(order: Order, change: Modification, said: VenueOrder | None) -> str:
    differs = "" if said is None else in_words(change, said)
    return f"{order.broker} shows {differs or 'its old terms'}"


def _on_its_way(session: BrokerSession) -> timedelta:
    """How long a change that was sent may still arrive."""
    return context().timing.submit_window + session.capabilities.absence_proven_after


def _mid(order: Order) -> Decimal | None:
    """What the market trades at, where a limit asks for it; asked before any lock is taken."""
    gate = context().gate

    def price_of(instrument: Instrument) -> Decimal | None:
        try:
            return session_of(order.broker).price_of(instrument)
        except BrokerError:
            return None

    return gate.mid(order, gate.concern(order), price_of)
