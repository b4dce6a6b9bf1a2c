"""What a venue executed is never lost for a field that cannot be read: Binance and MT4.

Real workers reach bridge and exchange through a proxy that garbles their answers. What Interactive
Brokers writes is in `test_ibkr_contracts`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from tests.fleet import PRICES, Fleet, Servers, flush, wait_until
from tests.garbling import GarblingProxy
from tests.venues import BinanceVenue, Mt4Venue

NO_TIME, NO_NUMBER = "before lunch", "some"


@dataclass(frozen=True, slots=True)
class Case:
    """A broker whose answers are garbled: how it writes an execution, and what is bought there.

    `having` is a key that every execution has; the others are of its time, quantity and cost.
    """

    broker: str
    having: str
    time: dict[str, str]
    quantity: dict[str, str]
    cost: dict[str, str]
    symbol: str
    lot: str


CASES = {
    "binance": Case(
        "BINANCE",
        "commissionAsset",
        {"time": NO_TIME},
        {"qty": NO_NUMBER},
        {"commission": NO_NUMBER},
        "BTC-USDT",
        "0.5",
    ),
    "mt4": Case(
        "MT4",
        "execution_id",
        {"executed_at": NO_TIME},
        {"lots": NO_NUMBER},
        {"commission": NO_NUMBER},
        "EURUSD",
        "100000",
    ),
}


PROXIES = {name: GarblingProxy() for name in CASES}


class GarbledBinance(BinanceVenue):
    """Reached through a proxy."""

    def environment(self, url: str | None = None) -> dict[str, str]:
        proxy = PROXIES["binance"]
        proxy.upstream = self.url
        return super().environment(url or proxy.url)


class GarbledMt4(Mt4Venue):
    """Its bridge is reached through a proxy."""

    def environment(self, url: str | None = None) -> dict[str, str]:
        proxy = PROXIES["mt4"]
        proxy.upstream = self.url
        return super().environment(url or proxy.url)


@pytest.fixture(scope="module")
def fleet(
    servers: Servers, module_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    """Workers that reach their venues through the proxies."""
    flush(servers.valkey.url)
    home = tmp_path_factory.mktemp("garbled") / "home"
    with ExitStack() as stack:
        for proxy in PROXIES.values():
            stack.enter_context(proxy)
        yield stack.enter_context(
            Fleet(
                module_database_url,
                servers.valkey.url,
                home,
                venue=(GarbledBinance, GarbledMt4),
                queues=("orders", "binance", "mt4", "paper"),
                ready=("BINANCE", "MT4", "PAPER"),
            )
        )


@pytest.fixture(params=list(CASES))
def case(request: pytest.FixtureRequest) -> Case:
    """Each broker in turn."""
    return CASES[request.param]


@pytest.fixture
def proxy(case: Case) -> GarblingProxy:
    """Between the broker's worker and its venue."""
    return PROXIES[case.broker.lower()]


@pytest.fixture(autouse=True)
def judged(fleet: Fleet, proxy: GarblingProxy) -> Iterator[None]:
    """Readable again after each test; then ledger, tables and event stream agree."""
    fleet.set_prices(PRICES)
    yield
    proxy.clear()
    fleet.judge(timeout=60)


def bought(fleet: Fleet, case: Case, **changes: Any) -> str:
    """An order that the venue fills at once."""
    name = f"bought-{uuid4().hex[:8]}"
    terms = {"side": "BUY", "quantity": case.lot, "client_order_id": name, "on_failure": "wait"}
    fleet.client.place(symbol=case.symbol, **(terms | changes))
    return name


def fills(fleet: Fleet, order: dict[str, Any]) -> list[dict[str, Any]]:
    """An order's fills."""
    return fleet.query("SELECT * FROM fills WHERE order_id = %s", order["order_id"])


def resting(case: Case) -> dict[str, str]:
    """Terms of an order that rests, and fills while the venue is polled."""
    bid, _ = PRICES[case.symbol]
    below = str(Decimal(bid) * Decimal("0.99"))[: len(bid)]
    return {"order_type": "LIMIT", "limit_price": below}


def reached(fleet: Fleet, case: Case) -> None:
    """Let the market come to what rests."""
    bid, _ = PRICES[case.symbol]
    low = str(Decimal(bid) * Decimal("0.98"))[: len(bid)]
    venue = next(one for one in fleet.venues if one.broker == case.broker)
    venue.price(case.symbol, low, low)


def test_a_time_that_cannot_be_read(fleet: Fleet, case: Case, proxy: GarblingProxy) -> None:
    """Booked with the time of its receipt, and an alert that shows what the venue wrote."""
    name = bought(fleet, case, **resting(case))
    fleet.await_state(name, "SUBMITTED")
    proxy.garble(case.having, **case.time)
    reached(fleet, case)
    order = fleet.await_state(name, "FILLED")
    assert sum(one["quantity"] for one in fills(fleet, order)) == Decimal(case.lot)
    alerts = fleet.query(
        "SELECT message FROM alerts WHERE kind = 'EXECUTION_TIME_UNKNOWN' AND order_id = %s",
        order["order_id"],
    )
    assert [NO_TIME in one["message"] for one in alerts] == [True]


def test_a_cost_that_cannot_be_read(fleet: Fleet, case: Case, proxy: GarblingProxy) -> None:
    """Booked without; the cost follows once it can be read."""
    name = bought(fleet, case, **resting(case))
    fleet.await_state(name, "SUBMITTED")
    proxy.garble(case.having, **case.cost)
    reached(fleet, case)
    order = fleet.await_state(name, "FILLED")
    assert {one["commission"] for one in fills(fleet, order)} == {None}
    proxy.clear()
    wait_until(
        lambda: all(one["commission"] is not None for one in fills(fleet, order)),
        60,
        "the commission",
    )


def test_a_quantity_that_cannot_be_read(fleet: Fleet, case: Case, proxy: GarblingProxy) -> None:
    """An alert; other orders go on; it is booked as soon as it can be read."""
    name = bought(fleet, case, **resting(case))
    fleet.await_state(name, "SUBMITTED")
    proxy.garble(case.having, **case.quantity)
    reached(fleet, case)
    wait_until(
        lambda: fleet.query("SELECT FROM alerts WHERE kind = 'UNREADABLE_MESSAGE'"),
        what="the alert",
    )
    fleet.set_prices(PRICES)
    other = bought(fleet, case, **resting(case))
    fleet.await_state(other, "SUBMITTED")
    fleet.client.cancel(other)
    fleet.await_state(other, "CANCELLED")
    proxy.clear()
    order = fleet.await_state(name, "FILLED", timeout=60)
    assert sum(one["quantity"] for one in fills(fleet, order)) == Decimal(case.lot)
