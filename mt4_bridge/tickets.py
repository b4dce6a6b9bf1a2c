"""Tickets as the terminal reports them, and the executions that they make.

A ticket is read as it stands; an execution is made of it once and never changed. O<ticket> is the
beginning of a position: its lots are those that it began with. C<ticket> is the end of a ticket.
How tickets descend from one another: `mt4_bridge.trees`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from mt4_bridge.clock import from_server
from mt4_bridge.magic import came_from, closed_by, is_comment_of, went_to
from mt4_bridge.trees import MARKET_TYPES, Row, Tree, begins
from mt4_bridge.wire import Record, plain

TYPES = range(6)

_READ_AS_TEXT = ("open_price", "close_price", "stop_loss", "take_profit")


@dataclass(frozen=True, slots=True)
class Ticket:
    """One order of the account as the terminal last told it. Times: milliseconds UTC."""

    ticket: int
    symbol: str
    type: int
    lots: str
    open_time: int
    open_price: str
    close_time: int | None
    close_price: str
    stop_loss: str
    take_profit: str
    expiration: int | None
    commission: str
    swap: str
    profit: str
    magic: int
    comment: str
    close_server: int

    @property
    def side(self) -> str:
        """BUY or SELL, pending types too."""
        return side_of(self.type)

    @property
    def is_position(self) -> bool:
        """True when it trades or has traded; a pending order has not."""
        return self.type in MARKET_TYPES


def side_of(order_type: int) -> str:
    """BUY or SELL of one of MQL4's six types."""
    return "BUY" if order_type % 2 == 0 else "SELL"


def read_ticket(record: Record, offset: int) -> Ticket | None:
    """The ticket of one record; None for what is no order (deposits have a type above 5).

    Malformed when it makes no sense.
    """
    order_type = record.integer("type")
    if order_type not in TYPES:
        return None
    closed, expires = record.integer("close_time_server"), record.integer("expiration_server")
    return Ticket(
        ticket=record.integer("ticket"),
        symbol=record.text("symbol"),
        type=order_type,
        lots=plain(record.decimal("lots")),
        open_time=from_server(record.integer("open_time_server"), offset),
        close_time=from_server(closed, offset) if closed else None,
        expiration=from_server(expires, offset) if expires else None,
        **{name: plain(record.decimal(name)) for name in _READ_AS_TEXT},
        commission=plain(record.decimal("commission")),
        swap=plain(record.decimal("swap")),
        profit=plain(record.decimal("profit")),
        magic=record.integer("magic"),
        comment=record.text("comment"),
        close_server=closed,
    )


def take_tickets(connection: sqlite3.Connection, tickets: Iterable[Ticket]) -> set[str]:
    """Write down what is new in `tickets` and the executions it makes; the commands it is news of.

    To be called in a transaction, with all that one poll reported.
    """
    reported = list(tickets)
    open_now = {ticket.ticket for ticket in reported if ticket.close_time is None}
    changed = [ticket for ticket in reported if _is_news(connection, ticket)]
    for ticket in changed:
        _write(connection, ticket)
    for ticket in changed:
        _join(connection, ticket, open_now)
    for ticket in changed:
        _attribute(connection, ticket)
    roots = {int(_row(connection, ticket.ticket)["root"]) for ticket in changed}
    for root in sorted(roots | _roots_closed_by(connection, changed)):
        _execute(connection, root)
    return _commands_of(connection, changed)


def open_tickets(connection: sqlite3.Connection) -> set[int]:
    """The tickets that are open as far as the bridge knows."""
    rows = connection.execute("SELECT ticket FROM tickets WHERE close_time IS NULL")
    return {int(row["ticket"]) for row in rows}


def of_command(connection: sqlite3.Connection, command_id: str) -> Sequence[sqlite3.Row]:
    """The tickets that a PLACE has made, oldest first."""
    return connection.execute(
        "SELECT * FROM tickets WHERE command_id = ? ORDER BY ticket", (command_id,)
    ).fetchall()


def _row(connection: sqlite3.Connection, ticket: int | None) -> Any:
    """The row of a ticket, None for one that was never reported."""
    return connection.execute("SELECT * FROM tickets WHERE ticket = ?", (ticket,)).fetchone()


