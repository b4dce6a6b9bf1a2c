"""Tickets as the terminal tells them, the chains of partial closes, and the executions they make.

A ticket is read as it stands; an execution is made of it once and never changed. O<ticket> is the
beginning of a position: its lots are those of the whole chain. C<ticket> is the end of a ticket.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from mt4_bridge.clock import from_server
from mt4_bridge.magic import came_from, is_comment_of, went_to
from mt4_bridge.wire import Record, plain

BUY, SELL = 0, 1
MARKET_TYPES = (BUY, SELL)
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

    To be called in a transaction, with all that one poll told.
    """
    changed = [ticket for ticket in tickets if _is_news(connection, ticket)]
    for ticket in changed:
        _write(connection, ticket)
    for ticket in changed:
        _join(connection, ticket)
    roots = {
        int(_row(connection, ticket.ticket)["root"]) for ticket in changed if ticket.is_position
    }
    for ticket in changed:
        _attribute(connection, ticket)
    for root in sorted(roots):
        _execute(connection, root)
    return _commands_of(connection, changed)


def open_tickets(connection: sqlite3.Connection) -> set[int]:
    """The tickets that are open as far as the bridge knows."""
    rows = connection.execute("SELECT ticket FROM tickets WHERE close_time IS NULL")
    return {int(row["ticket"]) for row in rows}


def chain(connection: sqlite3.Connection, root: int) -> Sequence[sqlite3.Row]:
    """A position's tickets from its first to the one that holds the rest."""
    rows = connection.execute("SELECT * FROM tickets WHERE root = ? ORDER BY ticket", (root,))
    by_ticket = {int(row["ticket"]): row for row in rows}
    found: list[sqlite3.Row] = []
    following: int | None = root
    while following in by_ticket:
        row = by_ticket.pop(following)
        found.append(row)
        following = row["next"]
    return found


def _row(connection: sqlite3.Connection, ticket: int) -> sqlite3.Row:
    row: sqlite3.Row = connection.execute(
        "SELECT * FROM tickets WHERE ticket = ?", (ticket,)
    ).fetchone()
    return row


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
    values["seen"] = int(ticket.close_time is None and ticket.is_position)
    connection.execute(
        f"INSERT INTO tickets ({columns}, first_commission, seen_open, root) "
        f"VALUES ({marks}, :commission, :seen, :ticket) "
        f"ON CONFLICT (ticket) DO UPDATE SET {changes}, "
        "seen_open = max(tickets.seen_open, excluded.seen_open), "
        # A pending order is not charged before it is a position.
        "first_commission = iif(tickets.type > 1, excluded.commission, tickets.first_commission)",
        values,
    )


def _join(connection: sqlite3.Connection, ticket: Ticket) -> None:
    """Link a ticket to the rest of it and to what it is the rest of; whichever was told first."""
    before, after = came_from(ticket.comment), went_to(ticket.comment)
    told = connection.execute("SELECT ticket FROM tickets WHERE next = ?", (ticket.ticket,))
    links = [(int(row["ticket"]), ticket.ticket) for row in told]
    if before is not None:
        links.append((before, ticket.ticket))
    if after is not None and ticket.close_time is not None:
        links.append((ticket.ticket, after))
    for first, rest in links:
        connection.execute("UPDATE tickets SET next = ? WHERE ticket = ?", (rest, first))
        known = _row(connection, first)
        if known is not None:
            connection.execute(
                "UPDATE tickets SET root = :root WHERE root = :rest",
                {"root": known["root"], "rest": rest},
            )


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
    """Make the executions that a chain has by now."""
    parts = chain(connection, root)
    if not parts or parts[-1]["next"] is not None:
        return  # a split whose rest has not been told yet
    command_id = next((part["command_id"] for part in parts if part["command_id"]), None)
    if command_id is not None:
        connection.execute("UPDATE tickets SET command_id = ? WHERE root = ?", (command_id, root))
    # The rest of a ticket that nobody told of is no beginning.
    if came_from(parts[0]["comment"]) is None:
        whole = sum((Decimal(part["lots"]) for part in parts), Decimal(0))
        charged = sum((Decimal(part["first_commission"]) for part in parts), Decimal(0))
        _insert(
            connection, parts[0], f"O{root}", lots=whole, charged=charged, command_id=command_id
        )
    for at, part in enumerate(parts):
        if part["close_time"] is not None:
            _insert(
                connection,
                part,
                f"C{part['ticket']}",
                lots=Decimal(part["lots"]),
                charged=_charged_at_close(part, parts[at + 1 :]),
            )


def _charged_at_close(part: sqlite3.Row, rest: Sequence[sqlite3.Row]) -> Decimal:
    """The commission that came with the close; what the rest took over of it is none.

    A ticket that was never seen open had its whole charge in the beginning.
    """
    if not part["seen_open"]:
        return Decimal(0)
    charged = Decimal(part["commission"]) - Decimal(part["first_commission"])
    for following in rest:
        charged += Decimal(following["first_commission"])
        if following["seen_open"]:
            break
    return charged


def _insert(
    connection: sqlite3.Connection,
    part: sqlite3.Row,
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
