"""What is traded at Interactive Brokers is recognised, whatever TWS calls it and when it says so.

TWS spells futures in words here ("ES   DEC 26"), and companies change their tickers.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from tests.brokers.test_ibkr import next_quarter, third_friday
from tests.fleet import PRICES, Fleet, Servers, flush, wait_until
from tests.venues import IbGatewayVenue

QUARTER = next_quarter()
FRIDAY = third_friday(2)
METAL = next(
    f"{'FGHJKMNQUVXZ'[month % 12]}{(FRIDAY.year + month // 12) % 10}"
    for month in range(FRIDAY.month, FRIDAY.month + 12)
    if "FGHJKMNQUVXZ"[month % 12] in "HKNUZ"
)
"""A month that silver has in either size."""
WITHIN = 30.0


class InWords(IbGatewayVenue):
    """A gateway that writes a future's month in words."""

    options = ("--local-symbols", "words")


@pytest.fixture(scope="module")
def fleet(
    servers: Servers, module_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    """Workers whose IB Gateway spells otherwise than we do."""
    flush(servers.valkey.url)
    home = tmp_path_factory.mktemp("ibkr-contracts") / "home"
    with Fleet(
        module_database_url,
        servers.valkey.url,
        home,
        venue=InWords,
        queues=("orders", "ibkr", "paper"),
        ready=("IBKR", "PAPER"),
    ) as fleet:
        yield fleet


@pytest.fixture(autouse=True)
def judged(fleet: Fleet) -> Iterator[None]:
    """Ledger, tables and event stream agree after every test, and nothing differs in between."""
    fleet.venue.control("POST", "times", {"form": "named", "zone": "UTC"})
    fleet.venue.control("POST", "garble", {})
    fleet.set_prices(PRICES)
    wait_until(lambda: fleet.connected("IBKR"), what="the session")
    yield
    fleet.venue.control("POST", "times", {"form": "named", "zone": "UTC"})
    fleet.venue.control("POST", "garble", {})
    wait_until(lambda: fleet.connected("IBKR"), what="the session")
    fleet.judge()


def new_id(name: str) -> str:
    """A fresh client_order_id."""
    return f"{name}-{uuid4().hex[:8]}"


def bought(
    fleet: Fleet, symbol: str, prices: tuple[str, str], quantity: str = "3", **changes: Any
) -> dict[str, Any]:
    """A live order that has filled."""
    fleet.venue.price(symbol, *prices)
    name = new_id("bought")
    terms = {"side": "BUY", "on_failure": "wait", "client_order_id": name, "quantity": quantity}
    fleet.client.place(symbol=symbol, **(terms | changes))
    order = fleet.await_state(name, "FILLED", "REJECTED")
    assert (order["state"], order["execution_mode"]) == ("FILLED", "LIVE"), order["reason"]
    return order


def restart(fleet: Fleet) -> None:
    """Kill the broker's worker; the next one has reconciled when this returns."""
    (before,) = _session(fleet)
    os.kill(fleet.pid_of("worker-ibkr"), signal.SIGKILL)
    wait_until(lambda: set(_session(fleet)) - {before}, 60, "another worker's session")
    listened(fleet)


def listened(fleet: Fleet) -> None:
    """Every execution of the day has been asked for again, and recorded."""
    name = new_id("by-hand")
    fleet.venue.price("KO", "70", "70.01")
    by_hand = fleet.venue.control(
        "POST", "executions", {"symbol": "KO", "side": "BUY", "quantity": "1", "price": "70"}
    )

    def recorded() -> bool:
        return bool(
            fleet.query("SELECT FROM fills WHERE execution_id = %s", by_hand["execution_id"])
        )

    wait_until(recorded, what=f"what was listed after {name}")


def fills(fleet: Fleet, order: dict[str, Any]) -> list[dict[str, Any]]:
    """An order's fills."""
    return fleet.query("SELECT * FROM fills WHERE order_id = %s", order["order_id"])


def position(fleet: Fleet, symbol: str) -> Decimal:
    """What our books hold of a symbol."""
    rows = fleet.query("SELECT sum(quantity) AS q FROM positions WHERE symbol = %s", symbol)
    return Decimal(rows[0]["q"] or 0)


def breaks(fleet: Fleet) -> list[str]:
    """What `execution reconcile` finds."""
    _, found = fleet.reconcile("IBKR")
    return [one["message"] for one in found["breaks"]]


def open_alerts(fleet: Fleet, kind: str) -> list[dict[str, Any]]:
    """Alerts of a kind that nobody has settled."""
    return fleet.query("SELECT * FROM alerts WHERE kind = %s AND resolved_at IS NULL", kind)


def test_a_future_in_words_after_a_restart(fleet: Fleet) -> None:
    """Three filled are three, its bracket covers three, and the position is the venue's."""
    symbol = f"MES{QUARTER}"
    order = bought(
        fleet,
        symbol,
        ("6000.00", "6000.25"),
        take_profit_price="6100",
        stop_loss_price="5900",
    )
    restart(fleet)
    again = fleet.order(order["client_order_id"])
    assert again is not None
    assert (again["state"], again["filled_quantity"]) == ("FILLED", 3)
    assert [(one["symbol"], one["quantity"]) for one in fills(fleet, order)] == [(symbol, 3)]

    def covered() -> bool:
        working = [one for one in fleet.venue.orders() if one["state"] == "SUBMITTED"]
        return {(one["order_type"], Decimal(one["quantity"])) for one in working} == {
            ("LIMIT", Decimal(3)),
            ("STOP", Decimal(3)),
        }

    wait_until(covered, what="a stop and a target over 3")  # a restart may come between the two
    assert position(fleet, symbol) == 3
    assert not [one for one in breaks(fleet) if symbol in one]


def test_a_future_that_was_bought_by_hand(fleet: Fleet) -> None:
    """Named by its class and month: oil of one month ends in the month before."""
    symbol = f"CL{QUARTER}"
    fleet.venue.price(symbol, "80.00", "80.02")
    fleet.venue.control(
        "POST", "executions", {"symbol": symbol, "side": "BUY", "quantity": "2", "price": "80"}
    )
    wait_until(lambda: position(fleet, symbol) == 2, what="the position")
    (held,) = fleet.query("SELECT * FROM positions WHERE symbol = %s", symbol)
    assert (held["multiplier"], held["currency"]) == (1000, "USD")
    assert not [one for one in breaks(fleet) if "CL" in one]


def test_a_renamed_company(fleet: Fleet) -> None:
    """Its executions stay its order's, and its position ours, after a restart, too."""
    order = bought(fleet, "META", ("600.00", "600.02"), "7")
    fleet.venue.control("POST", "contracts/rename", {"symbol": "META", "to": "MTVR"})
    restart(fleet)
    again = fleet.order(order["client_order_id"])
    assert again is not None
    assert again["filled_quantity"] == 7
    assert [(one["symbol"], one["quantity"]) for one in fills(fleet, order)] == [("META", 7)]
    assert position(fleet, "META") == 7
    assert position(fleet, "MTVR") == 0
    assert not [one for one in breaks(fleet) if "META" in one or "MTVR" in one]
    bought(fleet, "META", ("600.00", "600.02"), "7", side="SELL")
    assert position(fleet, "META") == 0
    assert not [one for one in breaks(fleet) if "META" in one or "MTVR" in one]


def test_a_resting_order_of_a_renamed_company(fleet: Fleet) -> None:
    """It can be changed and cancelled, though nobody finds its old name any more."""
    name = new_id("resting")
    fleet.venue.price("GOOGL", "200.00", "200.02")
    fleet.client.place(
        symbol="GOOGL",
        side="BUY",
        quantity="5",
        order_type="LIMIT",
        limit_price="190",
        client_order_id=name,
        on_failure="wait",
    )
    order = fleet.await_state(name, "SUBMITTED")
    fleet.venue.control("POST", "contracts/rename", {"symbol": "GOOGL", "to": "ALFA"})
    restart(fleet)
    current = fleet.order(name)
    assert current is not None
    command = fleet.client.modify(name, expected_version=current["version"], limit_price="191")
    wait_until(lambda: fleet.client.command(command).outcome == "DONE", what="the change")
    fleet.client.cancel(name)
    assert fleet.await_state(name, "CANCELLED")["filled_quantity"] == 0
    assert order["symbol"] == "GOOGL"


@pytest.mark.parametrize(
    "written",
    [
        {"form": "named", "zone": "Asia/Tokyo", "name": "JST"},
        {"form": "named", "zone": "Etc/GMT+8", "name": "Etc/GMT+8"},
        {"form": "named", "zone": "US/Eastern"},
        {"form": "named", "zone": "Japan"},
        {"form": "utc"},
    ],
    ids=lambda written: written.get("name") or written.get("zone") or "utc",
)
def test_times_in_other_zones(fleet: Fleet, written: dict[str, str]) -> None:
    """Booked at the second that the ledger has."""
    fleet.venue.control("POST", "times", written)
    order = bought(fleet, "SPY", PRICES["SPY"], "1")
    (fill,) = fills(fleet, order)
    assert fill["executed_at"] == _at_venue(fleet, fill["execution_id"])
    alerts = open_alerts(fleet, "EXECUTION_TIME_UNKNOWN")
    assert order["order_id"] not in {one["order_id"] for one in alerts}


def test_a_time_without_a_zone_is_the_logins(fleet: Fleet) -> None:
    """By IBKR_TIMEZONE: it is not taken for UTC."""
    zone = fleet.environment["IBKR_TIMEZONE"]
    fleet.venue.control("POST", "times", {"form": "plain", "zone": zone})
    order = bought(fleet, "SPY", PRICES["SPY"], "1")
    (fill,) = fills(fleet, order)
    assert fill["executed_at"] == _at_venue(fleet, fill["execution_id"])


@pytest.mark.parametrize(
    "written",
    [
        {"form": "named", "zone": "Asia/Shanghai", "name": "CST"},
        {"form": "named", "zone": "UTC", "name": "ATLANTIS"},
        {"form": "day"},
        {"form": "empty"},
    ],
    ids=["CST", "unknown", "day", "empty"],
)
def test_a_time_that_cannot_be_read(fleet: Fleet, written: dict[str, str]) -> None:
    """Booked with the time of its receipt, and an alert that shows what TWS wrote."""
    fleet.venue.control("POST", "times", written)
    order = bought(fleet, "SPY", PRICES["SPY"], "1")
    (fill,) = fills(fleet, order)
    apart = fill["executed_at"] - _at_venue(fleet, fill["execution_id"])
    assert abs(apart.total_seconds()) < WITHIN
    (alert,) = [
        one
        for one in open_alerts(fleet, "EXECUTION_TIME_UNKNOWN")
        if one["order_id"] == order["order_id"]
    ]
    assert fill["execution_id"] in alert["message"]
    assert written.get("name", "") in alert["message"]


@pytest.mark.parametrize(
    ("field", "value"), [("shares", "ten"), ("price", ""), ("side", "???"), ("execId", "")]
)
def test_an_execution_that_cannot_be_read(fleet: Fleet, field: str, value: str) -> None:
    """The connection stands, an alert says so, and the execution is asked for until it is whole."""
    session = _session(fleet)
    fleet.venue.control("POST", "garble", {"field": field, "value": value, "times": 1})
    order = bought(fleet, "SPY", PRICES["SPY"], "4")
    assert [one["quantity"] for one in fills(fleet, order)] == [4]
    assert _session(fleet) == session
    alerts = wait_until(lambda: open_alerts(fleet, "UNREADABLE_MESSAGE"), what="the alert")
    assert any("execDetails" in one["message"] for one in alerts)


def test_an_execution_that_stays_unreadable(fleet: Fleet) -> None:
    """Others are not troubled by it; it is booked as soon as it can be read."""
    session = _session(fleet)
    fleet.venue.control("POST", "garble", {"field": "shares", "value": "many", "times": None})
    name = new_id("garbled")
    fleet.client.place(
        symbol="SPY", side="BUY", quantity="6", client_order_id=name, on_failure="wait"
    )
    wait_until(
        lambda: any(Decimal(one["filled_quantity"]) == 6 for one in fleet.venue.orders()),
        what="the fill",
    )
    wait_until(lambda: open_alerts(fleet, "UNREADABLE_MESSAGE"), what="the alert")
    other = new_id("other")
    fleet.client.place(
        symbol="GBTC",
        side="BUY",
        quantity="1",
        order_type="LIMIT",
        limit_price="30",
        client_order_id=other,
        on_failure="wait",
    )
    fleet.await_state(other, "SUBMITTED")
    fleet.client.cancel(other)
    fleet.await_state(other, "CANCELLED")
    assert _session(fleet) == session
    fleet.venue.control("POST", "garble", {})
    order = fleet.await_state(name, "FILLED")
    assert [one["quantity"] for one in fills(fleet, order)] == [6]


@pytest.mark.parametrize("field", ["strike", "permId", "cumQty", "avgPrice"])
def test_what_nobody_needs_of_an_execution(fleet: Fleet, field: str) -> None:
    """It is booked without asking again."""
    fleet.venue.control("POST", "garble", {"field": field, "value": "nan?", "times": None})
    order = bought(fleet, "SPY", PRICES["SPY"], "2")
    assert [one["quantity"] for one in fills(fleet, order)] == [2]


@pytest.mark.parametrize(
    ("symbol", "prices", "multiplier", "currency"),
    [
        (f"SPX{FRIDAY:%y%m%d}C06000000", ("100", "101"), 100, "USD"),
        (f"SPXW{FRIDAY:%y%m%d}C06000000", ("110", "111"), 100, "USD"),
        (f"SPY{FRIDAY:%y%m%d}P00600000", ("10", "10.10"), 100, "USD"),
        (f"2SPY{FRIDAY:%y%m%d}P00600000", ("11", "11.10"), 100, "USD"),
        (f"SI{METAL}", ("50.000", "50.005"), 5000, "USD"),
        (f"SIL{METAL}", ("50.000", "50.005"), 1000, "USD"),
        (f"FDAX{QUARTER}", ("24000", "24001"), 25, "EUR"),
        (f"FDXM{QUARTER}", ("24000", "24001"), 5, "EUR"),
        (f"FDXS{QUARTER}", ("24000", "24001"), 1, "EUR"),
        (f"FESX{QUARTER}", ("5500", "5501"), 10, "EUR"),
        (f"FSXE{QUARTER}", ("5500", "5500.5"), 1, "EUR"),
        (f"FGBL{QUARTER}", ("130.00", "130.01"), 1000, "EUR"),
        ("BRK-B", ("480.00", "480.02"), 1, "USD"),
    ],
)
def test_what_was_asked_for_is_what_is_bought(
    fleet: Fleet, symbol: str, prices: tuple[str, str], multiplier: int, currency: str
) -> None:
    """Of a class or size that shares its symbol with others at TWS."""
    ours = "BRK.B" if symbol == "BRK-B" else symbol
    for other in (f"2SPY{FRIDAY:%y%m%d}P00600000", f"SPY{FRIDAY:%y%m%d}P00600000"):
        fleet.venue.price(other, "10", "12")  # both are listed
    fleet.venue.price(ours, *prices)
    name = new_id("class")
    fleet.client.place(
        symbol=symbol, side="BUY", quantity="1", client_order_id=name, on_failure="wait"
    )
    order = fleet.await_state(name, "FILLED", "REJECTED")
    assert (order["state"], order["symbol"]) == ("FILLED", ours), order["reason"]
    (fill,) = fills(fleet, order)
    (there,) = [
        one for one in fleet.venue.executions() if one["execution_id"] == fill["execution_id"]
    ]
    assert there["symbol"] == ours
    assert (fill["price"], fill["multiplier"], fill["currency"]) == (
        Decimal(prices[1]),
        multiplier,
        currency,
    )
    assert Decimal(there["multiplier"]) == multiplier


def _at_venue(fleet: Fleet, execution_id: str) -> Any:
    (found,) = [one for one in fleet.venue.executions() if one["execution_id"] == execution_id]
    return datetime.fromisoformat(found["executed_at"]).replace(microsecond=0)


def _session(fleet: Fleet) -> list[tuple[Any, Any]]:
    rows = fleet.query(
        """SELECT session_id, since FROM broker_sessions WHERE broker = 'IBKR'
        AND status = 'LIVE_READY' AND ended_at IS NULL
        AND heartbeat_at > clock_timestamp() - interval '3 s'"""
    )
    return [(row["session_id"], row["since"]) for row in rows]
