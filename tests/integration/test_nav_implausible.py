"""Readings that nobody should believe, and groups whose pair cannot be judged."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

from execution.store import confirmations
from execution.store.engine import Store
from tests.fleet import Servers, flush
from tests.integration.test_nav_acting import MINUTE, NOW, Desk
from tests.pairs import COINS

BELIEVING = {"nav_farthest_z": Decimal(10), "nav_largest_move": Decimal("0.25")}
"""The defaults."""


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """A fresh database."""
    with closing(Store(database_url)) as store:
        yield store


@pytest.fixture
def desks(store: Store, servers: Servers) -> Iterator[Any]:
    """Makes desks on one database, the first with a past and all that an entry needs."""
    flush(servers.valkey.url)
    made: list[Desk] = []

    def make(**settings: Any) -> Desk:
        made.append(Desk(store, servers.valkey.url, **settings))
        if len(made) == 1:
            made[0].venues()
            made[0].past()
        return made[-1]

    yield make
    for desk in made:
        desk.close()


def readings(desk: Desk) -> list[str]:
    """The alerts on readings that stand."""
    statement = "SELECT message FROM alerts WHERE kind = 'NAV_READING' AND resolved_at IS NULL"
    return [row["message"] for row in desk.rows(statement)]


def observed(desk: Desk) -> int:
    """How many observations there are."""
    return int(desk.rows("SELECT count(*) AS number FROM nav_observations")[0]["number"])


def opened(desk: Desk) -> None:
    """A group whose legs are filled."""
    desk.look("45")
    desk.fill(1, price="45")
    desk.fill(2, price="62500")
    desk.mover.once()
    assert desk.group()["state"] == "OPEN"


def test_a_spin_off_is_no_signal(desks: Any) -> None:
    """A tenth below NAV, with the coins of yesterday: nothing until a person has confirmed it."""
    desk = desks(**BELIEVING)
    before = observed(desk)
    assert desk.look("45").startswith("no observation: Z is -")
    assert desk.rows("SELECT 1 FROM nav_groups") == []
    assert observed(desk) == before
    (alert,) = readings(desk)
    assert "`execution arbitrage confirm`" in alert
    # Hours later it is no better.
    desk.now += timedelta(hours=20)
    assert desk.look("45.1").startswith("no observation: Z is -")
    with desk.store.transaction() as connection:
        held_back = confirmations.doubted(connection, desk.all.watch.plan.pair, "1m")
        assert held_back is not None
        pair = desk.all.watch.plan.pair
        confirmations.confirm(connection, pair, held_back[1], "the trust's own page", "me")
    # Another level than the confirmed one is as doubtful as before.
    assert desk.look("40").startswith("no observation: Z is -")
    assert desk.look("45.2") == "ENTER LONG_TRUST_SHORT_SPOT"
    assert readings(desk) == []


def test_coins_that_disagree_with_their_own_accrual(desks: Any) -> None:
    """A tenth less a share than yesterday is no fee: set wrongly, or a distribution."""
    desks(**BELIEVING)
    desk = desks(**BELIEVING, nav_coins_per_share=COINS * Decimal("0.9"))
    assert desk.look("45").startswith(
        "no observation: coins per share 0.00072 disagree with 0.0008"
    )
    assert len(readings(desk)) == 1
    near = desks(**BELIEVING, nav_coins_per_share=COINS * Decimal("0.999"))
    assert near.look("50").startswith("observed")


def test_a_jump_is_held_back_before_the_window_is_full(desks: Any) -> None:
    """Also where there is no Z to see it by."""
    desk = desks(**BELIEVING, nav_window=50)
    assert desk.look("25").startswith("no observation: price / NAV has moved by -50")


def test_an_open_group_that_cannot_be_judged(desks: Any) -> None:
    """Stale coins, no coins or no quotes: a person is told at once, until it can be."""
    desk = desks()
    opened(desk)
    stale = desks(nav_coins_as_of=NOW.date() - timedelta(days=30))
    stale.mover.once()
    (alert,) = stale.alerts()
    assert "cannot be judged: coins per share 0.0008 is stale" in alert
    none = desks(nav_coins_per_share=None, nav_coins_as_of=None)
    none.mover.once()
    (alert,) = none.alerts()
    assert "nobody has said what a share holds" in alert
    desk.mover.once()
    assert desk.alerts() == []
    desk.now += 2 * MINUTE
    assert desk.watch.once().said.startswith("no observation: trust price is stale")
    desk.mover.once()
    (alert,) = desk.alerts()
    assert "cannot be judged: trust price is stale" in alert
    desk.now += MINUTE
    assert desk.look("46").startswith("observed")
    desk.mover.once()
    assert desk.alerts() == []


def test_an_exit_by_time_needs_no_judgement(desks: Any) -> None:
    """Beyond its longest holding a group is closed, whatever is known of the pair."""
    opened(desks())
    blind = desks(
        nav_longest_holding=timedelta(minutes=10), nav_coins_per_share=None, nav_coins_as_of=None
    )
    blind.now += 9 * MINUTE
    blind.mover.once()
    assert blind.group()["state"] == "OPEN"
    blind.now += MINUTE
    blind.mover.once()
    group = blind.group()
    assert (group["state"], group["exit_reason"]) == ("CLOSING", "HELD_LONG_ENOUGH")


def test_what_came_in_kind_is_counted(desks: Any) -> None:
    """A spin-off that was booked: the group says what it has not closed, and counts its worth."""
    desk = desks()
    opened(desk)
    shares = desk.legs()[0]["quantity"]
    with desk.store.transaction() as connection:
        connection.execute(
            text(
                """INSERT INTO bookings (booking_id, broker, environment, account, happened_at,
                    went, came, evidence, booked_by)
                VALUES (gen_random_uuid(), 'IBKR', 'practice', 'main', :at, :went, :came, 'page',
                    'me')"""
            ),
            {
                "at": NOW + MINUTE,
                "went": json.dumps([f"GBTC {shares * 2}"]),
                "came": json.dumps([f"GBTC {shares * 2}", f"MINI {shares * 4} @ 3"]),
            },
        )
    desk.mover.once()
    (alert,) = desk.alerts()
    assert f"{shares * 2} MINI came in kind" in alert
    desk.now += MINUTE
    desk.look("50.03")
    desk.fill(3, price="50")
    desk.fill(4, price="62600")
    desk.mover.once()
    with desk.store.transaction() as connection:  # its end is told by another clock than the desk's
        connection.execute(text("UPDATE nav_groups SET ended_at = :at"), {"at": NOW + 5 * MINUTE})
    desk.mover.once()
    traded = shares * 5 - Decimal("0.1776") * 100
    assert desk.group()["pnl"] == traded + shares * 2 * 3
