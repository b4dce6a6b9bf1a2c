"""What becomes of an order that its broker refuses, cannot take, or is not to be sent live."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy import Connection

from execution.domain.capabilities import CAPABILITIES
from execution.domain.lifecycle import Step
from execution.domain.order_changes import Timing
from execution.domain.orders import Order
from execution.domain.routing import fallback
from execution.domain.vocabulary import OnFailure, OrderState
from execution.store import alerts, following, orders, tries
from execution.store.statements import Link, Prepared

WAIT = timedelta(seconds=5)


def refused(
    connection: Connection,
    order: Order,
    reason: str,
    *,
    step: Step,
    attempt_id: UUID,
    timing: Timing,
    reroutes: bool,
    code: str | None = None,
) -> bool:
    """End, in the caller's transaction, an order that its broker has definitely refused: REJECTED.

    With `reroutes` (REROUTE_REFUSED) it is simulated instead, where its producer takes paper and
    nothing of it was live; not what a search did not find, which may turn up. True when it now
    stands for paper, as the attempt `attempt_id`, and its message is due after the commit.
    """
    choice = fallback(order.on_failure, reduces_risk=order.reduces_risk)
    if (
        not reroutes
        or choice is not OnFailure.PAPER
        or not CAPABILITIES[order.broker].remote
        or order.filled_quantity
        or not following.may_turn_to_paper(connection, order)
        or tries.is_doubted(connection, order.order_id)
    ):
        refuse(connection, order, reason, step=step, code=code)
        return False
    return _to_paper(
        connection, order, reason, step=step, attempt_id=attempt_id, timing=timing, code=code
    )


def give_up(
    connection: Connection,
    order: Order,
    reason: str,
    *,
    step: Step,
    attempt_id: UUID,
    timing: Timing,
    again: timedelta = WAIT,
) -> bool:
    """Decide, in the caller's transaction, about an order whose broker fails: on_failure does.

    For one that provably never left. True when it now stands for paper, as the attempt
    `attempt_id`, and its message is due after the commit. One on paper waits: its venue is a table
    beside the order's own, which comes back with the database. One that waits is tried `again`.
    """
    choice = _choice(connection, order)
    if choice is OnFailure.REJECT:
        refuse(connection, order, reason, step=step)
        return False
    if choice is OnFailure.WAIT:
        wait(connection, order, reason, attempt_id, again)
        return False
    return _to_paper(connection, order, reason, step=step, attempt_id=attempt_id, timing=timing)


def waits(connection: Connection, order: Order) -> bool:
    """Whether `give_up` would let an order wait for its broker."""
    return _choice(connection, order) is OnFailure.WAIT


def _choice(connection: Connection, order: Order) -> OnFailure:
    choice = fallback(order.on_failure, reduces_risk=order.reduces_risk)
    if not CAPABILITIES[order.broker].remote or (
        # An earlier attempt was live: the rest must not be simulated beside it.
        choice is OnFailure.PAPER and not following.may_turn_to_paper(connection, order)
    ):
        return OnFailure.WAIT
    return choice


def keep_from_live(
    connection: Connection,
    order: Order,
    reason: str,
    *,
    step: Step,
    attempt_id: UUID,
    timing: Timing,
) -> bool:
    """Turn an unsent order to paper, whatever it wants after a failure (FORCE_PAPER_TRADING).

    What reduces risk, and what follows an attempt that was live, waits instead. True as `give_up`.
    """
    if (
        order.reduces_risk
        or unwinds(connection, order.client_order_id)
        or not following.may_turn_to_paper(connection, order)
    ):
        wait(connection, order, reason, attempt_id)
        return False
    return _to_paper(connection, order, reason, step=step, attempt_id=attempt_id, timing=timing)


_UNWINDS = Prepared(
    """
    SELECT true AS unwinds FROM nav_group_legs
    WHERE client_order_id = CAST(:client_order_id AS text) AND purpose = 'REDUCING'
    """
)


def unwinds(link: Link, client_order_id: str) -> bool:
    """Whether an order closes a leg of the NAV arbitrage, reduce-only or not."""
    return bool(_UNWINDS.run(link, {"client_order_id": client_order_id}))


def _to_paper(
    connection: Connection,
    order: Order,
    reason: str,
    *,
    step: Step,
    attempt_id: UUID,
    timing: Timing,
    code: str | None = None,
) -> bool:
    rerouted = orders.reroute(
        connection,
        order,
        f"{order.broker}: {reason}",
        attempt_id=attempt_id,
        step=step,
        timing=timing,
        code=code,
    )
    if rerouted:
        # It waits for that broker no more, and one that was in doubt has provably not arrived.
        alerts.resolve(connection, alerts.WAITING, order.order_id)
        alerts.resolve(connection, alerts.UNKNOWN_OUTCOME, order.order_id)
    return rerouted


def wait(
    connection: Connection,
    order: Order,
    reason: str,
    attempt_id: UUID,
    again: timedelta = WAIT,
) -> None:
    """Let an order that is at no venue wait, with an alert, and try `again` after that.

    As the attempt `attempt_id`, where its venue has heard of this one and takes no id twice.
    """
    if order.state is OrderState.PENDING:
        orders.gateway_waits(connection, order, reason, again)
    elif CAPABILITIES[order.broker].ids_once:
        following.anew(connection, order, reason, attempt_id, again, sent=True)
    else:
        orders.back_to_gateway(connection, order, reason, again)
    _alert(connection, order, alerts.WAITING, f"waits for {order.broker}: {reason}")


def refuse(
    connection: Connection,
    order: Order,
    reason: str,
    *,
    step: Step,
    code: str | None = None,
    exposes: bool = True,
) -> None:
    """End an order that no venue will take: REJECTED, or CANCELLED for the rest of a filled one.

    What of a bracket's position is then without its stop its family reports. `exposes` False: there
    is nothing that the order could have protected or closed.
    """
    state = OrderState.CANCELLED if order.filled_quantity else OrderState.REJECTED
    # The attempt's own end: what the venue never had is not cancelled there.
    ended = OrderState.CANCELLED if order.attempt.filled_quantity else OrderState.REJECTED
    orders.settle(connection, order, state, reason, step=step, code=code, attempt_state=ended)
    if order.parent_order_id is not None or not exposes:
        return
    unprotected(connection, order, reason)
    if not following.may_turn_to_paper(connection, order):
        _alert(connection, order, alerts.REPLACEMENT_REFUSED, f"was changed, and refused: {reason}")


def unprotected(connection: Connection, order: Order, reason: str) -> None:
    """Raise an alert when an order that has just been refused was to reduce risk.

    Of a bracket's child its family says so, if nothing takes its place within a few seconds.
    """
    if order.reduces_risk and order.parent_order_id is None:
        _alert(connection, order, alerts.UNPROTECTED, f"was to reduce risk: {reason}")


def _alert(connection: Connection, order: Order, kind: str, what: str) -> None:
    alerts.alert(
        connection,
        kind,
        order.order_id,
        f"order {order.client_order_id} {what}",
        order_id=order.order_id,
        broker=order.broker,
    )
