"""How often one order goes out, and since when it could not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from execution.domain.errors import (
    BrokerError,
    BrokerRejected,
    BrokerUnavailable,
    NotTaken,
    RateLimited,
)
from execution.domain.pacing import (
    MOST,
    WITHIN,
    Pauses,
    Tries,
    may_go_again,
    never_left,
    pause_after,
)
from execution.domain.vocabulary import OrderType, TimeInForce

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)


def at(*seconds: float) -> list[datetime]:
    """Moments after noon."""
    return [NOON + timedelta(seconds=one) for one in seconds]


@pytest.mark.parametrize(
    ("sent", "now", "wait"),
    [((), 0, 0), ((0,), 1, 0), ((0, 1), 2, 58), ((0, 1), 60, 0), ((0, 1, 61), 62, 0)],
)
def test_twice_a_minute(sent: tuple[float, ...], now: float, wait: float) -> None:
    """The second one may go at once, the third a minute after the first."""
    assert Tries(sent=at(*sent)).wait(at(now)[0]) == timedelta(seconds=wait)


@given(st.lists(st.floats(0, 300), max_size=40))
def test_no_minute_has_more(asked: list[float]) -> None:
    """Whenever it is asked for: no minute holds more than two."""
    sent: list[datetime] = []
    for now in at(*sorted(asked)):
        if not Tries(sent=sent).wait(now):
            sent.append(now)
    for index, first in enumerate(sent):
        assert sum(one - first < WITHIN for one in sent[index:]) <= MOST


@pytest.mark.parametrize(
    ("failures", "now", "seconds"),
    [((), 5, 0), ((0, 1, 2), 20, 20), ((0, 1, 200, 201), 210, 10), ((0,), 200, 0)],
)
def test_failing_for(failures: tuple[float, ...], now: float, seconds: float) -> None:
    """From the first of those that followed each other."""
    assert Tries(failures=at(*failures)).failing_for(at(now)[0]) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("put_off", "now", "pause"),
    [
        ((), 0, 1),
        ((0,), 1, 2),
        ((0, 1, 3), 7, 8),
        (tuple(range(0, 100, 10)), 100, 10),
        ((0, 1, 3), 130, 1),
        ((0, 200), 201, 2),
    ],
)
def test_the_pause_grows(put_off: tuple[float, ...], now: float, pause: float) -> None:
    """Each time twice as long, up to a bound; after a quiet while it begins anew."""
    assert Tries(put_off=at(*put_off)).pause(at(now)[0]) == timedelta(seconds=pause)


def test_pauses_grow_and_stay() -> None:
    """However long ago the last connection was, and however the tries fail."""
    pauses = Pauses()
    assert [pauses.after(0) for _ in range(8)] == [0.5, 1, 2, 4, 8, 10, 10, 10]
    assert pauses.after(9) == 10  # one that did not last changes nothing
    assert pauses.after(11) == 0.5
    assert pauses.after(0, at_least=60) == 60
    assert pauses.after(0) == 2


@pytest.mark.parametrize(
    ("order_type", "tif", "seconds", "again"),
    [
        (OrderType.MARKET, TimeInForce.GTC, 59, True),
        (OrderType.MARKET, TimeInForce.GTC, 61, False),
        (OrderType.LIMIT, TimeInForce.IOC, 61, False),
        (OrderType.LIMIT, TimeInForce.FOK, 61, False),
        (OrderType.LIMIT, TimeInForce.GTC, 3600, True),
        (OrderType.STOP, TimeInForce.GTC, 3600, True),
    ],
)
def test_what_ends_at_once_is_not_sent_again_late(
    order_type: OrderType, tif: TimeInForce, seconds: float, *, again: bool
) -> None:
    """Where a venue takes its id anew; elsewhere it refuses the second one for ever."""
    within, so_long = timedelta(seconds=60), timedelta(seconds=seconds)
    assert may_go_again(order_type, tif, so_long, within) is again
    assert may_go_again(order_type, tif, so_long, None)


def test_a_change_goes_soon_after_its_venue_is_back() -> None:
    """However often it was tried in vain: a stop that nothing needs must not rest on for long."""
    away = BrokerUnavailable("not connected")
    assert never_left(away)
    assert {pause_after(away, failures) for failures in range(20)} == {timedelta(seconds=3)}
    assert pause_after(RateLimited("too many", wait=120), 0) == timedelta(seconds=120)


@pytest.mark.parametrize(
    ("error", "first", "longest"),
    [(BrokerRejected("no"), 2, 480), (NotTaken("busy"), 1, 60), (None, 1, 60)],
)
def test_a_venue_that_answers_is_asked_less_and_less_often(
    error: BrokerError | None, first: int, longest: int
) -> None:
    """A change that it refuses again and again is no load on it."""
    assert pause_after(error, 0) == timedelta(seconds=first)
    assert pause_after(error, 50) == timedelta(seconds=longest)
    pauses = [pause_after(error, failures) for failures in range(10)]
    assert pauses == sorted(pauses)
