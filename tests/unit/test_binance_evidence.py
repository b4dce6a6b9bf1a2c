"""What an account's balances say of an order that its venue does not show."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from execution.domain.errors import BrokerUnavailable
from execution.domain.reports import Execution, Held
from execution.domain.vocabulary import Side
from workers.adapters.answers import Unread
from workers.adapters.binance.evidence import Evidence, forbid_unattributed, unexplained

D = Decimal
NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
PAIR = ("BTC", "USDT")


def held(second: int, **balances: str) -> Held:
    """What is held as of some seconds after noon."""
    return Held({name: D(text) for name, text in balances.items()}, NOON + timedelta(0, second))


def trade(second: int, side: Side, quantity: str, price: str, **changes: Any) -> Execution:
    """A trade in bitcoin."""
    values: dict[str, Any] = {
        "execution_id": str(second),
        "symbol": "BTC-USDT",
        "side": side,
        "quantity": D(quantity),
        "price": D(price),
        "executed_at": NOON + timedelta(0, second),
    }
    return Execution(**(values | changes))


BOUGHT = trade(5, Side.BUY, "1", "100", commission=D("0.001"), commission_currency="BTC")


@pytest.mark.parametrize(
    ("now", "trades", "moved"),
    [
        (held(9, BTC="1", USDT="1000"), [], {}),
        (held(9, BTC="1.999", USDT="900"), [BOUGHT], {}),
        (held(9, BTC="1.999", USDT="900"), [], {"BTC": D("0.999"), "USDT": D(-100)}),
        # Before the first look, or after the second: in neither of them.
        (
            held(9, BTC="1", USDT="1000"),
            [trade(0, Side.SELL, "1", "9"), trade(10, Side.BUY, "1", "9")],
            {},
        ),
        # Paid in another asset, and of another pair with one asset in common.
        (
            held(9, BTC="1", USDT="700", ETH="3"),
            [
                trade(6, Side.BUY, "3", "100", symbol="ETH-USDT"),
                trade(7, Side.BUY, "1", "1", symbol="SOL-BNB"),
            ],
            {},
        ),
        (held(9, BTC="1", USDT="5000"), [], {"USDT": D(4000)}),  # somebody paid in
        (held(9, USDT="1000"), [], {"BTC": D(-1)}),
    ],
)
def test_what_no_execution_explains(
    now: Held, trades: list[Execution], moved: Mapping[str, Decimal]
) -> None:
    """By asset, to the last digit."""
    assert unexplained(held(0, BTC="1", USDT="1000"), now, trades, PAIR) == moved


@pytest.mark.parametrize(
    ("changes", "forbids"),
    [
        ({"broker_order_id": "7"}, False),  # of an order that Binance shows
        ({"broker_order_id": "8"}, True),
        ({"broker_order_id": "8", "venue_order_id": "another"}, False),
        ({"broker_order_id": "7", "venue_order_id": "mine"}, True),
        ({"broker_order_id": "8", "symbol": "ETH-USDT"}, False),
    ],
)
def test_a_trade_that_may_be_the_orders_own(changes: dict[str, Any], *, forbids: bool) -> None:
    """One that became visible after the orders were listed explains nothing: it is evidence."""
    attempt: Any = SimpleNamespace(
        venue_order_id="mine", instrument=SimpleNamespace(symbol="BTC-USDT")
    )
    found = trade(5, Side.SELL, "1.5", "64000", **changes)
    with pytest.raises(BrokerUnavailable) if forbids else nullcontext():
        forbid_unattributed(found, attempt, {"7"})


def test_what_was_just_shown_explains_nothing() -> None:
    """The trade explains what the account has moved by, and its order is not among those shown."""
    sold = trade(5, Side.SELL, "1", "100", broker_order_id="8")

    class Stub:
        listings = frozenset({"BTC-USDT"})
        unread = Unread()

        async def account(self) -> dict[str, Any]:
            balances = [
                {"asset": "BTC", "free": "0", "locked": "0"},
                {"asset": "USDT", "free": "1100", "locked": "0"},
            ]
            return {"updateTime": int(NOON.timestamp() + 9) * 1000, "balances": balances}

        async def trades(self, *_: Any, **__: Any) -> list[Execution]:
            return [sold]

        def counted_before(self, _: str) -> None:
            """Nobody has counted."""

    async def symbols() -> list[str]:
        return ["BTC-USDT"]

    async def before(_: datetime) -> Held:
        return held(0, BTC="1", USDT="1000")

    attempt: Any = SimpleNamespace(
        venue_order_id="mine", instrument=SimpleNamespace(symbol="BTC-USDT")
    )
    evidence = Evidence(cast("Any", Stub()), symbols, before)
    asyncio.run(evidence.forbids_absence(attempt, NOON, {"8"}))
    with pytest.raises(BrokerUnavailable, match="of an order that it does not show"):
        asyncio.run(evidence.forbids_absence(attempt, NOON, {"7"}))


amounts = st.decimals("0.00001", "1000", places=5)
trades_of = st.lists(st.tuples(st.sampled_from(Side), amounts, amounts), max_size=8)


@given(trades_of, st.integers(0, 7))
def test_whatever_is_hidden_shows(made: list[tuple[Side, Decimal, Decimal]], which: int) -> None:
    """All trades explain all; without any one of them something is left."""
    balances = {"BTC": D(10_000), "USDT": D(10_000_000)}
    before = Held(dict(balances), NOON)
    trades = []
    for second, (side, quantity, price) in enumerate(made, 1):
        trades.append(trade(second, side, str(quantity), str(price)))
        balances["BTC"] += side.sign * quantity
        # Binance cuts what is paid to eight places.
        balances["USDT"] -= side.sign * (quantity * price).quantize(D("0.00000001"))
    now = Held(balances, NOON + timedelta(0, 60))
    assert not unexplained(before, now, trades, PAIR)
    if which < len(trades):
        assert unexplained(before, now, [*trades[:which], *trades[which + 1 :]], PAIR)
