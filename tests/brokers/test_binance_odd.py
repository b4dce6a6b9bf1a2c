"""Binance's odd answers: what is not understood concerns its own order or symbol."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from tests.fleet import PRICES, Fleet, Servers, flush, wait_until
from tests.venues import BinanceVenue

WITHIN = 40.0
ODD_PRICES = {
    "ETH-USDT": ("3000", "3001"),
    "SOL-USDT": ("150", "150.02"),
    "XRP-USDT": ("2.0000", "2.0001"),
    "这是测试币-456": ("10", "10.01"),
    "4-USDT": ("1", "1.001"),
}


@pytest.fixture(scope="module")
def fleet(
    servers: Servers, module_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    """Workers whose Binance is the simulated one."""
    flush(servers.valkey.url)
    home = tmp_path_factory.mktemp("binance-odd") / "home"
    with Fleet(module_database_url, servers.valkey.url, home, venue=BinanceVenue) as fleet:
        yield fleet


@pytest.fixture(autouse=True)
def judged(fleet: Fleet) -> Iterator[None]:
    """All symbols traded, and nothing armed; ledger, tables and event stream compared after."""
    fleet.venue.disarm()
    for symbol in (*ODD_PRICES, "BTC-USDT"):
        fleet.venue.control("POST", "symbols", {"symbol": symbol, "status": "TRADING"})
    fleet.set_prices(PRICES)
    fleet.venue.prices(ODD_PRICES)
    yield
    fleet.venue.disarm()
    fleet.judge()


def place(fleet: Fleet, symbol: str = "BTC-USDT", **changes: Any) -> str:
    """A MARKET BUY of 5, with changes; its client_order_id."""
    name = f"odd-{uuid4().hex[:8]}"
    order = {"symbol": symbol, "side": "BUY", "quantity": "5", "client_order_id": name}
    fleet.client.place(**(order | changes))
    return name


def alerts(fleet: Fleet, kind: str, like: str = "%") -> list[str]:
    """The messages of open alerts."""
    rows = fleet.query(
        "SELECT message FROM alerts WHERE kind = %s AND message LIKE %s AND resolved_at IS NULL",
        kind,
        like,
    )
    return [row["message"] for row in rows]


def breaker(fleet: Fleet) -> str:
    """The state of Binance's circuit breaker."""
    return str(fleet.query("SELECT state FROM breakers WHERE broker = 'BINANCE'")[0]["state"])


@pytest.mark.parametrize("status", ["HALT", "BREAK", "CANCEL_ONLY", "NOBODY_KNOWS"])
def test_a_halted_symbol_is_its_own_matter(fleet: Fleet, status: str) -> None:
    """Entries are REJECTED or wait, exits wait, cancels pass, nothing goes to paper; it reopens."""
    first = place(fleet, "ETH-USDT")
    fleet.await_state(first, "FILLED")
    resting = place(fleet, "ETH-USDT", order_type="LIMIT", limit_price="2000")
    fleet.await_state(resting, "SUBMITTED")
    fleet.venue.control("POST", "symbols", {"symbol": "ETH-USDT", "status": status})
    names = [place(fleet, "ETH-USDT", on_failure="paper") for _ in range(6)]
    names.append(place(fleet, "ETH-USDT", on_failure="reject"))
    for name in names:
        order = fleet.await_state(name, "REJECTED", timeout=WITHIN)
        assert order["broker"] == "BINANCE"
    assert breaker(fleet) == "CLOSED"
    waits = place(fleet, "ETH-USDT", on_failure="wait")
    exits = place(fleet, "ETH-USDT", side="SELL", quantity="1", reduce_only=True)
    wait_until(
        lambda: all(alerts(fleet, "WAITING", f"%{name}%") for name in (waits, exits)),
        timeout=WITHIN,
        what="the alerts of those that wait",
    )
    fleet.client.cancel(resting)
    fleet.await_state(resting, "CANCELLED")
    other = place(fleet, "SOL-USDT")
    assert fleet.await_state(other, "FILLED")["execution_mode"] == "LIVE"
    fleet.venue.control("POST", "symbols", {"symbol": "ETH-USDT", "status": "TRADING"})
    for name in (waits, exits):
        order = fleet.await_state(name, "FILLED", timeout=20)
        assert order["execution_mode"] == "LIVE"
    assert not alerts(fleet, "WAITING")


def test_paper_does_not_fill_in_a_halted_symbol(fleet: Fleet) -> None:
    """Not at the venue's last price, and not at a feed's either; it fills when that is traded."""
    watches = {"execution_mode": "PAPER", "order_type": "LIMIT"}
    far = place(fleet, "SOL-USDT", limit_price="1", **watches)
    fleet.await_state(far, "SUBMITTED")
    fleet.venue.control("POST", "symbols", {"symbol": "SOL-USDT", "status": "HALT"})

    def known() -> bool:
        fleet.quote("SOL-USDT", "151", "151.02")  # a feed goes on
        return "halted" in str(fleet.own_quote("SOL-USDT"))

    wait_until(known, what="the halt in the cache")
    name = place(fleet, "SOL-USDT", limit_price="200", **watches)
    fleet.await_state(name, "SUBMITTED")
    fleet.quote("SOL-USDT", "151", "151.02")
    # One that came later is filled meanwhile.
    fleet.await_state(place(fleet, execution_mode="PAPER", quantity="1"), "FILLED")
    assert fleet.await_state(name, "SUBMITTED", "FILLED")["state"] == "SUBMITTED"
    fleet.venue.control("POST", "symbols", {"symbol": "SOL-USDT", "status": "TRADING"})
    order = fleet.await_state(name, "FILLED", timeout=WITHIN)
    assert abs(order["average_price"] - Decimal("150.02")) < Decimal("0.3")
    fleet.client.cancel(far)
    fleet.await_state(far, "CANCELLED")


