"""Executions out of tickets: once each, whatever is told when and in which order."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mt4_bridge.magic import magic_of
from mt4_bridge.store import Store
from mt4_bridge.tickets import Ticket, take_tickets
from mt4_bridge.trees import BUY, SELL, state_of

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


def _tell_twice(store: Store, *tickets: Ticket) -> None:
    """Reported with what closed first, and once more: nothing is made twice."""
    _tell(store, *reversed(tickets))
    _tell(store, *tickets)


PENDING = replace(BOUGHT, type=2, lots="5", commission="0", open_price="1.09")


def test_a_limit_whose_rest_has_a_new_ticket(store: Store) -> None:
    """The ticket itself becomes a position; the rest is pending, and fills later."""
    _tell(store, PENDING)
    part = replace(BOUGHT, lots="2", commission="-14")
    rest = replace(PENDING, ticket=11, lots="3", comment="from #10")
    _tell_twice(store, part, rest)
    assert _told(store) == [("O10", "BUY", "2", "14", OURS)]
    filled = replace(rest, type=BUY, commission="-21")
    _tell_twice(store, part, filled)
    assert _told(store) == [("O10", "BUY", "2", "14", OURS), ("O11", "BUY", "3", "21", OURS)]
    _tell_twice(store, _closed(part), _closed(filled))
    assert [row[:3] for row in _told(store)] == [
        ("C10", "SELL", "2"),
        ("C11", "SELL", "3"),
        ("O10", "BUY", "2"),
        ("O11", "BUY", "3"),
    ]


def test_a_limit_whose_fills_have_new_tickets(store: Store) -> None:
    """It stays pending with fewer lots; each fill is a position that came from it."""
    _tell(store, PENDING)
    for number, left in ((11, "3"), (12, "1")):
        part = replace(BOUGHT, ticket=number, lots="2", comment="from #10")
        _tell_twice(store, part, replace(PENDING, lots=left))
    last = replace(BOUGHT, lots="1", comment=OURS)
    _tell(store, last)
    assert [(row[0], row[2], row[4]) for row in _told(store)] == [
        ("O10", "1", OURS),
        ("O11", "2", OURS),
        ("O12", "2", OURS),
    ]


def test_a_limit_whose_parts_all_have_new_tickets(store: Store) -> None:
    """It is closed, a position and a pending order come of it, and so on, several deep."""
    _tell(store, PENDING)
    part = replace(BOUGHT, ticket=11, lots="2", comment="from #10")
    rest = replace(PENDING, ticket=12, lots="3", comment="from #10")
    gone = _closed(PENDING)
    _tell_twice(store, gone, part, rest)
    assert [row[0] for row in _told(store)] == ["O11"]
    second = replace(BOUGHT, ticket=13, lots="1", comment="from #12")
    last = replace(PENDING, ticket=14, lots="2", comment="from #12")
    _tell_twice(store, gone, part, _closed(rest), second, last)
    _tell_twice(store, gone, part, _closed(rest), second, replace(last, type=BUY))
    assert [(row[0], row[2], row[4]) for row in _told(store)] == [
        ("O11", "2", OURS),
        ("O13", "1", OURS),
        ("O14", "2", OURS),
    ]
    rows = store.connection.execute("SELECT DISTINCT root, command_id FROM tickets").fetchall()
    assert [tuple(row) for row in rows] == [(10, OURS)]


SOLD = replace(BOUGHT, ticket=20, type=SELL, lots="1", magic=7, comment="by hand", commission="-7")


@pytest.mark.parametrize("seen_open", [True, False])
@pytest.mark.parametrize("larger_lots", ["1", "3"])
def test_positions_that_close_each_other(
    store: Store, larger_lots: str, *, seen_open: bool
) -> None:
    """The smaller one is left with 0 lots, the larger one with what it had or what was closed."""
    bought = replace(BOUGHT, lots="3", commission="-21")
    if seen_open:
        _tell(store, bought, SOLD)
    elif larger_lots == "3":
        return  # nobody can tell then
    larger = _closed(bought, lots=larger_lots, comment="partial close")
    rest = replace(bought, ticket=21, lots="2", comment="split from #10")
    smaller = _closed(SOLD, lots="0", comment="close hedge by #10")
    _tell_twice(store, larger, smaller, rest)
    told = {row[0]: row[1:3] for row in _told(store)}
    assert told == {
        "O10": ("BUY", "3"),
        "O20": ("SELL", "1"),
        "C10": ("SELL", "1"),
        "C20": ("BUY", "1"),
    }
    _tell_twice(store, larger, smaller, _closed(rest))
    assert _told(store)[2][:3] == ("C21", "SELL", "2")


def test_a_rest_that_names_the_opposite_side(store: Store) -> None:
    """What is left of the larger one came of it, whichever of the two its comment names."""
    bought = replace(BOUGHT, lots="3")
    _tell(store, bought, SOLD)
    larger = _closed(bought, lots="3", comment="close hedge by #20")
    smaller = _closed(SOLD, lots="0", comment="close hedge by #10")
    rest = replace(bought, ticket=21, lots="2", comment="from #20")
    _tell_twice(store, larger, smaller, rest)
    told = {row[0]: row[1:3] for row in _told(store)}
    assert (told["C10"], told["C20"], "O21" in told) == (("SELL", "1"), ("BUY", "1"), False)


def test_comments_that_go_in_circles(store: Store) -> None:
    """Nonsense in comments ends, whatever it says."""
    _tell(
        store,
        _closed(replace(BOUGHT, comment="to #11")),
        _closed(replace(BOUGHT, ticket=11, comment="to #10 from #10")),
        _closed(replace(BOUGHT, ticket=12, comment="to #12 from #12")),
    )


_VERSION_1 = """
CREATE TABLE IF NOT EXISTS commands (
    id TEXT PRIMARY KEY,
    sequence INTEGER NOT NULL UNIQUE,
    kind TEXT NOT NULL CHECK (kind IN ('PLACE', 'MODIFY', 'CLOSE')),
    body TEXT NOT NULL,
    magic INTEGER NOT NULL,
    symbol TEXT,
    stage TEXT NOT NULL CHECK (stage IN ('NEW', 'LEASED', 'DONE', 'FAILED', 'UNKNOWN')),
    valid_until INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    leases INTEGER NOT NULL DEFAULT 0,
    leased_at INTEGER,
    leased_to TEXT,
    reported_by TEXT,
    settled_at INTEGER,
    sent TEXT NOT NULL DEFAULT 'MAYBE' CHECK (sent IN ('YES', 'NO', 'MAYBE')),
    code TEXT,
    class TEXT,
    reason TEXT,
    ticket INTEGER,
    protected INTEGER
);
CREATE TABLE IF NOT EXISTS tickets (
    ticket INTEGER PRIMARY KEY,
    symbol TEXT NOT NULL,
    type INTEGER NOT NULL,
    lots TEXT NOT NULL,
    open_time INTEGER NOT NULL,
    open_price TEXT NOT NULL,
    close_time INTEGER,
    close_price TEXT NOT NULL,
    stop_loss TEXT NOT NULL,
    take_profit TEXT NOT NULL,
    expiration INTEGER,
    commission TEXT NOT NULL,
    first_commission TEXT NOT NULL,
    seen_open INTEGER NOT NULL,
    swap TEXT NOT NULL,
    profit TEXT NOT NULL,
    magic INTEGER NOT NULL,
    comment TEXT NOT NULL,
    close_server INTEGER NOT NULL,
    root INTEGER NOT NULL,
    next INTEGER,
    command_id TEXT
);
CREATE TABLE IF NOT EXISTS executions (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    execution_id TEXT NOT NULL UNIQUE,
    ticket INTEGER NOT NULL,
    root INTEGER NOT NULL,
    command_id TEXT,
    symbol TEXT NOT NULL,
    side TEXT NOT NULL,
    lots TEXT NOT NULL,
    price TEXT NOT NULL,
    executed_at INTEGER NOT NULL,
    commission TEXT NOT NULL,
    swap TEXT NOT NULL,
    profit TEXT NOT NULL
);
INSERT INTO tickets (ticket, symbol, type, lots, open_time, open_price, close_time, close_price,
    stop_loss, take_profit, commission, first_commission, seen_open, swap, profit, magic, comment,
    close_server, root, next)
