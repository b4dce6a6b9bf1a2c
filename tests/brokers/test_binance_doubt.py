"""Binance after a lost answer: an order that no query shows, and one that never arrived."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from tests.fleet import PRICES, Fleet, Servers, flush, wait_until
from tests.venues import BinanceVenue

WITHIN = 40.0


@pytest.fixture(scope="module")
def fleet(
    servers: Servers, module_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    """Absence takes a second to prove, and by then what ends at once is too late."""
    flush(servers.valkey.url)
    home = tmp_path_factory.mktemp("binance-doubt") / "home"
    with Fleet(
        module_database_url,
        servers.valkey.url,
        home,
        venue=BinanceVenue,
        environment={"BINANCE_ABSENCE_WAIT": "1", "BINANCE_RESEND_WITHIN": "2"},
    ) as fleet:
        yield fleet


@pytest.fixture(autouse=True)
def judged(fleet: Fleet) -> Iterator[None]:
    """Ledger, tables and event stream compared after each test."""
    fleet.venue.disarm()
    fleet.set_prices(PRICES)
    yield
    fleet.venue.disarm()
    fleet.judge()


def place(fleet: Fleet, **changes: Any) -> str:
    """A MARKET BUY of one bitcoin, with changes; its client_order_id."""
    name = f"doubt-{uuid4().hex[:8]}"
    order = {"symbol": "BTC-USDT", "side": "BUY", "quantity": "1", "client_order_id": name}
    fleet.client.place(**(order | changes))
    return name


def held(fleet: Fleet, order: dict[str, Any]) -> list[dict[str, Any]]:
    """The venue's orders of one of ours."""
    ids = fleet.query(
        "SELECT venue_order_id FROM order_attempts WHERE order_id = %s", order["order_id"]
    )
    names = {row["venue_order_id"] for row in ids}
    return [one for one in fleet.venue.orders() if one["venue_order_id"] in names]


def doubts(fleet: Fleet, order: dict[str, Any]) -> int:
    """How many alerts of its unknown outcome are open."""
    found = fleet.query(
        """SELECT count(*) FROM alerts WHERE kind = 'UNKNOWN_OUTCOME' AND order_id = %s
        AND resolved_at IS NULL""",
        order["order_id"],
    )
    return int(found[0]["count"])


@pytest.mark.parametrize(
    "changes",
    [{}, {"order_type": "LIMIT", "limit_price": "64500"}],
    ids=["market", "limit that trades at once"],
)
def test_bought_once_however_late_it_is_shown(fleet: Fleet, changes: dict[str, str]) -> None:
    """Filled there, and shown by no query for much longer than absence takes to prove."""
    before = fleet.venue.fired("invisible")
    fleet.venue.arm("invisible", seconds=10)
    name = place(fleet, **changes)
    order = fleet.await_state(name, "FILLED", timeout=WITHIN)
    assert fleet.venue.fired("invisible") == before + 1
    assert (order["execution_mode"], len(held(fleet, order))) == ("LIVE", 1)
    assert doubts(fleet, order) == 0


def test_one_that_rests_unseen_is_not_doubled(fleet: Fleet) -> None:
    """It locks money and moves none; the venue counts it, and takes no second one of its id."""
    first = place(fleet, order_type="LIMIT", limit_price="50000")
    fleet.await_state(first, "SUBMITTED")
    fleet.venue.arm("invisible", seconds=8)
    name = place(fleet, order_type="LIMIT", limit_price="50000")
    order = fleet.await_state(name, "SUBMITTED", timeout=WITHIN)
    assert len(held(fleet, order)) == 1
    for one in (first, name):
        fleet.client.cancel(one)
        fleet.await_state(one, "CANCELLED")


@pytest.mark.parametrize(
    ("on_failure", "state", "mode"), [("paper", "FILLED", "PAPER"), ("reject", "REJECTED", "LIVE")]
)
def test_on_failure_decides_about_what_never_arrived(
    fleet: Fleet, on_failure: str, state: str, mode: str
) -> None:
    """A MARKET order whose absence is proven too late is not sent again."""
    fleet.venue.arm("drop_request", on="submit")
    name = place(fleet, on_failure=on_failure)
    order = fleet.await_state(name, state, timeout=WITHIN)
    assert (order["execution_mode"], held(fleet, order)) == (mode, [])
    assert "too late to send it again" in (order["reason"] or order["route_reason"])
    assert doubts(fleet, order) == 0


def test_one_that_would_wait_stays_in_doubt(fleet: Fleet) -> None:
    """Nobody sends it again; a person says what becomes of it."""
    fleet.venue.arm("drop_request", on="submit")
    name = place(fleet, on_failure="wait")

    def said() -> Any:
        order = fleet.order(name)
        return order if order and "too late to send it again" in (order["reason"] or "") else None

    order = wait_until(said, timeout=WITHIN, what="the doubt that stays")
    assert (order["state"], held(fleet, order), doubts(fleet, order)) == ("UNKNOWN", [], 1)
    resolved = fleet.cli(
        "resolve", name, "--as", "never-arrived", "--evidence", "order history", "--yes"
    )
    assert resolved.returncode == 0, resolved.stderr
    order = fleet.await_state(name, "REJECTED", "CANCELLED")
    assert doubts(fleet, order) == 0


def test_what_rests_is_sent_again(fleet: Fleet) -> None:
    """Its price is still its price."""
    fleet.venue.arm("drop_request", on="submit")
    name = place(fleet, order_type="LIMIT", limit_price="50000")
    order = fleet.await_state(name, "SUBMITTED", timeout=WITHIN)
    assert (order["execution_mode"], len(held(fleet, order))) == ("LIVE", 1)
    fleet.client.cancel(name)
    fleet.await_state(name, "CANCELLED")


def test_one_that_waits_knocks_once_a_minute(fleet: Fleet) -> None:
    """Where the venue lets nobody in, the next try comes no sooner."""
    fleet.venue.arm("shut_out", on="submit", times=50)
    name = place(fleet, on_failure="wait")

    def waits() -> Any:
        order = fleet.order(name)
        return order if order and "firewall" in (order["reason"] or "") else None

    order = wait_until(waits, timeout=WITHIN, what="the order that waits")
    assert order["state"] == "PENDING"
    assert (order["due_at"] - order["updated_at"]).total_seconds() > 30
    assert fleet.venue.fired("shut_out") == 1
    fleet.client.cancel(name)
    fleet.await_state(name, "CANCELLED")