def test_an_unknown_status_is_one_order_s_trouble(fleet: Fleet) -> None:
    """That order waits, with an alert; all others trade, and it goes on when it is understood."""
    odd = place(fleet, order_type="LIMIT", limit_price="50000", quantity="1")
    order = fleet.await_state(odd, "SUBMITTED")
    (held,) = [
        one
        for one in fleet.venue.orders()
        if one["broker_order_id"] == order["broker_order_id"] and one["symbol"] == "BTC-USDT"
    ]
    fleet.venue.arm(
        "strange_status",
        on="query",
        code="SUSPENDED",
        times=100_000,
        venue_order_id=held["venue_order_id"],
    )
    wait_until(
        lambda: alerts(fleet, "UNREADABLE_MESSAGE", "%SUSPENDED%"),
        timeout=WITHIN,
        what="the alert",
    )
    for _ in range(3):
        assert fleet.await_state(place(fleet, quantity="1"), "FILLED")["execution_mode"] == "LIVE"
    assert fleet.connected("BINANCE")
    status, said = fleet.reconcile("BINANCE")
    assert said["problem"] is None, (status, said)
    fleet.venue.disarm()
    fleet.venue.price("BTC-USDT", "49000", "49001")
    fleet.await_state(odd, "FILLED", timeout=WITHIN)


def test_a_delisted_symbol_takes_nobody_along(fleet: Fleet) -> None:
    """Traded once, then -1121 to whatever names it: an alert, and the rest goes on."""
    traded = place(fleet, "XRP-USDT", quantity="100")
    fleet.await_state(traded, "FILLED")
    fleet.venue.control("POST", "symbols", {"symbol": "XRP-USDT", "listed": False})
    try:
        # What moves the balances lets every traded symbol be asked about.
        assert fleet.await_state(place(fleet, quantity="1"), "FILLED")["execution_mode"] == "LIVE"
        wait_until(
            lambda: alerts(fleet, "UNREADABLE_MESSAGE", "%XRP-USDT%"),
            timeout=90,
            what="the alert",
        )
        for _ in range(3):
            name = place(fleet, quantity="1", on_failure="wait")
            assert fleet.await_state(name, "FILLED")["execution_mode"] == "LIVE"
        assert fleet.connected("BINANCE")
        refused = fleet.await_state(place(fleet, "XRP-USDT", quantity="100"), "REJECTED")
        assert "not listed" in refused["reason"]
    finally:
        fleet.venue.control("POST", "symbols", {"symbol": "XRP-USDT", "listed": True})


@pytest.mark.parametrize(("status", "words"), [(403, "firewall"), (451, "location")])
def test_shut_out_is_said_in_words_and_sent_once(fleet: Fleet, status: int, words: str) -> None:
    """Before the venue: nothing was taken, and nobody knocks again and again."""
    fired = fleet.venue.fired("shut_out")
    fleet.venue.arm("shut_out", on="submit", status=status, times=50)
    order = fleet.await_state(place(fleet, on_failure="reject"), "REJECTED", timeout=WITHIN)
    assert words in order["reason"]
    assert "html" not in order["reason"].lower()
    assert fleet.venue.fired("shut_out") == fired + 1
    order = fleet.await_state(place(fleet), "FILLED", timeout=WITHIN)
    assert order["execution_mode"] == "PAPER"
    assert fleet.venue.fired("shut_out") == fired + 2


@pytest.mark.parametrize("symbol", ["这是测试币-456", "4-USDT"])
def test_coins_of_any_name(fleet: Fleet, symbol: str) -> None:
    """In another script, or of a digit: from intake to the position."""
    before = fleet.position(symbol, "1000")
    order = fleet.await_state(place(fleet, symbol, quantity="20"), "FILLED")
    assert (order["execution_mode"], order["symbol"]) == ("LIVE", symbol)
    assert fleet.position(symbol, "1000") > before


def test_no_liquidity_is_said_as_such(fleet: Fleet) -> None:
    """EXPIRED with the venue's own reason."""
    fleet.venue.control("POST", "liquidity", {"symbol": "BTC-USDT", "size": "0", "slice": None})
    try:
        name = place(
            fleet, order_type="LIMIT", limit_price="65000", time_in_force="FOK", quantity="1"
        )
        order = fleet.await_state(name, "EXPIRED")
    finally:
        fleet.venue.control("POST", "liquidity", {"symbol": "BTC-USDT", "size": None})
    assert re.search(r"FOK order", order["reason"])
