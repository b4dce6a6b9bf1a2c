"""Reads placeOrder, field by field as the TWS API of server version 176 sends it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from simulators.ib_gateway.contracts import Description, read_description
from simulators.ib_gateway.wire import Fields


@dataclass(frozen=True, slots=True)
class PlaceOrder:
    """A placeOrder message: what this gateway understands of it, in TWS's own words.

    `beyond` names what was asked for that it does not do.
    """

    order_id: int
    described: Description
    action: str
    quantity: Decimal | None
    order_type: str
    limit_price: Decimal | None
    aux_price: Decimal | None
    tif: str
    oca_group: str
    account: str
    order_ref: str
    transmit: bool
    parent_id: int
    outside_rth: bool
    good_after: str
    good_till: str
    oca_type: int
    trail_stop_price: Decimal | None
    trailing_percent: Decimal | None
    what_if: bool
    beyond: str


def read_place_order(message: Sequence[str]) -> PlaceOrder:
    """The order that a message of id 3 describes. BadMessage when it cannot be read."""
    fields = Fields(message)
    fields.skip(1)
    order_id = fields.integer()
    described = read_description(fields)
    fields.skip(2)  # secIdType, secId
    action = fields.text().upper()
    quantity = fields.number()
    order_type = fields.text().upper()
    limit_price, aux_price = fields.number(), fields.number()
    tif, oca_group, account = fields.text().upper(), fields.text(), fields.text()
    fields.skip(2)  # openClose, origin
    order_ref, transmit, parent_id = fields.text(), fields.flag(), fields.integer()
    fields.skip(4)  # blockOrder, sweepToFill, displaySize, triggerMethod
    outside_rth = fields.flag()
    fields.skip(1)  # hidden
    if described.sec_type == "BAG":
        _skip_legs(fields)
    fields.skip(2)  # sharesAllocation, discretionaryAmt
    good_after, good_till = fields.text(), fields.text()
    fields.skip(8)  # faGroup to exemptCode
    oca_type = fields.integer()
    fields.skip(14)  # rule80A to stockRangeUpper
    trail_stop_price, trailing_percent = _skip_to_trail(fields)
    what_if, beyond = _skip_to_end(fields, order_type)
    return PlaceOrder(
        order_id=order_id,
        described=described,
        action=action,
        quantity=quantity,
        order_type=order_type,
        limit_price=limit_price,
        aux_price=aux_price,
        tif=tif,
        oca_group=oca_group,
        account=account,
        order_ref=order_ref,
        transmit=transmit,
        parent_id=parent_id,
        outside_rth=outside_rth,
        good_after=good_after,
        good_till=good_till,
        oca_type=oca_type,
        trail_stop_price=trail_stop_price,
        trailing_percent=trailing_percent,
        what_if=what_if,
        beyond=beyond,
    )


def _skip_legs(fields: Fields) -> None:
    """The legs of a combination, their prices and routing parameters."""
    for size in (8, 1, 2):
        fields.skip(size * fields.integer())


def _skip_to_trail(fields: Fields) -> tuple[Decimal | None, Decimal | None]:
    """Volatility and delta neutral fields; then trailStopPrice and trailingPercent."""
    fields.skip(3)  # overridePercentageConstraints, volatility, volatilityType
    hedge = fields.text()
    fields.skip(1 + 8 * bool(hedge))
    fields.skip(2)  # continuousUpdate, referencePriceType
    return fields.number(), fields.number()


def _skip_to_end(fields: Fields, order_type: str) -> tuple[bool, str]:
    """Scale, hedge, algo and conditions: whatIf, and what nobody here does."""
    fields.skip(2)  # scaleInitLevelSize, scaleSubsLevelSize
    increment = fields.number()
    scaled = increment is not None and increment > 0
    fields.skip(7 * scaled)
    fields.skip(3)  # scaleTable, activeStartTime, activeStopTime
    hedged = fields.text()
    fields.skip(bool(hedged))
    fields.skip(4)  # optOutSmartRouting, clearingAccount, clearingIntent, notHeld
    delta_neutral = fields.flag()
    fields.skip(3 * delta_neutral)
    algorithm = fields.text()
    if algorithm:
        fields.skip(2 * fields.integer())
    fields.skip(1)  # algoId
    what_if = fields.flag()
    fields.skip(4)  # orderMiscOptions, solicited, randomizeSize, randomizePrice
    fields.skip(5 * (order_type == "PEG BENCH"))
    conditions = fields.integer()
    wanted = {
        "a scale": scaled,
        "a hedge": bool(hedged),
        "a delta neutral leg": delta_neutral,
        f"the algorithm {algorithm}": bool(algorithm),
        "conditions": bool(conditions),
    }
    return what_if, ", ".join(name for name, asked in wanted.items() if asked)
