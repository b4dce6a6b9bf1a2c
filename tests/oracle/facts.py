"""What is judged, and the verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

# fmt: off
STEPS = (
    "create_order", "persist_order", "connect_gateway", "submit_order",
    "await_fill", "persist_fill", "update_positions", "publish_fill_event",
)
# fmt: on
FINAL = frozenset({"FILLED", "CANCELLED", "REJECTED", "EXPIRED"})
WORKING = frozenset({"SUBMITTED", "PARTIALLY_FILLED"})
STATES = FINAL | WORKING | {"PENDING", "SUBMITTING", "UNKNOWN"}
# States of an attempt that say: the venue has, or had, this order.
TAKEN = WORKING | {"FILLED", "CANCELLED", "EXPIRED"}
STREAMS = ("orders", "fills")
CHANNELS = ("fills", "fills.live", "fills.paper", "orders")
# fmt: off
FILL_KEYS = frozenset({
    "schema", "event_id", "sequence", "type", "order_id", "client_order_id", "symbol",
    "asset_class", "side", "broker", "requested_broker", "environment", "account",
    "execution_mode", "execution_id", "last_quantity", "last_price", "cumulative_quantity",
    "leaves_quantity", "average_price", "currency", "multiplier", "commission",
    "commission_currency", "order_state", "executed_at", "strategy",
})
ORDER_KEYS = frozenset({
    "schema", "event_id", "sequence", "type", "order_id", "client_order_id", "symbol", "broker",
    "execution_mode", "state", "reason", "step", "at",
})
# fmt: on

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Venue:
    """What one venue holds, for the brokers that it stands for: rows as `GET /ledger` has them.

    Numbers are Decimal, times aware. `executions` are TRADE, CORRECTION, BUST and COMMISSION
    reports, oldest first.
    """

    brokers: frozenset[str]
    orders: Sequence[Row]
    executions: Sequence[Row]


@dataclass(frozen=True, slots=True)
class Message:
    """One message as a consumer got it; `replayed` ones come from PostgreSQL, not from Redis."""

    channel: str
    text: str
    replayed: bool = False


@dataclass(slots=True)
class Facts:
    """Everything that is judged. Rows are tables' rows by column, ids as text.

    `messages` is None when nobody listened; `unbroken` says that whoever did never lost touch.
    """

    requests: list[Row] = field(default_factory=list)
    orders: list[Row] = field(default_factory=list)
    attempts: list[Row] = field(default_factory=list)
    reports: list[Row] = field(default_factory=list)
    fills: list[Row] = field(default_factory=list)
    positions: list[Row] = field(default_factory=list)
    paper_positions: list[Row] = field(default_factory=list)
    history: list[Row] = field(default_factory=list)
    events: list[Row] = field(default_factory=list)
    streams: list[Row] = field(default_factory=list)
    alerts: list[Row] = field(default_factory=list)
    commands: list[Row] = field(default_factory=list)
    venues: list[Venue] = field(default_factory=list)
    messages: list[Message] | None = None
    unbroken: bool = False


@dataclass(slots=True)
class Verdict:
    """What was found: one line for each problem, and how many of each thing there are.

    `requests` are the accepted ones. `duplicates` are venue orders and executions too many, `lost`
    what was accepted or executed and is not accounted for, `stuck` orders that stand still,
    `unprotected` stops and targets that are missing without an alert, `reversed` positions that
    reduce-only orders turned around without one.
    """

    problems: list[str] = field(default_factory=list)
    requests: int = 0
    refused: int = 0
    orders: int = 0
    filled: int = 0
    rerouted: int = 0
    unknown: int = 0
    fills: int = 0
    events: int = 0
    messages: int = 0
    replayed: int = 0
    duplicates: int = 0
    lost: int = 0
    stuck: int = 0
    unprotected: int = 0
    reversed: int = 0

    def counts(self) -> dict[str, int]:
        """The figures alone, ready for JSON."""
        return {name: value for name, value in asdict(self).items() if name != "problems"}

    def assert_clean(self) -> None:
        """AssertionError listing the problems, when there are any."""
        if self.problems:
            more = len(self.problems) - 50
            lines = [*self.problems[:50], *([f"... and {more} more"] if more > 0 else [])]
            text = "\n  ".join(lines)
            raise AssertionError(f"{len(self.problems)} problems {self.counts()}:\n  {text}")
