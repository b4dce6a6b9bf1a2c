"""Reads one poll of the terminal. See PROTOCOL.md."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mt4_bridge.errors import Malformed
from mt4_bridge.presence import AccountState, OpenTicket, SymbolState
from mt4_bridge.tickets import Ticket, read_ticket
from mt4_bridge.wire import PROTOCOL, Record, parse_body


@dataclass(slots=True)
class Poll:
    """One poll, read."""

    hello: Record
    account: AccountState
    offset: int | None
    symbols: list[SymbolState] = field(default_factory=list)
    tickets: list[Ticket] = field(default_factory=list)
    open_tickets: dict[int, OpenTicket] = field(default_factory=dict)
    has_history: bool = False
    results: list[Record] = field(default_factory=list)


def read_poll(text: str, known_offset: int | None) -> Poll:
    """Read a poll's body. `known_offset` serves while the terminal has none yet. Malformed.

    Without any offset no ticket can be dated, so none is read: the terminal tells them again.
    """
    records = parse_body(text)
    by_kind: dict[str, list[Record]] = {}
    for record in records:
        by_kind.setdefault(record.kind, []).append(record)
    hello, account = _single(by_kind, "HELLO"), _single(by_kind, "ACCOUNT")
    clock, counts = _single(by_kind, "CLOCK"), _single(by_kind, "TICKETS")
    if hello.text("protocol") != PROTOCOL:
        raise Malformed(f"the bridge speaks protocol {PROTOCOL}, not {hello.text('protocol')}")
    offset = clock.integer("offset") if "offset" in clock.fields else known_offset
    poll = Poll(hello=hello, account=_account(account), offset=offset)
    poll.symbols = [_symbol(record, offset) for record in by_kind.get("SYMBOL", [])]
    poll.results = by_kind.get("RESULT", [])
    told = by_kind.get("TICKET", [])
    read = [read_ticket(record, offset or 0) for record in told]
    for record, ticket in zip(told, read, strict=True):
        if ticket is not None and ticket.close_time is None:
            poll.open_tickets[ticket.ticket] = OpenTicket(
                ticket.ticket, record.decimal("profit"), record.decimal("swap")
            )
    if len(poll.open_tickets) != counts.integer("open"):
        raise Malformed(
            f"{counts.integer('open')} open tickets announced, {len(poll.open_tickets)} told"
        )
    poll.has_history = counts.flag("history")
    if offset is not None:
        poll.tickets = [ticket for ticket in read if ticket is not None]
    return poll


def _single(by_kind: dict[str, list[Record]], kind: str) -> Record:
    records = by_kind.get(kind, [])
    if len(records) != 1:
        raise Malformed(f"a poll has one {kind}, not {len(records)}")
    return records[0]


def _account(record: Record) -> AccountState:
    money: dict[str, Any] = {
        name: record.decimal(name) for name in ("balance", "equity", "margin", "free_margin")
    }
    return AccountState(
        login=record.text("login"),
        server=record.text("server"),
        company=record.text("company", ""),
        currency=record.text("currency"),
        leverage=record.integer("leverage"),
        demo=record.flag("demo"),
        connected=record.flag("connected"),
        trade_allowed=record.flag("trade_allowed"),
        **money,
    )


def _symbol(record: Record, offset: int | None) -> SymbolState:
    numbers: dict[str, Any] = {
        name: record.decimal(name)
        for name in ("bid", "ask", "lot_size", "lot_step", "min_lot", "max_lot")
    }
    quoted = record.integer("time_server")
    return SymbolState(
        name=record.text("name"),
        quoted_at=(quoted - offset) * 1000 if quoted and offset is not None else None,
        digits=record.integer("digits"),
        stops_level=record.integer("stops_level"),
        freeze_level=record.integer("freeze_level"),
        trade_allowed=record.flag("trade_allowed"),
        **numbers,
    )