def _is_news(connection: sqlite3.Connection, ticket: Ticket) -> bool:
    """False when it is known, or of no interest: profit alone moves with every tick.

    A closed ticket stays as it closed: times may only be read again with another clock offset.
    """
    known = _row(connection, ticket.ticket)
    if known is None:
        return True
    if known["close_time"] is not None:
        return bool(ticket.close_time is not None and known["comment"] != ticket.comment)
    moving = ("profit", "open_time", "swap", "close_price", "expiration")
    if ticket.close_time is not None or known["type"] != ticket.type:
        return True
    return any(
        known[name] != getattr(ticket, name)
        for name in Ticket.__slots__
        if name not in moving and name != "close_server"
    )


def _write(connection: sqlite3.Connection, ticket: Ticket) -> None:
    values: dict[str, Any] = {name: getattr(ticket, name) for name in Ticket.__slots__}
    columns = ", ".join(values)
    marks = ", ".join(f":{name}" for name in values)
    changes = ", ".join(f"{name} = excluded.{name}" for name in values if name != "ticket")
    is_held = ticket.close_time is None and ticket.is_position
    values["seen"], values["held"] = int(is_held), ticket.lots if is_held else None
    values["begins"] = None if ticket.is_position else 1
    connection.execute(
        f"INSERT INTO tickets ({columns}, first_commission, seen_open, held, begins, root) "
        f"VALUES ({marks}, :commission, :seen, :held, :begins, :ticket) "
        f"ON CONFLICT (ticket) DO UPDATE SET {changes}, "
        "seen_open = max(tickets.seen_open, excluded.seen_open), "
        "held = coalesce(excluded.held, tickets.held), "
        # A pending order is not charged before it is a position.
        "first_commission = iif(tickets.type > 1, excluded.commission, tickets.first_commission)",
        values,
    )


def _join(connection: sqlite3.Connection, ticket: Ticket, open_now: set[int]) -> None:
    """Link a ticket to what it came of and to what came of it, whichever was reported first."""
    row = _row(connection, ticket.ticket)
    parent = row["parent"] or _parent_of(connection, ticket)
    if parent is not None:
        _descend(connection, row, parent, open_now)
    elif row["begins"] is None:
        _judge(connection, row, begins=True)
    after = went_to(ticket.comment) if ticket.close_time is not None else None
    rest = None if after in {None, ticket.ticket} else _row(connection, after)
    if rest is not None and rest["parent"] is None:
        if not _is_made(connection, rest):
            rest = {**rest, "begins": None}
        _descend(connection, rest, ticket.ticket, open_now)
    for child in connection.execute(
        "SELECT * FROM tickets WHERE parent = ?", (ticket.ticket,)
    ).fetchall():
        _descend(connection, child, ticket.ticket, open_now)


def _descend(connection: sqlite3.Connection, row: Row, parent: int, open_now: set[int]) -> None:
    """Write down a ticket's parent, its root, and whether it began by a fill of its own.

    That is decided once, as soon as the parent has been reported.
    """
    connection.execute("UPDATE tickets SET parent = ? WHERE ticket = ?", (parent, row["ticket"]))
    above = _row(connection, parent)
    if above is None:
        return
    if above["root"] != row["root"]:
        connection.execute(
            "UPDATE tickets SET root = ? WHERE root = ?", (above["root"], row["root"])
        )
    if row["begins"] is None:
        _judge(connection, row, begins=begins(row, above, open_now))


def _judge(connection: sqlite3.Connection, row: Row, *, begins: bool) -> None:
    connection.execute(
        "UPDATE tickets SET begins = ? WHERE ticket = ?", (int(begins), row["ticket"])
    )


def _is_made(connection: sqlite3.Connection, row: Row) -> bool:
    """Whether the beginning of a position has been told already."""
    return bool(
        connection.execute(
            "SELECT 1 FROM executions WHERE execution_id = ?", (f"O{row['ticket']}",)
        ).fetchone()
    )


def _tickets_closed_by(connection: sqlite3.Connection, number: int) -> list[sqlite3.Row]:
    """The closed tickets that say they were closed by that one."""
    rows = connection.execute(
        "SELECT * FROM tickets WHERE close_time IS NOT NULL AND instr(comment, ?) > 0",
        (f"by #{number}",),
    ).fetchall()
    return [row for row in rows if closed_by(row["comment"]) == number]


