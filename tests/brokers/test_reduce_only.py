"""Reduce-only orders at each broker's simulator: none has a flag for them, and none is trusted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from tests.fleet import PRICES, Fleet, Servers, flush, wait_until
from tests.venues import BinanceVenue, IbGatewayVenue, Mt4Venue, SimulatedVenue


@dataclass(frozen=True, slots=True)
class Traded:
    """What is traded at a broker: a part of a position, in its units, and a limit far above."""

    venue: type[SimulatedVenue]
    symbol: str
    unit: Decimal
    far: str


AT = [
    Traded(IbGatewayVenue, "GBTC", Decimal(1), "90"),
    Traded(BinanceVenue, "BTC-USDT", Decimal("0.1"), "90000"),
    Traded(Mt4Venue, "EURUSD", Decimal(10_000), "1.5"),
]


@pytest.fixture(scope="module")
def fleet(
    servers: Servers, module_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    """Workers of all three brokers, each with its simulator as the venue."""
    flush(servers.valkey.url)
    venues = [traded.venue for traded in AT]
    with Fleet(
        module_database_url,
        servers.valkey.url,
        tmp_path_factory.mktemp("reduce-only") / "home",
        venue=venues,
        queues=("orders", *(venue.broker.lower() for venue in venues), "paper"),
    ) as fleet:
        yield fleet


@pytest.fixture(autouse=True)
def judged(fleet: Fleet) -> Iterator[None]:
    """Ledgers, tables and event stream are compared after each test."""
    fleet.set_prices(PRICES)
    yield
    fleet.judge()


class Desk:
    """Places orders in units of what is traded."""

    def __init__(self, fleet: Fleet, traded: Traded) -> None:
        self.fleet, self.traded = fleet, traded
        (self.venue,) = (one for one in fleet.venues if isinstance(one, traded.venue))

    def place(self, side: str, units: str | Decimal, **more: Any) -> str:
        """Place an order; its client_order_id."""
        name = f"ro-{uuid4().hex[:8]}"
        quantity = format(Decimal(units) * self.traded.unit, "f")
        self.fleet.client.place(
            self.traded.symbol, side, quantity, client_order_id=name, on_failure="wait", **more
        )
        return name

    def fill(self, side: str, units: str | Decimal, **more: Any) -> dict[str, Any]:
        """A market order, filled."""
        return self.fleet.await_state(self.place(side, units, **more), "FILLED")

    def held(self) -> Decimal:
        """The position by our books."""
        rows = self.fleet.query(
            "SELECT quantity FROM positions WHERE symbol = %s", self.traded.symbol
        )
        return rows[0]["quantity"] if rows else Decimal(0)

    def flatten(self) -> None:
        """Bring the position to nothing, or as near as the venue's steps allow."""
        held = self.held() / self.traded.unit
        if held > Decimal("0.01"):
            self.fill("SELL", held, reduce_only=True)


@pytest.fixture(params=AT, ids=lambda traded: traded.venue.broker)
def desk(fleet: Fleet, request: pytest.FixtureRequest) -> Desk:
    """A flat desk at each broker."""
    desk = Desk(fleet, request.param)
    desk.flatten()
    return desk


def test_ten_times_the_position(desk: Desk) -> None:
    """All of it is sold and no more, in the venue's steps; another finds nothing to reduce."""
    desk.fill("BUY", "5")
    before = desk.held()
    sold = desk.fill("SELL", "50", reduce_only=True)
    assert 0 < sold["filled_quantity"] <= before
    assert 0 <= desk.held() < desk.traded.unit / 100
    again = desk.fleet.await_state(desk.place("SELL", "1", reduce_only=True), "REJECTED")
    assert "reduce_only" in again["reason"]
    assert again["broker"] == desk.traded.venue.broker


def test_one_that_rests_gives_way(desk: Desk) -> None:
    """The position shrinks by another order: what rests is made smaller at the venue."""
    desk.fill("BUY", "5")
    limit = {"order_type": "LIMIT", "limit_price": desk.traded.far, "reduce_only": True}
    name = desk.place("SELL", "4", **limit)
    order = desk.fleet.await_state(name, "SUBMITTED")
    desk.fill("SELL", "3")

    def working() -> list[Decimal]:
        ids = {
            row["venue_order_id"]
            for row in desk.fleet.query(
                "SELECT venue_order_id FROM order_attempts WHERE order_id = %s", order["order_id"]
            )
        }
        return [
            Decimal(one["quantity"])
            for one in desk.venue.orders()
            if one["venue_order_id"] in ids and one["state"] == "SUBMITTED"
        ]

    def fits() -> bool:
        there = working()
        return len(there) == 1 and there[0] <= desk.held() < there[0] + desk.traded.unit / 100

    wait_until(fits, what=f"a smaller order at the venue (now {working()})")
    desk.fleet.await_state(name, "SUBMITTED")
    desk.fleet.client.cancel(name)
    desk.fleet.await_state(name, "CANCELLED")
