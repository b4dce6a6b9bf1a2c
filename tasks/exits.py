"""Reduce-only orders: what their venue takes, waiting for room, and making room for others."""

from __future__ import annotations

from celery import Celery

from execution.domain.lifecycle import Step
from execution.domain.orders import Order
from execution.exits import Venue
from execution.intake import new_id
from execution.store import reducing, sharing
from execution.store.loading import load_by_client_id
from execution.store.reducing import place_of
from tasks.instruct import send_command
from tasks.step import StepTask
from workers.chains import fit_brackets, send_from
from workers.context import context
from workers.session import BrokerSession

_LOOK_AGAIN = 0.25
"""Seconds until an exit is looked at again whose protection is making room for it."""


def venue_of(session: BrokerSession, order: Order) -> Venue:
    """What the venue takes of a reduce-only order, which may be cut; nothing is asked for others.

    Raises BrokerRejected or BrokerUnavailable.
    """
    if not order.is_exit:
        return Venue()
    return Venue(session.rules(order.instrument))


def share_out(app: Celery, order: Order) -> None:
    """Share an order's position out anew, now that it has moved.

    Not in the transaction that moves it: what is not done by this, recovery finds.
    """
    shared, place = context(), place_of(order)
    with shared.store.direct() as link:
        if not reducing.any_against(link, place):
            return
    with shared.store.transaction() as connection:
        done = sharing.share_out(connection, place, new_id)
        about = [
            (asked.command_id, load_by_client_id(connection, asked.client_order_id))
            for asked in done.commands
        ]
    for command_id, exit_order in about:
        if exit_order is not None:
            send_command(app, command_id, exit_order)
    fit_brackets(app, order.broker, done.brackets)


def wait_for_room(task: StepTask, order: Order, *, newly: bool) -> None:
    """Look at an order again soon whose room is being made; recovery does where this is lost.

    `newly`: brackets have just been asked for it.
    """
    if newly:
        with context().store.direct() as link:
            book = reducing.read(link, place_of(order), order.side).book
        giving = [one.parent_id for one in book.brackets if one.stands > one.covers]
        fit_brackets(task.app, order.broker, giving)
    send_from(
        task.app,
        order.order_id,
        Step.SUBMIT_ORDER,
        order.broker,
        order.attempt.channel,
        countdown=_LOOK_AGAIN,
    )
    task.end_chain()
