"""How a simulated Binance behaves: its account, its keys, its fees and its limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType

DEFAULT_BALANCES: Mapping[str, Decimal] = MappingProxyType(
    {
        "USDT": Decimal(10_000_000),
        "USDC": Decimal(1_000_000),
        "FDUSD": Decimal(1_000_000),
        "BTC": Decimal(100),
        "ETH": Decimal(1_000),
        "BNB": Decimal(1_000),
        "SOL": Decimal(10_000),
        "XRP": Decimal(1_000_000),
        "ADA": Decimal(1_000_000),
        "DOGE": Decimal(10_000_000),
        "LTC": Decimal(10_000),
        "DOT": Decimal(100_000),
        "LINK": Decimal(100_000),
        "AVAX": Decimal(100_000),
        "1INCH": Decimal(100_000),
        "4": Decimal(100_000),
        "这是测试币": Decimal(100_000),
        "456": Decimal(1_000_000),
    }
)


@dataclass(frozen=True, slots=True)
class VenueOptions:
    """What may differ between two simulated Binances.

    `fee_rate` is a share of what is received (0.001: 0.1 %); with `bnb_fees` it is paid in BNB,
    less `bnb_discount`, as long as there is BNB. `weight_limit` is per minute, the order limits
    count unfilled orders; after `ban_after` requests beyond a 429 the address is banned for
    `ban_seconds`, twice as long each time. `max_orders` and `max_algo_orders` are per symbol.
    """

    api_key: str = "simulated-key"
    api_secret: str = field(default="simulated-secret", repr=False)
    account_id: int = 1000
    balances: Mapping[str, Decimal] = field(default_factory=lambda: DEFAULT_BALANCES)
    fee_rate: Decimal = Decimal("0.001")
    bnb_fees: bool = False
    bnb_discount: Decimal = Decimal("0.25")
    weight_limit: int = 6000
    raw_limit: int = 61_000
    order_limit_10s: int = 100
    order_limit_day: int = 200_000
    ban_after: int = 10
    ban_seconds: int = 120
    max_orders: int = 200
    max_algo_orders: int = 5
