"""What each broker takes at all, and the words in which the rest is refused."""

from __future__ import annotations

from datetime import timedelta
from itertools import product

import pytest

from execution.domain.capabilities import CAPABILITIES, shortfall
from execution.domain.routing import LIVE_ROUTES
from execution.domain.vocabulary import AssetClass, BrokerName, OrderType, TimeInForce

EVERY_TYPE = {order_type.value for order_type in OrderType}
EVERY_TIME = {tif.value for tif in TimeInForce}
TABLE: dict[BrokerName, tuple[set[str], set[str], set[str]]] = {
    BrokerName.IBKR: ({"EQUITY", "OPTION", "FUTURE"}, EVERY_TYPE, EVERY_TIME),
    BrokerName.MT4: ({"FX"}, {"MARKET", "LIMIT", "STOP"}, {"GTC", "GTD"}),
    BrokerName.BINANCE: (
        {"CRYPTO"},
        {"MARKET", "LIMIT", "STOP", "STOP_LIMIT", "TRAILING_STOP"},
        {"GTC", "IOC", "FOK"},
    ),
    BrokerName.PAPER: (
        {"EQUITY", "OPTION", "FUTURE", "FX", "CRYPTO"},
        EVERY_TYPE,
        EVERY_TIME,
    ),
}


def test_every_broker_is_described() -> None:
    """No broker is without capabilities, and each asset class's live broker trades it."""
    assert CAPABILITIES.keys() == set(BrokerName) == TABLE.keys()
    for asset_class, broker in LIVE_ROUTES.items():
        assert asset_class in CAPABILITIES[broker].asset_classes


@pytest.mark.parametrize("broker", BrokerName)
def test_shortfall_agrees_with_the_table(broker: BrokerName) -> None:
    """For every combination: None when all three are offered, else the first that is not."""
    classes, types, times = TABLE[broker]
    for asset_class, order_type, tif in product(AssetClass, OrderType, TimeInForce):
        reason = shortfall(broker, asset_class, order_type, tif)
        if asset_class.value not in classes:
            assert reason == f"asset_class: {asset_class} is not traded at {broker}"
        elif order_type.value not in types:
            assert reason is not None
            assert reason.startswith(f"order_type: {broker} does not take {order_type}; it takes ")
        elif tif.value not in times:
            assert reason is not None
            assert reason.startswith(f"time_in_force: {broker} does not take {tif}; it takes ")
        else:
            assert reason is None


def test_shortfall_says_what_is_offered() -> None:
    """A refusal lists, in order, what the broker does take."""
    reason = shortfall(BrokerName.MT4, AssetClass.FX, OrderType.STOP_LIMIT, TimeInForce.GTC)
    assert reason == "order_type: MT4 does not take STOP_LIMIT; it takes LIMIT, MARKET, STOP"
    reason = shortfall(BrokerName.MT4, AssetClass.FX, OrderType.LIMIT, TimeInForce.IOC)
    assert reason == "time_in_force: MT4 does not take IOC; it takes GTC, GTD"


def test_absence_is_proven_only_after_the_fence() -> None:
    """Where a late send may still arrive, "no such order" is proof only after a while."""
    waits = {broker.value: can.absence_proven_after for broker, can in CAPABILITIES.items()}
    assert waits["BINANCE"] > timedelta(seconds=10)  # the receive window
    assert waits["MT4"] > timedelta(0)
    assert all(wait >= timedelta(0) for wait in waits.values())
    assert {broker for broker, can in CAPABILITIES.items() if can.hedging} == {BrokerName.MT4}
    assert not CAPABILITIES[BrokerName.BINANCE].modifies
