"""What a venue holds against what we have of it: breaks to be looked at, corrected by nobody here.

Sources: the usual broker reconciliation of open orders and positions; see docs/architecture.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from execution.domain.orders import Order
from execution.domain.reports import VenueOrder, VenuePosition
from execution.domain.vocabulary import OrderState

FOREIGN_ORDER = "FOREIGN_ORDER"
STILL_OPEN = "STILL_OPEN"
POSITION_BREAK = "POSITION_BREAK"
MISSING_ORDER = "MISSING_ORDER"


@dataclass(frozen=True, slots=True)
class Known:
    """One of our attempts at the venue."""

    order_id: UUID
    client_order_id: str
    state: OrderState


@dataclass(frozen=True, slots=True)
class Break:
    """One thing that differs; `key` tells it from others of its kind at its broker."""

    kind: str
    key: str
    message: str
    order_id: UUID | None = None


def compare_orders(at_venue: Iterable[VenueOrder], ours: Mapping[str, Known]) -> list[Break]:
    """Orders that work at the venue and are none of ours, or are over here.

    `ours` is by the id that we gave it there. What works here and not there is asked for: see
    `missing`.
    """
    breaks = []
    for order in at_venue:
        known = ours.get(order.venue_order_id or "")
        what = f"{order.side} {order.quantity} {order.symbol} ({order.broker_order_id})"
        if known is None:
            message = f"{what} works at the venue and is no order of ours"
            breaks.append(Break(FOREIGN_ORDER, order.broker_order_id, message))
        elif known.state.is_final:
            message = f"{what} works at the venue; order {known.client_order_id} is {known.state}"
            breaks.append(Break(STILL_OPEN, order.broker_order_id, message, known.order_id))
    return breaks


def missing(order: Order, why: str | None) -> Break:
    """An order that works here, of which its venue knows nothing any more; `why` is its word."""
    what = f"order {order.client_order_id} ({order.attempt.venue_order_id}) is {order.state} here"
    message = f"{what}, and {order.broker} shows no such order" + (f": {why}" if why else "")
    return Break(MISSING_ORDER, order.attempt.venue_order_id, message, order.order_id)


def compare_holdings(at_venue: Mapping[str, Decimal], ours: Mapping[str, Decimal]) -> list[Break]:
    """Currencies of which a spot account holds less than our trades alone have brought.

    It may hold more: what was there before, or was paid in. What was only spent proves nothing.
    """
    return [
        Break(
            POSITION_BREAK,
            currency,
            f"{currency}: the venue holds {at_venue.get(currency, Decimal(0))}, "
            f"our executions alone have brought {ours[currency]}",
        )
        for currency in sorted(ours)
        if ours[currency] > 0 and at_venue.get(currency, Decimal(0)) < ours[currency]
    ]


def compare_positions(
    at_venue: Iterable[VenuePosition], ours: Mapping[tuple[str, str], Decimal], own: str
) -> list[Break]:
    """Symbols of which the venue says we hold another quantity than our executions add up to.

    `ours` is by account and symbol; `own` is the login's own account, which goes without saying.
    """
    held = {(one.account or own, one.symbol): one.quantity for one in at_venue}
    breaks = []
    for account, symbol in sorted(held.keys() | ours.keys()):
        there, here = (side.get((account, symbol), Decimal(0)) for side in (held, ours))
        if there != here:
            mine = account == own
            where = symbol if mine else f"{symbol} in account {account}"
            message = f"{where}: the venue holds {there}, our executions add up to {here}"
            breaks.append(Break(POSITION_BREAK, symbol if mine else f"{account}:{symbol}", message))
    return breaks
