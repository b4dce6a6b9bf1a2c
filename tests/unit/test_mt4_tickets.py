"""Executions out of tickets: once each, whatever is told when and in which order."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mt4_bridge.magic import magic_of
from mt4_bridge.store import Store
from mt4_bridge.tickets import BUY, SELL, Ticket, take_tickets

Told = list[tuple[str, str, str, str, str | None]]

OURS = "o" * 22
BOUGHT = Ticket(
    ticket=10,
    symbol="EURUSD",
    type=BUY,
    lots="1",
    open_time=1_000,
    open_price="1.1",
    close_time=None,
    close_price="0",
    stop_loss="0",
    take_profit="0",
    expiration=None,
    commission="-7",
    swap="0",
    profit="0",
    magic=magic_of(OURS),
    comment=OURS,
    close_server=0,
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A fresh database with one PLACE in it."""
    store = _store(tmp_path / "bridge.sqlite3")
    yield store
    store.close()


def _store(path: Path) -> Store:
    store = Store(path)
    with store.transaction() as connection:
        connection.execute(
            "INSERT INTO commands (id, sequence, kind, body, magic, symbol, stage, valid_until, "
            "created_at) VALUES (?, 1, 'PLACE', '{}', ?, 'EURUSD', 'LEASED', 0, 0)",
            (OURS, magic_of(OURS)),
        )
    return store


def _tell(store: Store, *tickets: Ticket) -> set[str]:
    with store.transaction() as connection:
        return take_tickets(connection, tickets)


def _told(store: Store) -> Told:
    rows = store.connection.execute("SELECT * FROM executions ORDER BY execution_id")
    return [
        (row["execution_id"], row["side"], row["lots"], row["commission"], row["command_id"])
        for row in rows
    ]


def _closed(ticket: Ticket, **changes: Any) -> Ticket:
    return replace(
        ticket, close_time=2_000, close_server=2, close_price="1.2", profit="9", **changes
    )


def _split(ticket: Ticket, lots: str, rest: str, number: int) -> tuple[Ticket, Ticket]:
    """A partial close: the old ticket keeps `lots` and is closed, a new one has the rest."""
    total = float(ticket.lots)
    charge = float(ticket.commission)
    first = replace(
        _closed(ticket, comment=f"to #{number}"),
        lots=lots,
        commission=f"{charge * float(lots) / total:g}",
    )
    second = replace(
        ticket,
        ticket=number,
        lots=rest,
        comment=f"from #{ticket.ticket}",
        commission=f"{charge * float(rest) / total:g}",
    )
    return first, second


def test_a_position_begins_and_ends(store: Store) -> None:
    """One execution for each, by hand closed ones without a command."""
    assert _tell(store, BOUGHT) == {OURS}
    assert _tell(store, BOUGHT) == set()
    _tell(store, _closed(BOUGHT))
    assert _told(store) == [
        ("C10", "SELL", "1", "0", None),
        ("O10", "BUY", "1", "7", OURS),
    ]


def test_told_when_all_is_over(store: Store) -> None:
    """A position that nobody saw open is told whole; its charge belongs to the beginning."""
    _tell(store, _closed(BOUGHT))
    assert [row[:4] for row in _told(store)] == [
        ("C10", "SELL", "1", "0"),
        ("O10", "BUY", "1", "7"),
    ]


def test_a_late_charge_belongs_to_the_close(store: Store) -> None:
    """A server that charges half with the close."""
    _tell(store, BOUGHT)
    _tell(store, _closed(BOUGHT, commission="-14"))
    assert _told(store)[0][3] == "7"


def test_a_pending_order_is_no_execution(store: Store) -> None:
    """It becomes one when its type says that it trades; charged by then."""
    pending = replace(BOUGHT, type=2, commission="0")
    _tell(store, pending)
    assert _told(store) == []
    _tell(store, BOUGHT)
    assert _told(store) == [("O10", "BUY", "1", "7", OURS)]


def test_a_cancelled_pending_order_is_none_either(store: Store) -> None:
    """Closed without ever trading."""
    _tell(store, _closed(replace(BOUGHT, type=3)))
    assert _told(store) == []


def test_deposits_and_foreign_tickets(store: Store) -> None:
    """What is not ours has no command; of magic 0 only the whole id in the comment is ours."""
    _tell(
        store,
        replace(BOUGHT, ticket=11, magic=5, comment="somebody"),
        replace(BOUGHT, ticket=12, magic=0, comment=""),
        replace(BOUGHT, ticket=13, magic=0, type=SELL),
    )
    assert [(row[0], row[4]) for row in _told(store)] == [
        ("O11", None),
        ("O12", None),
        ("O13", OURS),
    ]


def test_the_magic_number_outlives_the_comment(store: Store) -> None:
    """Whatever a server writes into the comment."""
    _tell(store, replace(BOUGHT, comment="broker's own words"))
    assert _told(store)[0][4] == OURS


@given(data=st.data())
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None
)
def test_chains_are_told_alike_in_any_order(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Two partial closes and a last one, in any bundles, shuffled in each, seen open or not.

    A poll tells all that has closed by then. A ticket that was split and only says where it came
    from can be told from a whole one by its rest alone, which a poll tells with it.
    """
    first, second = _split(BOUGHT, "0.25", "0.75", 11)
    second_closed, third = _split(second, "0.5", "0.25", 12)
    says_rest = data.draw(st.booleans())
    second_closed = replace(second_closed, comment="to #12" if says_rest else "from #10")
    third_closed = _closed(third)
    seen_open = data.draw(st.booleans())
    final = [first, second_closed, third_closed]
    cuts = sorted(data.draw(st.sets(st.integers(1, 2)))) if says_rest else []
    store = _store(tmp_path_factory.mktemp("chain") / "bridge.sqlite3")
    try:
        if seen_open:
            _tell(store, BOUGHT)
        for start, end in itertools.pairwise([0, *cuts, 3]):
            _tell(store, *data.draw(st.permutations(final[start:end])))
        told = {row[0]: row[1:] for row in _told(store)}
    finally:
        store.close()
    charges = [float(row[2]) for row in told.values()]
    assert sum(charges) == pytest.approx(7)
    assert told["C10"][:2] == ("SELL", "0.25")
    assert told["C11"][:2] == ("SELL", "0.5")
    assert told["C12"][:2] == ("SELL", "0.25")
    assert told["O10"][:2] == ("BUY", "1")
    assert told["O10"][3] == OURS
    assert len(told) == 4


def test_a_rest_without_its_beginning(store: Store) -> None:
    """A ticket from before the bridge's time: its end is told, its beginning is not made up."""
    _tell(store, replace(BOUGHT, ticket=20, comment="from #3"))
    assert _told(store) == []
    _tell(store, _closed(replace(BOUGHT, ticket=20, comment="from #3")))
    assert [row[0] for row in _told(store)] == ["C20"]


def test_comments_that_go_in_circles(store: Store) -> None:
    """Nonsense in comments ends, whatever it says."""
    _tell(
        store,
        _closed(replace(BOUGHT, comment="to #11")),
        _closed(replace(BOUGHT, ticket=11, comment="to #10 from #10")),
        _closed(replace(BOUGHT, ticket=12, comment="to #12 from #12")),
    )