VALUES
    (10, 'EURUSD', 0, '0.25', 1, '1.1', 2, '1.2', '0', '0', '-1', '-4', 1, '0', '0', 7, 'to #11',
     2, 10, 11),
    (11, 'EURUSD', 0, '0.75', 1, '1.1', NULL, '1.2', '0', '0', '-3', '-3', 1, '0', '0', 7,
     'from #10', 0, 10, NULL);
PRAGMA user_version = 1;
"""


def test_a_database_of_the_first_version(tmp_path: Path) -> None:
    """Chains are trees now: what was open goes on, and is told as it would have been."""
    path = tmp_path / "bridge.sqlite3"
    with closing(sqlite3.connect(path)) as before:
        before.executescript(_VERSION_1)
    store = Store(path)
    rest = replace(BOUGHT, ticket=11, lots="0.75", magic=7, comment="from #10", commission="-3")
    left = replace(rest, ticket=12, lots="0.5", comment="from #11", commission="-2")
    _tell(store, _closed(rest, lots="0.25", comment="to #12", commission="-1"), left)
    assert [row[:4] for row in _told(store)] == [
        ("C10", "SELL", "0.25", "0"),
        ("C11", "SELL", "0.25", "0"),
        ("O10", "BUY", "1", "4"),
    ]
    store.close()
    Store(path).close()


@pytest.mark.parametrize(
    ("parts", "filled", "expected"),
    [
        ([PENDING], "0", "SUBMITTED"),
        ([_closed(PENDING)], "0", "CANCELLED"),
        ([_closed(replace(PENDING, expiration=2_000))], "0", "EXPIRED"),
        ([_closed(PENDING), replace(PENDING, ticket=11)], "2", "PARTIALLY_FILLED"),
        ([_closed(replace(PENDING, comment="to #11"))], "0", "SUBMITTED"),
        ([_closed(PENDING), replace(BOUGHT, ticket=11)], "5", "FILLED"),
        ([_closed(PENDING), replace(BOUGHT, ticket=11)], "2", "CANCELLED"),
        ([BOUGHT], "2", "FILLED"),
    ],
)
def test_where_an_order_stands(parts: list[Ticket], filled: str, expected: str) -> None:
    """Of five lots: over only once nothing of it is pending and no part is missing."""
    rows = [{**asdict(part), "parent": None, "begins": 1} for part in parts]
    assert state_of(rows, Decimal(filled), Decimal(5), None) == expected


def test_an_end_in_utc() -> None:
    """What ends at the time asked for has expired, by whatever clock the server ended it."""
    rows = [{**asdict(_closed(PENDING)), "parent": None, "begins": 1}]
    assert state_of(rows, Decimal(0), Decimal(5), 2_400) == "EXPIRED"
    assert state_of(rows, Decimal(0), Decimal(5), 3_000) == "CANCELLED"
