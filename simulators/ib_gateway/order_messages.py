"""openOrder, orderStatus and completedOrder, field by field.

What an order here does not have is filled in as TWS fills it in; the values were compared with
messages that users of TWS have recorded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from simulators.ib_gateway import times
from simulators.ib_gateway.contracts import Contract, full_form
from simulators.ib_gateway.options import GatewayOptions
from simulators.ib_gateway.records import TWS_TYPES, Order
from simulators.ib_gateway.wire import (
    UNSET_DOUBLE,
    UNSET_INTEGER,
    UNSET_LONG,
    Value,
    rounded,
    tidy,
)

Message = Sequence[Value]

# An order type of None opens the block of the delta neutral order's fields.
_DELTA_NEUTRAL = ("None", "", 0, "", "", "", "?", 0, 0, "")
_DELTA_NEUTRAL_COMPLETED = ("None", "", 0, 0, 0, "")
# Sizes, increment and hedge type; without an increment the rest of a scale is left out.
_SCALE_AND_HEDGE = (UNSET_INTEGER, UNSET_INTEGER, "", "")
# Clearing account and intent, notHeld, no delta neutral contract, no algorithm.
_CLEARING = ("", "IB", 0, 0, "")


@dataclass(frozen=True, slots=True)
class Preview:
    """What a what-if order would do to the account: margins, equity and commission."""

    initial_before: Decimal
    initial_change: Decimal
    maintenance_before: Decimal
    maintenance_change: Decimal
    equity_before: Decimal
    equity_change: Decimal
    commission: Decimal
    currency: str

    def fields(self) -> Sequence[Value]:
        """Before, change and after of each; then the commission, its bounds and currency."""
        rows = (self.initial_before, self.maintenance_before, self.equity_before)
        changes = (self.initial_change, self.maintenance_change, self.equity_change)
        after = [before + change for before, change in zip(rows, changes, strict=True)]
        values = [rounded(value) for value in (*rows, *changes, *after)]
        return (*values, self.commission, "", "", self.currency)


def order_status(order: Order) -> Message:
    """How an order stands."""
    return (
        3,
        order.order_id,
        order.status,
        order.filled_quantity,
        order.leaves,
        rounded(order.average_price),
        order.perm_id,
        order.parent_id,
        order.last_price,
        order.client_id,
        order.why_held,
        0,  # mktCapPrice
    )


def open_order(
    order: Order,
    contract: Contract,
    *,
    commission: tuple[Decimal, str] | None = None,
    preview: Preview | None = None,
) -> Message:
    """An order with its state; with its commission once it is charged."""
    charged: Sequence[Value] = ("", "", "", "")
    if commission is not None:
        charged = (commission[0], "", "", commission[1])
    state = preview.fields() if preview else (*([UNSET_DOUBLE] * 9), *charged)
    return (
        5,
        order.order_id,
        *full_form(contract, order.exchange, right="?"),
        *_terms(order),
        order.client_id,
        order.perm_id,
        order.outside_rth,
        0,  # hidden
        0,  # discretionaryAmt
        _good_after(order),
        f"{order.perm_id}.0/{order.account}/{tidy(order.total)}",
        *([""] * 5),  # faGroup, faMethod, faPercentage, faProfile, modelCode
        order.good_till,
        *([""] * 3),  # rule80A, percentOffset, settlingFirm
        0,  # shortSaleSlot
        "",  # designatedLocation
        -1,  # exemptCode
        0,  # auctionStrategy
        *([""] * 5),  # startingPrice, stockRefPrice, delta, stockRangeLower, stockRangeUpper
        UNSET_INTEGER,  # displaySize
        0,  # blockOrder
        0,  # sweepToFill
        0,  # allOrNone
        "",  # minQty
        order.oca_type,
        0,  # eTradeOnly
        0,  # firmQuoteOnly
        "",  # nbboPriceCap
        order.parent_id,
        0,  # triggerMethod
        "",  # volatility
        0,  # volatilityType
        *_DELTA_NEUTRAL,
        0,  # continuousUpdate
        0,  # referencePriceType
        _trail_stop(order),
        order.trail_percent,
        *([""] * 3),  # basisPoints, basisPointsType, comboLegsDescrip
        0,  # comboLegs
        0,  # orderComboLegs
        0,  # smartComboRoutingParams
        *_SCALE_AND_HEDGE,
        0,  # optOutSmartRouting
        *_CLEARING,
        0,  # solicited
        preview is not None,
        order.status,
        *state,
        "",  # warningText
        0,  # randomizeSize
        0,  # randomizePrice
        0,  # conditions
        "None",  # adjustedOrderType
        UNSET_DOUBLE,  # triggerPrice
        _trail_stop(order) or UNSET_DOUBLE,
        *([UNSET_DOUBLE] * 4),  # lmtPriceOffset, adjusted stop, stop limit, trailing amount
        0,  # adjustableTrailingUnit
        *([""] * 3),  # softDollarTier
        0,  # cashQty
        1,  # dontUseAutoPriceForHedge
        0,  # isOmsContainer
        0,  # discretionaryUpToLimitPrice
        0,  # usePriceMgmtAlgo
        "",  # duration
        "",  # postToAts
        0,  # autoCancelParent
        *([""] * 5),  # minTradeQty to midOffsetAtHalf
    )


def completed_order(order: Order, contract: Contract, options: GatewayOptions) -> Message:
    """An order that is over.

    It has no order id and no client id, and its quantity is what is left of it: 0 when it filled.
    """
    ended = order.ended_at or order.accepted_at
    over = "Cancelled" if order.status == "Inactive" else order.status
    return (
        101,
        *full_form(contract, order.exchange, right="?"),
        *_terms(order, quantity=order.leaves),
        order.perm_id,
        order.outside_rth,
        0,  # hidden
        0,  # discretionaryAmt
        _good_after(order),
        *([""] * 5),  # faGroup, faMethod, faPercentage, faProfile, modelCode
        order.good_till,
        *([""] * 3),  # rule80A, percentOffset, settlingFirm
        0,  # shortSaleSlot
        "",  # designatedLocation
        -1,  # exemptCode
        *([""] * 5),  # startingPrice, stockRefPrice, delta, stockRangeLower, stockRangeUpper
        UNSET_INTEGER,  # displaySize
        0,  # sweepToFill
        0,  # allOrNone
        "",  # minQty
        order.oca_type,
        0,  # triggerMethod
        "",  # volatility
        0,  # volatilityType
        *_DELTA_NEUTRAL_COMPLETED,
        0,  # continuousUpdate
        0,  # referencePriceType
        _trail_stop(order),
        order.trail_percent,
        "",  # comboLegsDescrip
        0,  # comboLegs
        0,  # orderComboLegs
        0,  # smartComboRoutingParams
        *_SCALE_AND_HEDGE,
        *_CLEARING,
        0,  # solicited
        over,
        0,  # randomizeSize
        0,  # randomizePrice
        0,  # conditions
        _trail_stop(order) or UNSET_DOUBLE,
        UNSET_DOUBLE,  # lmtPriceOffset
        0,  # cashQty
        1,  # dontUseAutoPriceForHedge
        0,  # isOmsContainer
        "",  # autoCancelDate
        order.filled_quantity,
        UNSET_INTEGER,  # refFuturesConId
        0,  # autoCancelParent
        "Not an insider or substantial shareholder",
        0,  # imbalanceOnly
        0,  # routeMarketableToBbo
        order.parent_perm_id or UNSET_LONG,
        times.with_zone(ended, options.time_zone),
        order.completed,
        *([""] * 5),  # minTradeQty to midOffsetAtHalf
    )


def _terms(order: Order, quantity: Decimal | None = None) -> Sequence[Value]:
    """From the side to the orderRef: what was asked."""
    aux = order.trail_amount if order.order_type == "TRAILING_STOP" else order.stop_price
    return (
        order.side,
        order.total if quantity is None else quantity,
        TWS_TYPES[order.order_type],
        order.limit_price or "0.0",
        aux or "0.0",
        order.time_in_force,
        order.oca_group,
        order.account,
        "",  # openClose
        0,  # origin
        order.venue_order_id,
    )


def _trail_stop(order: Order) -> Value:
    return order.stop_price if order.order_type == "TRAILING_STOP" else None


def _good_after(order: Order) -> str:
    return f"{order.good_after:%Y%m%d-%H:%M:%S}" if order.good_after else ""
