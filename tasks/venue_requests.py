"""What commands ask of a venue: a cancel, at most twice a minute, and how an order stands."""

from __future__ import annotations

from execution.domain.changes import may_send
from execution.domain.errors import BrokerError, BrokerRejected, BrokerUnavailable
from execution.domain.orders import Order
from execution.domain.reports import VenueOrder
from execution.store import commands
from execution.store.commands import Command
from workers.context import context
from workers.session import BrokerSession

MOST_REFUSALS = 2
"""How often a venue refuses the cancel of an order that works on before that is believed."""


def send_cancel(session: BrokerSession, command: Command, order: Order) -> str | None:
    """Ask for a cancel unless that was done a short time ago; why it is refused, or None.

    Raises BrokerUnavailable when it never left.
    """
    if not may_send(command.sends, command.since_sent, command.since_last_send):
        return None
    shared, attempt = context(), order.for_venue()
    with shared.store.transaction() as connection:
        if not commands.sending(connection, command):
            return None
    try:
        session.call(lambda adapter: adapter.cancel(attempt), shared.settings.broker_call_timeout)
    except BrokerRejected as refusal:
        return refusal.reason
    except BrokerUnavailable:
        with shared.store.transaction() as connection:
            commands.never_left(connection, command)
        raise
    except BrokerError:
        """It may have arrived: the order itself tells."""
    return None


def find(session: BrokerSession, order: Order) -> VenueOrder | None:
    """The order's attempt as its venue shows it; None where it does not, or cannot be asked."""
    attempt = order.for_venue()
    try:
        return session.call(
            lambda adapter: adapter.find(attempt), context().settings.broker_call_timeout
        )
    except BrokerError:
        return None
