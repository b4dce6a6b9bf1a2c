"""A desk whose workers are stopped and started with another setting, and what is asked of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.fleet import Fleet, Servers, flush, wait_until
from tests.venues import SimulatedVenue

SYMBOL = "BTC-USDT"
FORCED = {"FORCE_PAPER_TRADING": "true"}
REASON = "BINANCE: FORCE_PAPER_TRADING is set"
QUEUES = ("orders", "binance", "paper")


@dataclass(frozen=True, slots=True)
class Desk:
    """What a desk is made of, whichever setting its workers have."""

    servers: Servers
    database_url: str
    home: Path

    def open(
        self, name: str, venue: type[SimulatedVenue] | SimulatedVenue, **options: Any
    ) -> Fleet:
        """Its workers, with the venue as it was."""
        flush(self.servers.valkey.url)
        made = venue if isinstance(venue, SimulatedVenue) else None
        return Fleet(
            self.database_url,
            self.servers.valkey.url,
            self.home / name,
            queues=QUEUES,
            venue=(lambda folder: made or venue(folder)),  # type: ignore[operator]
            **options,
        )


def place(fleet: Fleet, name: str, **changes: Any) -> None:
    """A BUY of five at the market, with changes."""
    order = {"symbol": SYMBOL, "side": "BUY", "quantity": "5", "client_order_id": name}
    fleet.send(**{**order, **changes})


def attempts(fleet: Fleet, name: str) -> list[dict[str, Any]]:
    """An order's attempts, first to last."""
    return fleet.query(
        """SELECT a.* FROM order_attempts a JOIN orders o USING (order_id)
        WHERE o.client_order_id = %s ORDER BY a.attempt_no""",
        name,
    )


def at_venue(fleet: Fleet, name: str) -> list[dict[str, Any]]:
    """What the venue holds of an order."""
    ids = {attempt["venue_order_id"] for attempt in attempts(fleet, name)}
    return [order for order in fleet.venue.orders() if order["venue_order_id"] in ids]


def outcome(fleet: Fleet, external_id: str) -> tuple[str, str | None]:
    """What became of a command, and why."""

    def settled() -> dict[str, Any] | None:
        rows = fleet.query(
            "SELECT * FROM order_commands WHERE external_id = %s AND outcome <> 'PENDING'",
            external_id,
        )
        return rows[0] if rows else None

    row = wait_until(settled, what=f"the outcome of {external_id}")
    return row["outcome"], row["reason"]


def change(fleet: Fleet, name: str, **terms: str) -> tuple[str, str | None]:
    """Ask for a change of an order as it is, and wait for what becomes of it."""
    modify_id = f"m-{uuid4().hex[:8]}"
    version = (fleet.order(name) or {})["version"]
    fleet.client.modify(name, modify_id=modify_id, expected_version=version, **terms)
    return outcome(fleet, modify_id)


def alerts(fleet: Fleet, name: str) -> list[str]:
    """The kinds of an order's open alerts."""
    rows = fleet.query(
        """SELECT a.kind FROM alerts a JOIN orders o USING (order_id)
        WHERE o.client_order_id = %s AND a.resolved_at IS NULL""",
        name,
    )
    return [row["kind"] for row in rows]
