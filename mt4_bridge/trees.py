"""How tickets descend from one another, and what was executed of each: pure functions of rows.

A partial close closes a ticket and leaves the rest under another; a pending order that fills in
parts has its parts under others; two opposite positions closed by each other leave one of them with
lots of 0. So the tickets of an order are a tree. A ticket that `begins` came of a fill of its own,
any other position is the rest of its parent.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, Protocol

from mt4_bridge.magic import closed_by, went_to

BUY, SELL = 0, 1
MARKET_TYPES = (BUY, SELL)


class Row(Protocol):
    """A row of `tickets`."""

    def __getitem__(self, name: str, /) -> Any: ...


class Tree:
    """The tickets of one root, by number; `others` are those that closed one of them."""

    def __init__(self, parts: Iterable[Row], others: Iterable[Row] = ()) -> None:
        self.parts = {int(part["ticket"]): part for part in parts}
        self._others = {int(other["ticket"]): other for other in others}

    def beginnings(self) -> list[Row]:
        """Positions that came of a fill of their own, oldest first."""
        return [
            part for part in self._in_order() if part["begins"] and part["type"] in MARKET_TYPES
        ]

    def ends(self) -> list[Row]:
        """Positions that are closed, oldest first."""
        return [
            part
            for part in self._in_order()
            if part["close_time"] is not None and part["type"] in MARKET_TYPES
        ]

    def opened(self, part: Row) -> Decimal | None:
        """The lots that a position began with; None while that is not known."""
        return self._opened(part, frozenset())

    def closed(self, part: Row) -> Decimal | None:
        """The lots that were closed with a ticket; None while that is not known."""
        return self._closed(part, frozenset())

    def charged_to(self, part: Row) -> Decimal:
        """The commission that came with the beginning of a position."""
        return self._brought(part, frozenset())

    def charged_at_close(self, part: Row) -> Decimal:
        """The commission that came with a close; what the rest took over of it is none.

        A ticket that was never seen open had its whole charge in the beginning.
        """
        if not part["seen_open"]:
            return Decimal(0)
        charged = Decimal(part["commission"]) - Decimal(part["first_commission"])
        return charged + sum(
            (self._brought(rest, frozenset({part["ticket"]})) for rest in self._rests(part)),
            Decimal(0),
        )

    def is_whole(self) -> bool:
        """False while a part is named by another and has not been reported itself."""
        return all(
            part["close_time"] is None or self._rest_named(part) in {None, *self.parts}
            for part in self.parts.values()
        )

    def _opened(self, part: Row, seen: frozenset[int]) -> Decimal | None:
        if part["held"] is not None:
            return Decimal(part["held"])
        if part["close_time"] is None:
            return Decimal(part["lots"])
        return _sum([self._reported(part), *self._opened_of_rests(part, seen)])

    def _closed(self, part: Row, seen: frozenset[int]) -> Decimal | None:
        rests = _sum(self._opened_of_rests(part, seen))
        if rests is None:
            return None
        if part["held"] is None:
            return self._reported(part)
        left = Decimal(part["held"]) - rests
        return left if left > 0 else self._reported(part)

    def _opened_of_rests(self, part: Row, seen: frozenset[int]) -> list[Decimal | None]:
        seen |= {part["ticket"]}
        if self._rest_named(part) not in {None, *self.parts}:
            return [None]
        return [
            self._opened(rest, seen) for rest in self._rests(part) if rest["ticket"] not in seen
        ]

    def _reported(self, part: Row) -> Decimal | None:
        """The lots of a closed ticket; of one with 0 those of the ticket that it was closed by."""
        lots = Decimal(part["lots"])
        if lots:
            return lots
        by = closed_by(part["comment"])
        other = self._others.get(by or 0) or self.parts.get(by or 0)
        matched = Decimal(other["lots"]) if other is not None and other["close_time"] else None
        return matched or None

    def _brought(self, part: Row, seen: frozenset[int]) -> Decimal:
        """What was charged with a ticket at first, with what its unseen rests had of it."""
        charged = Decimal(part["first_commission"])
        if part["seen_open"]:
            return charged
        seen |= {part["ticket"]}
        rests = [rest for rest in self._rests(part) if rest["ticket"] not in seen]
        return charged + sum((self._brought(rest, seen) for rest in rests), Decimal(0))

    def _rests(self, part: Row) -> list[Row]:
        return [
            one
            for one in self._in_order()
            if one["parent"] == part["ticket"] and not one["begins"] and one is not part
        ]

    def _rest_named(self, part: Row) -> int | None:
        named = went_to(part["comment"])
        return None if named == part["ticket"] else named

    def _in_order(self) -> list[Row]:
        return [self.parts[number] for number in sorted(self.parts)]


def begins(ticket: Row, parent: Row | None, open_now: Iterable[int]) -> bool:
    """Whether a ticket seen for the first time will be, or is, a fill of its own.

    It is the rest of a partial close where its parent was a position and is closed. `open_now` are
    the tickets of the same poll that are open: a position from one that stays open is a fill.
    """
    if ticket["type"] not in MARKET_TYPES:
        return True
    if parent is None:
        return ticket["parent"] is None
    return parent["type"] not in MARKET_TYPES or parent["ticket"] in open_now


def state_of(parts: Sequence[Row], filled: Decimal, wanted: Decimal, ends_at: int | None) -> str:
    """Where an order stands that has these tickets, in the words of FIX. Lots; milliseconds."""
    pending = [part for part in parts if part["type"] not in MARKET_TYPES]
    working = any(part["close_time"] is None for part in pending) or not Tree(parts).is_whole()
    if pending and working:
        return "PARTIALLY_FILLED" if filled else "SUBMITTED"
    if not pending or (wanted and filled >= wanted):
        return "FILLED" if filled else "SUBMITTED"
    over = max(int(part["close_time"]) for part in pending)
    limits = [part["expiration"] for part in pending if part["expiration"] is not None]
    if ends_at is not None:
        limits.append(ends_at)
    return "EXPIRED" if any(over >= limit // 1000 * 1000 for limit in limits) else "CANCELLED"


def _sum(lots: Iterable[Decimal | None]) -> Decimal | None:
    total = Decimal(0)
    for one in lots:
        if one is None:
            return None
        total += one
    return total
