"""What each broker can do at all, as data that needs neither its keys nor its library."""

from __future__ import annotations

from datetime import timedelta

from execution.domain.ports import Capabilities
from execution.domain.vocabulary import AssetClass, BrokerName, OrderType, TimeInForce

_ALL_TYPES = frozenset(OrderType)
_ALL_TIMES = frozenset(TimeInForce)

CAPABILITIES: dict[BrokerName, Capabilities] = {
    BrokerName.IBKR: Capabilities(
        order_types=_ALL_TYPES,
        times_in_force=_ALL_TIMES,
        asset_classes=frozenset({AssetClass.EQUITY, AssetClass.OPTION, AssetClass.FUTURE}),
        # A takeover begins only when TWS has accepted the same clientId, which fences the old one.
        absence_proven_after=timedelta(0),
        # TWS refuses it: 10326 when the change names the group, 10327 when it does not.
        changes_in_group=False,
        brackets=True,
        one_cancels_other=True,
    ),
    BrokerName.MT4: Capabilities(
        order_types=frozenset({OrderType.MARKET, OrderType.LIMIT, OrderType.STOP}),
        times_in_force=frozenset({TimeInForce.GTC, TimeInForce.GTD}),
        asset_classes=frozenset({AssetClass.FX}),
        # What the bridge has not heard by `send_by` it refuses; clocks may differ a little.
        absence_proven_after=timedelta(seconds=1),
        hedging=True,
        ids_once=True,
        modifies=frozenset({"limit_price", "stop_price"}),
    ),
    BrokerName.BINANCE: Capabilities(
        order_types=frozenset(
            {
                OrderType.MARKET,
                OrderType.LIMIT,
                OrderType.STOP,
                OrderType.STOP_LIMIT,
                OrderType.TRAILING_STOP,
            }
        ),
        times_in_force=frozenset({TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK}),
        asset_classes=frozenset({AssetClass.CRYPTO}),
        # Orders were reported that no query showed for 45 to 55 s after they were taken. The
        # documents promise no time: "some delay in the response is normal and expected" (REST API,
        # "Data sources", read 2026-11-30).
        absence_proven_after=timedelta(seconds=60),
        # "Duplicate order sent." is said of open orders only ("Error codes", read 2026-11-30).
        resends_within=timedelta(seconds=60),
        modifies=frozenset(),
        positions=False,
        post_only=True,
        trail_amounts=False,
    ),
    BrokerName.PAPER: Capabilities(
        order_types=_ALL_TYPES,
        times_in_force=_ALL_TIMES,
        asset_classes=frozenset(AssetClass),
        brackets=True,
        post_only=True,
        # Nobody but us trades in our own book.
        late_executions=False,
        # The book is in our own database: what is not there was never submitted.
        absence_proven_after=timedelta(0),
        remote=False,
        names_accounts=False,
        one_cancels_other=True,
    ),
}


def shortfall(
    broker: BrokerName, asset_class: AssetClass, order_type: OrderType, tif: TimeInForce
) -> str | None:
    """Why `broker` cannot take such an order at all, naming field and value; None when it can."""
    can = CAPABILITIES[broker]
    if asset_class not in can.asset_classes:
        return f"asset_class: {asset_class} is not traded at {broker}"
    if order_type not in can.order_types:
        return f"order_type: {broker} does not take {order_type}; it takes {_list(can.order_types)}"
    if tif not in can.times_in_force:
        return f"time_in_force: {broker} does not take {tif}; it takes {_list(can.times_in_force)}"
    return None


def _list(values: frozenset[OrderType] | frozenset[TimeInForce]) -> str:
    return ", ".join(sorted(values))
