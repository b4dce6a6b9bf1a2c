"""`nav_observations`: one an interval and pair, and the window that a detector starts with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from threading import Barrier, Thread
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from execution.domain.arbitrage.detector import NavArbitrageDetector, detect
from execution.domain.arbitrage.legs import Pair
from execution.domain.arbitrage.signals import Assessment, Parameters, Position, followed
from execution.store import arbitrage
from execution.store.engine import Store
from tests.nav_histories import START, at_spreads, history, observation

PAIR = Pair()
THREE = Parameters(window=3)
STORY = ("-0.01", "0", "0.01", "-0.05", "-0.06", "-0.02", "0.04", "0.2")


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """A fresh database."""
    store = Store(database_url)
    yield store
    store.close()


def record(store: Store, *found: Assessment, pair: Pair = PAIR, interval: str = "1d") -> list[bool]:
    """Record assessments, each in a transaction of its own."""
    told = []
    for one in found:
        with store.transaction() as connection:
            told.append(arbitrage.record(connection, pair, interval, one))
    return told


def rows(store: Store) -> list[dict[str, Any]]:
    """All rows, oldest first."""
    with store.statement() as connection:
        found = connection.execute(text("SELECT * FROM nav_observations ORDER BY interval_at"))
        return [dict(row) for row in found.mappings()]


def test_a_row_holds_every_number(store: Store) -> None:
    """Prices, NAV, spread, Z and its window, exactly; and what came of it."""
    found = detect(at_spreads(*STORY[:4]), THREE)
    assert record(store, *found) == [True] * 4
    first, *_, last = rows(store)
    assert (first["z"], first["action"], first["reason"]) == (None, None, "WARMING_UP")
    assert (last["action"], last["direction"]) == ("ENTER", "LONG_TRUST_SHORT_SPOT")
    score = found[-1].score
    assert score is not None
    for name in ("z", "mean", "standard_deviation"):
        assert last[name] == getattr(score, name)
    assert (last["nav_per_share"], last["spread"], last["window_size"]) == (
        100,
        found[-1].spread,
        3,
    )
    assert (last["trust_symbol"], last["spot_symbol"]) == ("GBTC", "BTC-USDT")


def test_the_first_observation_of_an_interval_stays(store: Store) -> None:
    """A second one, from whoever, changes nothing and says so."""
    (first,) = detect([observation(0, "95", "100000")])
    (other,) = detect([observation(0, "96", "100000")])
    assert record(store, first, first, other) == [True, False, False]
    assert [row["trust_price"] for row in rows(store)] == [95]


def test_two_at_once(store: Store) -> None:
    """Of two tasks that observe the same interval together, one records it."""
    (one,) = detect([observation(0, "95", "100000")])
    start, told = Barrier(2), list[bool]()

    def run() -> None:
        start.wait(10)
        told.extend(record(store, one))

    threads = [Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(told) == [False, True]


def test_pairs_and_lengths_are_apart(store: Store) -> None:
    """Another trust, another spot or another interval has a window of its own."""
    (one,) = detect([observation(0, "95", "100000")])
    others = [(Pair("ETHE"), "1d"), (Pair(spot="BTC-USD"), "1d"), (PAIR, "15m")]
    for pair, interval in others:
        assert record(store, one, pair=pair, interval=interval) == [True]
    with store.statement() as connection:
        assert arbitrage.last_window(connection, PAIR, "1d", 60) == []
        for pair, interval in others:
            assert len(arbitrage.last_window(connection, pair, interval, 60)) == 1


def test_the_last_window(store: Store) -> None:
    """The newest so many, oldest first, exactly as they were observed."""
    seen = history([(Decimal(f"9{day}.123456789"), Decimal(100_000 + day)) for day in range(6)])
    seen[4] = replace(seen[4], spot_currency="USDT", conversion=Decimal("0.9987"))
    seen[5] = replace(seen[5], spot_currency="USDT", conversion=None)
    seen[3] = replace(seen[3], coins_per_share=Decimal("0.000945397123456789012345678901"))
    record(store, *detect(seen))
    with store.statement() as connection:
        assert arbitrage.last_window(connection, PAIR, "1d", 4) == seen[2:]
        assert arbitrage.last_window(connection, PAIR, "1d", 60) == seen
        before = seen[4].interval
        assert arbitrage.last_window(connection, PAIR, "1d", 2, before) == seen[2:4]


def test_a_detector_that_starts_anew_goes_on(store: Store) -> None:
    """Loaded before every observation, the window gives the signals of one that never stopped."""
    story = at_spreads(*STORY)
    position: Position | None = None
    found = []
    for one in story:
        with store.transaction() as connection:
            window = arbitrage.last_window(connection, PAIR, "1d", THREE.window, one.interval)
            assessment = NavArbitrageDetector(THREE, window).observe(one, position)
            assert arbitrage.record(connection, PAIR, "1d", assessment)
        position = followed(position, assessment.signal)
        found.append(assessment)
    assert found == detect(story, THREE)
    exits = [row["reason"] for row in rows(store) if row["action"] == "EXIT"]
    assert exits == ["SIGN_TURNED"]


@pytest.mark.parametrize("column", ["trust_price", "spot_price", "coins_per_share", "conversion"])
@pytest.mark.parametrize("value", ["0", "-1", "NaN", "Infinity"])
def test_the_database_refuses_what_is_no_price(store: Store, column: str, value: str) -> None:
    """Whoever writes it."""
    record(store, *detect([observation(0, "95", "100000")]))
    with (
        pytest.raises(IntegrityError, match=f"nav_observations_{column}_range_check"),
        store.transaction() as connection,
    ):
        connection.execute(
            text(f"UPDATE nav_observations SET {column} = CAST(:value AS numeric)"),
            {"value": value},
        )


def test_times_come_back_aware(store: Store) -> None:
    """In UTC, as the detector compares them."""
    record(store, *detect([observation(0, "95", "100000")]))
    with store.statement() as connection:
        (seen,) = arbitrage.last_window(connection, PAIR, "1d", 1)
    assert seen.interval == START
    assert seen.interval.utcoffset() == timedelta(0)
