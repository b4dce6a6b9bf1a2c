"""Finding what a command left at the trade server: through comments, magic numbers, partial closes.

As the expert's Tickets.mqh does it, on the same lists.
"""

from __future__ import annotations

import re

from simulators.mt4_terminal.book import Book
from simulators.mt4_terminal.tickets import Ticket

_LONGEST_CHAIN = 1000
_SHORTEST_COMMENT = 16


def select(book: Book, number: int) -> Ticket | None:
    """The ticket of that number, when the terminal shows it."""
    ticket = book.tickets.get(number)
    return None if ticket is None or ticket.hidden else ticket


def follow(book: Book, number: int) -> Ticket | None:
    """The ticket that holds what is left of this one."""
    ticket = select(book, number)
    for _ in range(_LONGEST_CHAIN):
        if ticket is None or ticket.is_open:
            break
        following = select(book, _number_in(ticket.comment, "to #"))
        if following is None:
            break
        ticket = following
    return ticket


def find_placed(book: Book, command_id: str, magic: int, symbol: str) -> Ticket | None:
    """The first ticket that a PLACE of this id made, open or closed."""
    for ticket in reversed([*book.closed_tickets(), *book.open_tickets()]):
        if symbol in {"", ticket.symbol} and _is_of(ticket, command_id, magic):
            return _first(book, ticket)
    return None


def find_open_pending(book: Book, magic: int) -> Ticket | None:
    """The open pending order with that magic number: one that fills in parts has other tickets."""
    for ticket in book.open_tickets():
        if magic and ticket.magic == magic and ticket.is_pending:
            return ticket
    return None


def is_closed_by_server(comment: str) -> bool:
    """Closed by a stop loss, a take profit or a stop out: the comment says so."""
    return any(word in comment for word in ("[sl]", "[tp]", "so:"))


def _is_of(ticket: Ticket, command_id: str, magic: int) -> bool:
    if magic and ticket.magic:
        return ticket.magic == magic
    comment = ticket.comment
    return comment.startswith(command_id) or (
        len(comment) >= _SHORTEST_COMMENT and command_id.startswith(comment)
    )


def _first(book: Book, ticket: Ticket) -> Ticket:
    for _ in range(_LONGEST_CHAIN):
        before = select(book, _number_in(ticket.comment, "from #"))
        if before is None:
            break
        ticket = before
    return ticket


def _number_in(comment: str, words: str) -> int:
    found = re.search(re.escape(words) + r"(\d+)", comment, re.ASCII)
    return int(found.group(1)) if found else 0
