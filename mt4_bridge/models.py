"""What clients are answered, as the OpenAPI description has it. Decimals are strings, times UTC."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel


class Failure(BaseModel):
    """A request that was not taken; `code` is for programs, `reason` for people."""

    code: str
    reason: str


class Execution(BaseModel):
    """One execution: O<ticket> begins a position, C<ticket> ends a ticket.

    `order_id` is the command it belongs to, None for those made by hand, a stop loss or a take
    profit. `position` is the first ticket of the chain. `commission` is positive when it costs,
    `swap` and `profit` when they pay; all three in the account's currency.
    """

    execution_id: str
    sequence: int
    order_id: str | None
    ticket: int
    position: int
    symbol: str
    side: Literal["BUY", "SELL"]
    lots: str
    price: str
    executed_at: datetime
    commission: str
    swap: str
    profit: str


class Placed(BaseModel):
    """The order that a PLACE made: its tickets, oldest first, and the lots still open.

    `price` is the one in force for a pending order; None for any other, and before the terminal
    has shown the ticket.
    """

    state: str
    tickets: list[int]
    open_lots: str | None
    price: str | None


class Command(BaseModel):
    """A command and its outcome.

    `outcome` is DONE, FAILED (definitely not, `sent` says whether it left the terminal) or
    UNKNOWN. `stage` is the row of the command table. `state` is where the order stands: PENDING,
    SUBMITTING, UNKNOWN, REJECTED, SUBMITTED, FILLED, CANCELLED, EXPIRED; None for a command that
    is no order. `code` is GetLastError's number or a word of ours. `protected` is False when a
    stop loss or take profit could not be set.
    """

    id: str
    kind: Literal["PLACE", "MODIFY", "CLOSE"]
    request: dict[str, Any]
    outcome: Literal["DONE", "FAILED", "UNKNOWN"]
    stage: Literal["NEW", "LEASED", "DONE", "FAILED", "UNKNOWN"]
    sent: Literal["YES", "NO", "MAYBE"]
    code: str | None
    error_class: str | None
    reason: str | None
    protected: bool | None
    ticket: int | None
    state: str | None
    filled_lots: str
    order: Placed | None
    executions: list[Execution]
    created_at: datetime
    valid_until: datetime
    leased_at: datetime | None
    settled_at: datetime | None


class OpenOrder(BaseModel):
    """An open ticket: a pending order, or a position. `lots` are what is open of it.

    `order_id` is the PLACE that made it, None for one placed by hand.
    """

    ticket: int
    position: int
    order_id: str | None
    symbol: str
    side: Literal["BUY", "SELL"]
    order_type: Literal["MARKET", "LIMIT", "STOP"]
    lots: str
    open_price: str
    open_time: datetime
    stop_loss: str
    take_profit: str
    expires_at: datetime | None
    commission: str
    swap: str
    profit: str
    comment: str
    magic: int


class OpenOrders(BaseModel):
    """Open tickets, first in first out, as of the terminal's last poll."""

    as_of: datetime
    tickets: list[OpenOrder]


class Executions(BaseModel):
    """Executions, oldest first, as of the terminal's last poll."""

    as_of: datetime
    executions: list[Execution]


class Account(BaseModel):
    """The account as of the terminal's last poll. `server_offset`: seconds ahead of UTC."""

    as_of: datetime
    account: str
    login: str
    server: str
    company: str
    currency: str
    balance: str
    equity: str
    margin: str
    free_margin: str
    leverage: int
    demo: bool
    connected: bool
    trade_allowed: bool
    server_offset: int


class Symbol(BaseModel):
    """A symbol and its market as of the terminal's last poll.

    `lot_size` is units of the base currency in a lot. `quoted_at` is when the server last moved
    the price. `bid` and `ask` are None while there is no market.
    """

    as_of: datetime
    name: str
    bid: str | None
    ask: str | None
    quoted_at: datetime | None
    digits: int
    lot_size: str
    lot_step: str
    min_lot: str
    max_lot: str
    stops_level: int
    freeze_level: int
    trade_allowed: bool


class Symbols(BaseModel):
    """All symbols that the terminal tells of."""

    symbols: list[Symbol]


class Health(BaseModel):
    """`degraded` means that orders cannot be placed now, and `reasons` say why.

    `warnings` are what a person should look at while orders go on.
    """

    status: Literal["ok", "degraded"]
    reasons: list[str]
    warnings: list[str]
    account: str | None
    terminal: str | None
    heartbeat_at: datetime | None
    unsettled: int
