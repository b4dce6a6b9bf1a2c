"""What may reduce a position: the room for another such order, and who gives way when it shrinks.

Everything that can still fill against a position together must not exceed it, or the position turns
around. Two kinds of orders stand against one: exits, each of its own size, and brackets, whose
children exclude each other and therefore count once. A new exit takes first what no bracket has
opened, then the newest bracket's part, whose children make room for it. Where the position shrinks
by other means, exits give way first, the newest first, and what protects the position last.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from execution.domain.decimals import exact, plain
from execution.domain.vocabulary import OrderType, Side

PROTECTING = frozenset({OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP})
"""Exits of these types protect the position, and are cut after all others."""

_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class Exit:
    """A reduce-only order other than a bracket's child, that works or waits for its room.

    `leaves` is what it may still fill, at the larger quantity of a change that is under way.
    """

    order_id: UUID
    client_order_id: str
    leaves: Decimal
    since: datetime
    protects: bool = False


@dataclass(frozen=True, slots=True)
class Bracket:
    """A bracket as it stands against the position that its parent has opened.

    `open` is what the parent has filled, less what its children and others have closed of it.
    `covers` is what its children are to stand for: no more than `open`, and less while an exit
    takes part of it. `stands` is what they may still fill, counted once for those that exclude
    each other: larger than `covers` until the venue has made them smaller. Where its children are
    not `wanted` any more, nothing stands for what it covers: others may have all of that.
    """

    parent_id: UUID
    client_order_id: str
    open: Decimal
    covers: Decimal
    stands: Decimal
    since: datetime
    wanted: bool = True


@dataclass(frozen=True, slots=True)
class Book:
    """What stands on one side of an account's position in a symbol at a broker, at one moment.

    `position` is signed and holds the fills that are on their way to it; `side` is that of the
    orders that reduce it. `moving`: a fill of it is just being revised.
    """

    position: Decimal
    side: Side
    exits: tuple[Exit, ...] = ()
    brackets: tuple[Bracket, ...] = ()
    moving: bool = False

    @property
    @exact
    def against(self) -> Decimal:
        """What of the position orders of this side may reduce."""
        return max(-self.position * self.side.sign, _NOTHING)

    def without(self, order_id: UUID) -> Book:
        """The same without one exit."""
        return replace(self, exits=tuple(one for one in self.exits if one.order_id != order_id))


@dataclass(frozen=True, slots=True)
class Room:
    """What another exit may be for: `most` once brackets have made room, `now` before they have."""

    most: Decimal
    now: Decimal


@dataclass(frozen=True, slots=True)
class Shares:
    """What each may stand for at most, by the ids of exits and of brackets' parents.

    `open` is what of each bracket is still open, `covers` what its children are to stand for.
    """

    exits: Mapping[UUID, Decimal]
    open: Mapping[UUID, Decimal]
    covers: Mapping[UUID, Decimal]


@exact
def room(book: Book) -> Room:
    """The room for an exit beside all that is in the book."""
    most = book.against - sum((one.leaves for one in book.exits), _NOTHING)
    now = most - sum((one.stands for one in book.brackets), _NOTHING)
    return Room(max(most, _NOTHING), max(now, _NOTHING))


@exact
def beside(book: Book) -> Decimal:
    """What of the position no exit has a part in, and no bracket, now or once it is placed."""
    held = sum(
        (max(one.covers, one.stands) if one.wanted else one.stands for one in book.brackets),
        _NOTHING,
    )
    taken = sum((one.leaves for one in book.exits), held)
    return max(book.against - taken, _NOTHING)


@exact
def make_room(book: Book, quantity: Decimal) -> Mapping[UUID, Decimal]:
    """What the brackets are to cover beside another exit for `quantity`, no more than `most`.

    What no bracket covers is taken first; then what is without children, then the newest bracket
    gives way.
    """
    taken = sum((one.leaves for one in book.exits), quantity)
    covered = sum((one.covers for one in book.brackets), _NOTHING)
    unwanted = [one for one in book.brackets if not one.wanted]
    wanted = [one for one in book.brackets if one.wanted]
    return _cut(
        [*_newest_first(unwanted), *_newest_first(wanted)],
        {one.parent_id: one.covers for one in book.brackets},
        taken + covered - book.against,
    )


@exact
def share(book: Book) -> Shares:
    """Bring what stands against a position in line with it.

    Nothing grows but what brackets cover, up to what is open of them; those without children have
    what is left. What others have closed of a bracket is closed for good: a later purchase is not
    its own.
    """
    newest = _newest_first(book.brackets)
    held = {one.parent_id: max(one.open, _NOTHING) for one in book.brackets}
    opened = _cut(newest, held, _total(held) - book.against)
    covers = {
        one.parent_id: min(one.covers, opened[one.parent_id]) if one.wanted else _NOTHING
        for one in book.brackets
    }
    exits = {one.order_id: one.leaves for one in book.exits}
    order = sorted(
        book.exits, key=lambda one: (not one.protects, one.since, one.order_id), reverse=True
    )
    over = _total(exits) + _total(covers) - book.against
    kept = _cut([one.order_id for one in order], exits, over)
    covers = _cut(newest, covers, over - (_total(exits) - _total(kept)))
    room_left = book.against - _total(kept) - _total(covers)
    wanted = {one.parent_id: one.wanted for one in book.brackets}
    oldest = newest[::-1]
    for parent_id in sorted(oldest, key=wanted.__getitem__, reverse=True):
        grown = min(opened[parent_id] - covers[parent_id], max(room_left, _NOTHING))
        covers[parent_id] += grown
        room_left -= grown
    return Shares(kept, opened, covers)


def in_words(book: Book, symbol: str) -> str:
    """The position and what else stands against it: `5 SPY held; 3 in exit-1; 0 free`."""
    parts = [f"{plain(abs(book.position))} {symbol} {_way(book.position)}"]
    exits = sorted(book.exits, key=lambda one: (one.since, one.order_id))
    parts += [f"{plain(one.leaves)} in {one.client_order_id}" for one in exits if one.leaves]
    parts += [
        f"{plain(each.stands)} in the bracket of {each.client_order_id}"
        for each in sorted(book.brackets, key=lambda each: (each.since, each.parent_id))
        if each.stands
    ]
    return "; ".join([*parts, f"{plain(room(book).most)} free"])


def _way(position: Decimal) -> str:
    if not position:
        return "held"
    return "long" if position > 0 else "short"


def _newest_first(brackets: Iterable[Bracket]) -> list[UUID]:
    ordered = sorted(brackets, key=lambda one: (one.since, one.parent_id), reverse=True)
    return [one.parent_id for one in ordered]


def _total(parts: Mapping[UUID, Decimal]) -> Decimal:
    return sum(parts.values(), _NOTHING)


def _cut(
    order: Sequence[UUID], parts: Mapping[UUID, Decimal], over: Decimal
) -> dict[UUID, Decimal]:
    """Take `over` off the parts, one after the other in that order, as far as they go."""
    left = dict(parts)
    for key in order:
        if over <= 0:
            break
        gone = min(left[key], over)
        left[key] -= gone
        over -= gone
    return left
