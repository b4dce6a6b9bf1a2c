"""How one gateway behaves."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class GatewayOptions:
    """Settings of one gateway.

    `accounts`: the first is the one of orders that name none, when it is the only one; paper
    accounts begin with DU, real ones with U. `master_client_id` hears of every client's orders;
    None is nobody. `cash` is each account's, in US dollars, until POST /balances says otherwise.
    `default_price` is the market of what has none. `max_rate` is how many messages a second a
    client may send (0: any number). `enforce_hours` keeps the exchanges' hours; without it they
    never close. `time_zone` is what times are told in, and is named with them when `name_zone`.
    `local_symbols` are those of futures: `codes` as TWS spells them today, or `words` (`spelling`).
    `cancel_status_first` sends the status before code 202, as TWS does at times.
    """

    accounts: tuple[str, ...] = ("DU1234567",)
    master_client_id: int | None = None
    cash: Decimal = Decimal(100_000_000)
    default_price: Decimal | None = None
    max_rate: int = 50
    enforce_hours: bool = False
    time_zone: str = "UTC"
    name_zone: bool = True
    local_symbols: str = "codes"
    cancel_status_first: bool = False
    first_order_id: int = 1