def _parent_of(connection: sqlite3.Connection, ticket: Ticket) -> int | None:
    """What a ticket is a part or the rest of, by its comment or the other's.

    What is left of two that closed each other is of the one on its own side.
    """
    named = came_from(ticket.comment)
    if named is None or named == ticket.ticket:
        rows = connection.execute(
            "SELECT ticket, comment FROM tickets WHERE close_time IS NOT NULL AND ticket <> ? "
            "AND instr(comment, ?) > 0",
            (ticket.ticket, f"to #{ticket.ticket}"),
        ).fetchall()
        found = [row["ticket"] for row in rows if went_to(row["comment"]) == ticket.ticket]
        return found[0] if found else None
    parent = _row(connection, named)
    if parent is None or side_of(parent["type"]) == ticket.side:
        return named
    others = [row["ticket"] for row in _tickets_closed_by(connection, named)]
    return closed_by(parent["comment"]) or (others[0] if others else named)


def _attribute(connection: sqlite3.Connection, ticket: Ticket) -> None:
    """Find the PLACE that made this position or pending order, by comment, else by magic."""
    row = _row(connection, ticket.ticket)
    if row["command_id"] is not None:
        return
    known_by = "magic = :magic" if ticket.magic else "id = :comment"
    candidates = connection.execute(
        f"SELECT id FROM commands WHERE kind = 'PLACE' AND {known_by} AND symbol = :symbol",
        {"magic": ticket.magic, "comment": ticket.comment, "symbol": ticket.symbol},
    ).fetchall()
    for candidate in candidates:
        if is_comment_of(ticket.comment, candidate["id"]) or len(candidates) == 1:
            connection.execute(
                "UPDATE tickets SET command_id = ? WHERE root = ?",
                (candidate["id"], row["root"]),
            )
            return


def _execute(connection: sqlite3.Connection, root: int) -> None:
    """Make the executions that a tree has by now."""
    parts = connection.execute("SELECT * FROM tickets WHERE root = ?", (root,)).fetchall()
    command_id = next((part["command_id"] for part in parts if part["command_id"]), None)
    if command_id is not None:
        connection.execute("UPDATE tickets SET command_id = ? WHERE root = ?", (command_id, root))
    named = [number for part in parts if (number := closed_by(part["comment"])) is not None]
    tree = Tree(parts, [row for row in (_row(connection, number) for number in named) if row])
    for part in tree.beginnings():
        lots = tree.opened(part)
        if lots:
            _insert(
                connection,
                part,
                f"O{part['ticket']}",
                lots=lots,
                charged=tree.charged_to(part),
                command_id=command_id,
            )
    for part in tree.ends():
        lots = tree.closed(part)
        if lots:
            charged = tree.charged_at_close(part)
            _insert(connection, part, f"C{part['ticket']}", lots=lots, charged=charged)


def _roots_closed_by(connection: sqlite3.Connection, changed: Sequence[Ticket]) -> set[int]:
    """Roots whose tickets of 0 lots were waiting for the one that they were closed by."""
    return {
        int(row["root"])
        for ticket in changed
        if ticket.close_time is not None
        for row in _tickets_closed_by(connection, ticket.ticket)
    }


def _insert(
    connection: sqlite3.Connection,
    part: Row,
    execution_id: str,
    *,
    lots: Decimal,
    charged: Decimal,
    command_id: str | None = None,
) -> None:
    """Once and for ever; MT4's commission is negative when it costs, ours is positive."""
    opens = execution_id.startswith("O")
    side = side_of(part["type"])
    if not opens:
        side = "SELL" if side == "BUY" else "BUY"
        closing = connection.execute(
            "SELECT id FROM commands WHERE kind = 'CLOSE' AND stage = 'DONE' AND ticket = ?",
            (part["ticket"],),
        ).fetchone()
        command_id = None if closing is None else closing["id"]
    connection.execute(
        "INSERT INTO executions (execution_id, ticket, root, command_id, symbol, side, lots, "
        "price, executed_at, commission, swap, profit) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (execution_id) DO NOTHING",
        (
            execution_id,
            part["ticket"],
            part["root"],
            command_id,
            part["symbol"],
            side,
            plain(lots),
            part["open_price"] if opens else part["close_price"],
            part["open_time"] if opens else part["close_time"],
            plain(-charged),
            "0" if opens else part["swap"],
            "0" if opens else part["profit"],
        ),
    )


def _commands_of(connection: sqlite3.Connection, changed: Sequence[Ticket]) -> set[str]:
    found = (_row(connection, ticket.ticket)["command_id"] for ticket in changed)
    return {str(command_id) for command_id in found if command_id is not None}
