"""Reduce-only orders: never more than the position, and who gives way to whom."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from execution.domain.risk.reducing import (
    Book,
    Bracket,
    Exit,
    Room,
    beside,
    in_words,
    make_room,
    room,
    share,
)
from execution.domain.vocabulary import Side

D = Decimal
FIRST = datetime(2026, 1, 2, tzinfo=UTC)


def key(number: int) -> UUID:
    """An id."""
    return UUID(int=number)


def an_exit(number: int, leaves: str, *, protects: bool = False) -> Exit:
    """The exit of that number; a larger number is newer."""
    since = FIRST + timedelta(seconds=number)
    return Exit(key(number), f"exit-{number}", D(leaves), since, protects)


def bracket(
    number: int, opened: str, covers: str | None = None, stands: str | None = None
) -> Bracket:
    """The bracket of that number, at rest unless something else is said."""
    covered = opened if covers is None else covers
    return Bracket(
        key(number),
        f"parent-{number}",
        D(opened),
        D(covered),
        D(covered if stands is None else stands),
        FIRST + timedelta(seconds=number),
    )


def book(position: str, *parts: Exit | Bracket, side: Side = Side.SELL) -> Book:
    """What stands against a position."""
    return Book(
        D(position),
        side,
        tuple(one for one in parts if isinstance(one, Exit)),
        tuple(one for one in parts if isinstance(one, Bracket)),
    )


def test_all_of_a_position_is_free() -> None:
    """From either side; an order that would make it larger has nothing to reduce."""
    assert room(book("5")) == Room(D(5), D(5))
    assert room(book("-5", side=Side.BUY)) == Room(D(5), D(5))
    assert room(book("5", side=Side.BUY)) == Room(D(0), D(0))
    assert room(book("0")) == Room(D(0), D(0))


def test_exits_take_from_each_other() -> None:
    """What one may still fill another may not."""
    assert room(book("5", an_exit(1, "3"))) == Room(D(2), D(2))
    assert room(book("5", an_exit(1, "3"), an_exit(2, "4"))) == Room(D(0), D(0))


def test_a_bracket_makes_room() -> None:
    """All of it may go in the end, and at once only what the children cannot fill as well."""
    assert room(book("10", bracket(1, "10"))) == Room(D(10), D(0))
    assert room(book("10", bracket(1, "6"), an_exit(2, "1"))) == Room(D(9), D(3))
    # Told to cover 6, and the venue has not made them smaller yet.
    assert room(book("10", bracket(1, "10", "6", "10"))) == Room(D(10), D(0))
    assert room(book("10", bracket(1, "10", "6", "6"))) == Room(D(10), D(4))


def test_what_is_nobodys() -> None:
    """Beside exits and what brackets stand for, or are to stand for once they are placed."""
    assert beside(book("10", an_exit(1, "2"), bracket(2, "5"))) == 3
    assert beside(book("10", bracket(2, "5", "5", "0"))) == 5
    assert beside(book("10", bracket(2, "5", "3", "5"))) == 5
    assert beside(book("4", bracket(2, "5"))) == 0


def test_room_is_made_where_none_is() -> None:
    """What no bracket covers goes first, then the newest bracket's part."""
    both = book("20", bracket(1, "8"), bracket(2, "8"))
    assert make_room(both, D(4)) == {key(1): 8, key(2): 8}
    assert make_room(both, D(7)) == {key(1): 8, key(2): 5}
    assert make_room(both, D(15)) == {key(1): 5, key(2): 0}
    assert make_room(both, D(20)) == {key(1): 0, key(2): 0}


def test_an_exit_that_has_filled_closes_its_bracket() -> None:
    """For good: what is bought later is none of the bracket's."""
    after = share(book("6", bracket(1, "10", "6")))
    assert after.open == after.covers == {key(1): D(6)}
    flat = share(book("0", bracket(1, "10", "0")))
    assert flat.open == flat.covers == {key(1): D(0)}
    bought_anew = share(book("10", bracket(1, "0")))
    assert bought_anew.covers == {key(1): 0}


def test_an_exit_that_is_over_gives_back() -> None:
    """The bracket covers again what is open of it."""
    assert share(book("10", bracket(1, "10", "6"))).covers == {key(1): 10}
    part = share(book("9", bracket(1, "10", "6")))
    assert part.open == part.covers == {key(1): D(9)}


def test_what_no_child_will_cover_is_anybodys() -> None:
    """It is free for exits before other brackets give way, and has what they leave of it."""
    bare = replace(bracket(1, "6", stands="0"), wanted=False)
    both = book("10", bare, bracket(2, "4"))
    assert beside(both) == 6
    assert make_room(both, D(5)) == {key(1): 1, key(2): 4}
    assert make_room(both, D(8)) == {key(1): 0, key(2): 2}
    taken = replace(bare, covers=D(1))
    exits = an_exit(3, "5")
    assert share(book("10", taken, bracket(2, "4"), exits)).covers == {key(1): 1, key(2): 4}
    shrunk = share(book("7", taken, bracket(2, "4"), exits))
    assert shrunk.exits == {key(3): 5}
    assert shrunk.covers == {key(1): 1, key(2): 1}
    assert share(book("10", taken, bracket(2, "4"))).covers == {key(1): 6, key(2): 4}


