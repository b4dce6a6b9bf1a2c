"""What becomes of an order that its broker refuses, cannot take, or is not to be sent."""

from __future__ import annotations

from datetime import timedelta

from celery import Celery
from sqlalchemy import Connection

from execution.domain.capabilities import CAPABILITIES
from execution.domain.errors import KeptFromLive, NotAllowed, NothingToReduce
from execution.domain.lifecycle import Step
from execution.domain.orders import Order
from execution.domain.routing import fallback
from execution.domain.vocabulary import BrokerName, OnFailure
from execution.intake import new_id
from execution.store import alerts, breakers, giving_up
from workers.context import context


def give_up(
    connection: Connection,
    order: Order,
    reason: str,
    *,
    step: Step,
    again: timedelta = giving_up.WAIT,
) -> bool:
    """`giving_up.give_up`, with this process's settings; `send_reroute` is due when it is True."""
    return giving_up.give_up(
        connection,
        order,
        reason,
        step=step,
        attempt_id=new_id(),
        timing=context().timing,
        again=again,
    )


def refused(
    connection: Connection,
    order: Order,
    reason: str,
    *,
    step: Step,
    code: str | None = None,
    of_venue: bool = False,
    may_reroute: bool = True,
) -> bool:
    """Count a refusal of a sent order, and decide what follows; True as `give_up`.

    `of_venue`: it would have met any order, which is for the circuit breaker. `may_reroute` False:
    the venue never takes such an order, so it is not simulated either.
    """
    settings = context().settings
    count_failure(connection, order, reason, counts=of_venue or settings.breaker_counts == "all")
    return giving_up.refused(
        connection,
        order,
        reason,
        step=step,
        attempt_id=new_id(),
        timing=context().timing,
        reroutes=may_reroute and settings.reroute_refused,
        code=code,
    )


def halted(
    connection: Connection, order: Order, reason: str, *, step: Step, code: str | None = None
) -> None:
    """What becomes of an order whose venue takes none of its symbol for the time being.

    It waits, where its producer wants that or it reduces risk; else it is REJECTED: at a price that
    nobody can trade nothing is simulated.
    """
    if fallback(order.on_failure, reduces_risk=order.reduces_risk) is OnFailure.WAIT:
        giving_up.wait(connection, order, reason, new_id())
    else:
        giving_up.refuse(connection, order, reason, step=step, code=code)


def count_failure(connection: Connection, order: Order, reason: str, *, counts: bool) -> None:
    """Count a failed submission; `counts`: toward opening the broker's circuit breaker, too."""
    if not CAPABILITIES[order.broker].remote:
        return  # there is nothing to turn to, so nothing that a breaker could open
    breakers.failed(
        connection,
        order.broker,
        reason,
        counts=counts,
        threshold=context().settings.breaker_threshold,
    )


def send_reroute(app: Celery, order: Order) -> None:
    """Send the task that takes a rerouted order on."""
    app.send_task(
        "tasks.reroute_to_paper", args=(str(order.order_id),), queue=BrokerName.PAPER.queue
    )


def not_allowed(app: Celery, order: Order, refusal: NotAllowed, *, step: Step) -> None:
    """What a limit or a state of ours does not allow ends here, or waits; it is not simulated.

    What is only kept from a live broker goes to paper, where it may.
    """
    rerouted = False
    with context().store.transaction() as connection:
        if isinstance(refusal, KeptFromLive):
            rerouted = giving_up.keep_from_live(
                connection,
                order,
                str(refusal),
                step=step,
                attempt_id=new_id(),
                timing=context().timing,
            )
        elif refusal.waits:
            giving_up.wait(connection, order, str(refusal), new_id())
        else:
            exposes = not isinstance(refusal, NothingToReduce)
            giving_up.refuse(connection, order, str(refusal), step=step, exposes=exposes)
            # One that was in doubt has provably not arrived, or nobody would send it again.
            alerts.resolve(connection, alerts.UNKNOWN_OUTCOME, order.order_id)
            alerts.resolve(connection, alerts.WAITING, order.order_id)
    if rerouted:
        send_reroute(app, order)
