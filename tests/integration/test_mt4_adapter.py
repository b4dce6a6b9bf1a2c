"""The MT4 adapter at a real bridge and a simulated terminal, where the terminal is odd."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import wraps
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from execution.domain.errors import BrokerUnavailable
from execution.domain.instruments import Instrument
from execution.domain.ports import Attempt
from execution.domain.vocabulary import AssetClass, BrokerName, OrderType, Side, TimeInForce
from tests.expert.rig import CLIENT, Rig, eventually, new_id
from workers.adapters.mt4.adapter import MT4Adapter

EURUSD = Instrument("EURUSD", AssetClass.FX, "USD", base_currency="EUR")
START = datetime(2020, 1, 1, tzinfo=UTC)

Test = Callable[[Rig, MT4Adapter], Awaitable[None]]


def with_adapter(test: Test) -> Callable[[Path], None]:
    """Run a coroutine with a rig and an adapter that has not connected yet."""

    @wraps(test)
    def run(tmp_path: Path) -> None:
        async def main() -> None:
            async with Rig(tmp_path) as rig:
                adapter = MT4Adapter(
                    rig.bridge.url,
                    CLIENT,
                    timeout=timedelta(seconds=15),
                    poll_interval=timedelta(milliseconds=20),
                    patience=timedelta(seconds=1),
                )
                try:
                    await test(rig, adapter)
                finally:
                    await adapter.close()

        asyncio.run(main())

    del run.__wrapped__  # pytest would take its arguments for fixtures
    return run


def attempt(**changes: Any) -> Attempt:
    """A MARKET BUY of a lot."""
    values: dict[str, Any] = {
        "attempt_id": uuid4(),
        "order_id": uuid4(),
        "client_order_id": "test",
        "broker": BrokerName.MT4,
        "account": "main",
        "venue_order_id": new_id(),
        "instrument": EURUSD,
        "side": Side.BUY,
        "order_type": OrderType.MARKET,
        "quantity": Decimal(100_000),
        "time_in_force": TimeInForce.GTC,
    }
    return Attempt(**(values | changes))


async def load(rig: Rig, *, loaded: bool) -> None:
    """Let the terminal see the data of EURUSD, or nothing of it, and wait until it has said so."""
    rig.venue.book.load_symbol("EURUSD", loaded=loaded)
    rig.venue.book.commit()

    async def shown() -> bool:
        _, symbol = await rig.ask("/symbols/EURUSD")
        return bool((symbol["lot_size"] != "0") is loaded)

    await eventually(shown)


@with_adapter
async def test_lots_that_are_not_known_at_connect(rig: Rig, adapter: MT4Adapter) -> None:
    """No rules of zero; the order waits, and goes out as soon as the lots are there."""
    await load(rig, loaded=False)
    await adapter.connect()
    assert "EURUSD" not in {rules.symbol for rules in await adapter.all_rules()}
    for question in (
        adapter.rules(EURUSD),
        adapter.part(attempt()),
        adapter.submit(attempt()),
    ):
        with pytest.raises(BrokerUnavailable, match="not loaded the lots of EURUSD"):
            await question
    await load(rig, loaded=True)
    rules = await adapter.rules(EURUSD)
    assert rules is not None
    assert rules.quantity_step == 1000
    order = await adapter.submit(attempt())
    assert order.filled_quantity == 100_000


@with_adapter
async def test_an_execution_before_the_lots_are_known(rig: Rig, adapter: MT4Adapter) -> None:
    """It has no quantity of 0: it is there with its real one once the lots are known."""
    await load(rig, loaded=False)
    await adapter.connect()
    ticket = rig.venue.server.place_by_hand("EURUSD", "BUY", Decimal("0.3"))
    await rig.agrees()
    assert await adapter.executions(START) == []
    assert await adapter.positions() == []
    await load(rig, loaded=True)
    (execution,) = await adapter.executions(START)
    assert (execution.execution_id, execution.quantity) == (f"O{ticket}", Decimal(30_000))
    (position,) = await adapter.positions()
    assert position.quantity == 30_000
    assert adapter.unreadable() == []


@pytest.mark.parametrize("held", [False, True])
def test_a_market_order_with_an_end(tmp_path: Path, held: bool) -> None:  # noqa: FBT001 - parametrized
    """GTD is until when it may be sent, whether it opens a ticket or closes one."""

    async def test(rig: Rig, adapter: MT4Adapter) -> None:
        await adapter.connect()
        later = datetime.now(UTC) + timedelta(days=1)
        terms = {"time_in_force": TimeInForce.GTD, "expires_at": later}
        order = attempt(**terms)
        if held:
            await rig.place(side="SELL")
            ticket = rig.venue.book.open_tickets()[0].ticket
            order = attempt(closes=str(ticket), **terms)
        assert (await adapter.submit(order)).filled_quantity == 100_000
        over = attempt(**terms | {"expires_at": datetime.now(UTC) - timedelta(seconds=1)})
        with pytest.raises(BrokerUnavailable):
            await adapter.submit(over)

    with_adapter(test)(tmp_path)