def test_the_newest_exit_is_cut_first_and_protection_last() -> None:
    """Exits, then stops placed by hand, then brackets; of each kind the newest."""
    parts = (
        an_exit(1, "2"),
        an_exit(2, "2"),
        an_exit(3, "2", protects=True),
        bracket(4, "2"),
        bracket(5, "2"),
    )
    expected = {
        "10": ([2, 2, 2], [2, 2]),
        "9": ([2, 1, 2], [2, 2]),
        "7": ([1, 0, 2], [2, 2]),
        "5": ([0, 0, 1], [2, 2]),
        "3": ([0, 0, 0], [2, 1]),
        "1": ([0, 0, 0], [1, 0]),
    }
    for position, (exits, covers) in expected.items():
        shares = share(book(position, *parts))
        assert list(shares.exits.values()) == exits, position
        assert list(shares.covers.values()) == covers, position


def test_a_resting_exit_gives_way_to_the_bracket_beside_it() -> None:
    """A position of ten, half in an exit, shrinks by two: the stop stands for five as before."""
    shares = share(book("8", bracket(1, "10", "5"), an_exit(2, "5")))
    assert shares.exits == {key(2): D(3)}
    assert shares.covers == {key(1): D(5)}


def test_what_stands_in_the_way_is_named() -> None:
    """The position, the others and what is free."""
    found = book("10", an_exit(1, "3"), bracket(2, "4"))
    assert in_words(found, "SPY") == (
        "10 SPY long; 3 in exit-1; 4 in the bracket of parent-2; 7 free"
    )
    assert in_words(book("0"), "SPY") == "0 SPY held; 0 free"


sizes = st.decimals("0", "20", places=2)


@st.composite
def books(draw: st.DrawFn) -> Book:
    """Any book: brackets that cover no more than is open, and stand for no less than they cover."""
    side = draw(st.sampled_from(Side))
    count = draw(st.integers(0, 4))
    exits = [
        replace(an_exit(n, str(draw(sizes))), protects=draw(st.booleans())) for n in range(count)
    ]
    brackets = []
    for number in range(10, 10 + draw(st.integers(0, 3))):
        opened, given = draw(sizes), draw(sizes)
        covers = min(opened, given)
        found = bracket(number, str(opened), str(covers), str(covers + draw(sizes)))
        brackets.append(found if draw(st.booleans()) else replace(found, wanted=False, stands=D(0)))
    position = draw(st.decimals("-60", "60", places=2))
    return Book(position, side, tuple(exits), tuple(brackets))


@given(books())
def test_shares_are_never_more_than_the_position(found: Book) -> None:
    """However much stood before; and nobody is asked to grow but brackets, up to what is open."""
    shares = share(found)
    assert sum(shares.exits.values()) + sum(shares.covers.values()) <= found.against
    assert sum(shares.open.values()) <= found.against
    for one in found.exits:
        assert 0 <= shares.exits[one.order_id] <= one.leaves
    for each in found.brackets:
        assert 0 <= shares.covers[each.parent_id] <= shares.open[each.parent_id] <= each.open


@given(books())
def test_what_fits_is_left_alone(found: Book) -> None:
    """Shared once, sharing again changes nothing."""
    shares = share(found)
    again = replace(
        found,
        exits=tuple(replace(one, leaves=shares.exits[one.order_id]) for one in found.exits),
        brackets=tuple(
            replace(
                one,
                open=shares.open[one.parent_id],
                covers=shares.covers[one.parent_id],
                stands=shares.covers[one.parent_id],
            )
            for one in found.brackets
        ),
    )
    assert share(again) == shares


@given(books())
def test_protection_gives_way_only_to_what_is_gone(found: Book) -> None:
    """No bracket covers less than before while an exit keeps anything."""
    shares = share(found)
    opened = shares.open
    cut = any(
        shares.covers[each.parent_id] < min(each.covers, opened[each.parent_id])
        for each in found.brackets
        if each.wanted
    )
    if cut:
        assert not any(shares.exits.values())


@given(books(), st.data())
def test_a_new_exit_fits_beside_what_makes_room(found: Book, data: st.DataObject) -> None:
    """What the room says is at most the position, and never given twice."""
    shares = share(found)  # as it is at rest
    rest = replace(
        found,
        exits=tuple(replace(one, leaves=shares.exits[one.order_id]) for one in found.exits),
        brackets=tuple(
            replace(one, open=shares.open[one.parent_id], covers=shares.covers[one.parent_id])
            for one in found.brackets
        ),
    )
    free = room(rest)
    assert 0 <= free.now <= free.most <= rest.against
    quantity = data.draw(st.decimals("0", str(free.most), places=2))
    covers = make_room(rest, quantity)
    standing = sum(shares.exits.values()) + sum(covers.values()) + quantity
    assert standing <= rest.against
    # Once the children are as they should be, nothing is in its way any more.
    made = replace(
        rest,
        brackets=tuple(
            replace(one, covers=covers[one.parent_id], stands=covers[one.parent_id])
            for one in rest.brackets
        ),
    )
    assert room(made).now >= quantity
    # It is there now: sharing takes nothing from it.
    there = replace(made, exits=(*made.exits, an_exit(99, str(quantity))))
    assert share(there).exits[key(99)] == quantity
