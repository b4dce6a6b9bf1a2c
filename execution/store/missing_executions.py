"""A venue says that it has filled more of an order than it has reported executions of.

Mostly they come a moment later. Where they never come (the venue filled a part on a day on which
nobody listened, and lists only the executions of today) the order can neither end nor go on by
itself: an alert names it and the quantity, and a person books what is missing (`resolving`).
"""

from __future__ import annotations

import json
from datetime import timedelta

from sqlalchemy import Connection, text

from execution.domain.decimals import plain
from execution.domain.orders import Order
from execution.store import alerts, loading, orders

LABEL = "executions_missing"
_AGAIN = timedelta(seconds=1)
_SELDOM = timedelta(seconds=30)
"""How long until a venue is asked again, before and after the alert."""


def wait_for(connection: Connection, order: Order, patience: timedelta) -> None:
    """Ask again when due; raise the alert once they have been missing for `patience`.

    The wait begins anew whenever the venue or we have another quantity. `order` is as it was read
    before its venue was asked for them, in vain.
    """
    attempt = order.attempt
    if attempt.reported_quantity is None:
        return
    # As it is by now: the line of history must not show it as it was before the venue was asked.
    loading.lock_order(connection, order.order_id)
    totals = {
        "venue_quantity": plain(attempt.reported_quantity),
        "our_quantity": plain(attempt.filled_quantity),
    }
    overdue: bool = connection.execute(
        _NOTED,
        {
            "order_id": order.order_id,
            "label": LABEL,
            "broker": order.broker,
            "attempt_no": attempt.attempt_no,
            "totals": json.dumps(totals),
            "patience": patience,
        },
    ).scalar_one()
    orders.postpone(connection, order, _SELDOM if overdue else _AGAIN)
    if not overdue:
        return
    missing = attempt.reported_quantity - attempt.filled_quantity
    what = (
        f"{plain(missing)} {order.symbol} missing"
        if missing > 0
        else f"{plain(-missing)} {order.symbol} more"
    )
    alerts.alert(
        connection,
        alerts.EXECUTIONS_MISSING,
        order.order_id,
        f"order {order.client_order_id}: {order.broker} has filled {totals['venue_quantity']} of "
        f"it and reported executions of {totals['our_quantity']}: {what}",
        order_id=order.order_id,
        broker=order.broker,
    )


# One line of history for each pair of totals, with the time since when they have differed.
_NOTED = text(
    """
    WITH noted AS (
        SELECT min(at) AS since FROM order_events
        WHERE order_id = :order_id AND step = :label AND attempt_no = :attempt_no
            AND detail = CAST(:totals AS jsonb)
    ), line AS (
        INSERT INTO order_events (order_id, step, state, broker, attempt_no, detail)
        SELECT :order_id, :label, o.state, :broker, :attempt_no, CAST(:totals AS jsonb)
        FROM noted, orders o WHERE since IS NULL AND o.order_id = :order_id
    )
    SELECT coalesce(clock_timestamp() - since, interval '0') >= :patience FROM noted
    """
)
