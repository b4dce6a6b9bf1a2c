"""The symbols that trade here, with the rules that Binance publishes for them in exchangeInfo."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from simulators.binance.numbers import eight

LIMITS_WITH_STOP = frozenset({"STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"})
CONTINGENT = LIMITS_WITH_STOP | {"STOP_LOSS", "TAKE_PROFIT"}
ORDER_TYPES = (
    "LIMIT",
    "LIMIT_MAKER",
    "MARKET",
    "STOP_LOSS",
    "STOP_LOSS_LIMIT",
    "TAKE_PROFIT",
    "TAKE_PROFIT_LIMIT",
)
STP_MODES = ("EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH", "DECREMENT", "NONE")
DEFAULT_STP_MODE = "EXPIRE_MAKER"
# "Symbol status" of the enums; CANCEL_ONLY since 2026-07-07 (changelog of 2026-07-01).
STATUSES = ("TRADING", "END_OF_DAY", "HALT", "BREAK", "CANCEL_ONLY")
ALLOWED_STP_MODES = STP_MODES[:-1]
MAX_AMENDS = 10
MAX_ORDER_LISTS = 20
MAX_ICEBERG_ORDERS = 5


@dataclass(frozen=True, slots=True)
class SymbolRules:
    """What an order in one symbol must keep to. Prices in the quote asset, sizes in the base."""

    symbol: str
    base: str
    quote: str
    tick: Decimal
    max_price: Decimal
    step: Decimal
    max_quantity: Decimal
    max_market_quantity: Decimal
    min_notional: Decimal
    max_notional: Decimal = Decimal(9_000_000)
    price_up: Decimal = Decimal(5)
    price_down: Decimal = Decimal("0.2")
    iceberg_parts: int = 10
    min_trailing_delta: int = 10
    max_trailing_delta: int = 2000

    @property
    def dashed(self) -> str:
        """The symbol as others write it: BTC-USDT."""
        return f"{self.base}-{self.quote}"

    def as_json(self, status: str, max_orders: int, max_algo_orders: int) -> dict[str, Any]:
        """Its entry in exchangeInfo."""
        return {
            "symbol": self.symbol,
            "status": status,
            "baseAsset": self.base,
            "baseAssetPrecision": 8,
            "quoteAsset": self.quote,
            "quotePrecision": 8,
            "quoteAssetPrecision": 8,
            "baseCommissionPrecision": 8,
            "quoteCommissionPrecision": 8,
            "orderTypes": list(ORDER_TYPES),
            "icebergAllowed": True,
            "ocoAllowed": True,
            "otoAllowed": True,
            "opoAllowed": False,
            "quoteOrderQtyMarketAllowed": True,
            "allowTrailingStop": True,
            "cancelReplaceAllowed": True,
            "amendAllowed": True,
            "pegInstructionsAllowed": False,
            "isSpotTradingAllowed": True,
            "isMarginTradingAllowed": False,
            "filters": self._filters(max_orders, max_algo_orders),
            "permissions": [],
            "permissionSets": [["SPOT"]],
            "defaultSelfTradePreventionMode": DEFAULT_STP_MODE,
            "allowedSelfTradePreventionModes": list(ALLOWED_STP_MODES),
        }

    def _filters(self, max_orders: int, max_algo_orders: int) -> list[dict[str, Any]]:
        return [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": eight(self.tick),
                "maxPrice": eight(self.max_price),
                "tickSize": eight(self.tick),
            },
            {
                "filterType": "LOT_SIZE",
                "minQty": eight(self.step),
                "maxQty": eight(self.max_quantity),
                "stepSize": eight(self.step),
            },
            {"filterType": "ICEBERG_PARTS", "limit": self.iceberg_parts},
            {
                "filterType": "MARKET_LOT_SIZE",
                "minQty": eight(Decimal(0)),
                "maxQty": eight(self.max_market_quantity),
                "stepSize": eight(Decimal(0)),
            },
            {
                "filterType": "TRAILING_DELTA",
                "minTrailingAboveDelta": self.min_trailing_delta,
                "maxTrailingAboveDelta": self.max_trailing_delta,
                "minTrailingBelowDelta": self.min_trailing_delta,
                "maxTrailingBelowDelta": self.max_trailing_delta,
            },
            {
                "filterType": "PERCENT_PRICE_BY_SIDE",
                "bidMultiplierUp": str(self.price_up),
                "bidMultiplierDown": str(self.price_down),
                "askMultiplierUp": str(self.price_up),
                "askMultiplierDown": str(self.price_down),
                "avgPriceMins": 5,
            },
            {
                "filterType": "NOTIONAL",
                "minNotional": eight(self.min_notional),
                "applyMinToMarket": True,
                "maxNotional": eight(self.max_notional),
                "applyMaxToMarket": False,
                "avgPriceMins": 5,
            },
            {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": max_orders},
            {"filterType": "MAX_NUM_ORDER_LISTS", "maxNumOrderLists": MAX_ORDER_LISTS},
            {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": max_algo_orders},
            {"filterType": "MAX_NUM_ICEBERG_ORDERS", "maxNumIcebergOrders": MAX_ICEBERG_ORDERS},
            {"filterType": "MAX_NUM_ORDER_AMENDS", "maxNumOrderAmends": MAX_AMENDS},
        ]


def _rules(base: str, quote: str, *numbers: str) -> SymbolRules:
    """Numbers: tick, highest price, step, largest order, largest market order, least notional."""
    tick, max_price, step, largest, largest_market, notional = (Decimal(text) for text in numbers)
    return SymbolRules(
        f"{base}{quote}", base, quote, tick, max_price, step, largest, largest_market, notional
    )


SYMBOLS: Mapping[str, SymbolRules] = {
    rules.symbol: rules
    for rules in (
        _rules("BTC", "USDT", "0.01", "1000000", "0.00001", "9000", "120", "5"),
        _rules("ETH", "USDT", "0.01", "1000000", "0.0001", "9000", "3000", "5"),
        _rules("BNB", "USDT", "0.01", "100000", "0.001", "900000", "4000", "5"),
        _rules("SOL", "USDT", "0.01", "10000", "0.001", "90000", "25000", "5"),
        _rules("XRP", "USDT", "0.0001", "10000", "0.1", "9222449", "2000000", "5"),
        _rules("ADA", "USDT", "0.0001", "1000", "0.1", "900000", "900000", "5"),
        _rules("DOGE", "USDT", "0.00001", "1000", "1", "9000000", "9000000", "5"),
        _rules("LTC", "USDT", "0.01", "100000", "0.001", "90000", "10000", "5"),
        _rules("DOT", "USDT", "0.001", "10000", "0.01", "90000", "90000", "5"),
        _rules("LINK", "USDT", "0.01", "10000", "0.01", "90000", "60000", "5"),
        _rules("AVAX", "USDT", "0.01", "10000", "0.01", "90000", "40000", "5"),
        _rules("USDC", "USDT", "0.00001", "1000", "1", "9000000", "9000000", "5"),
        _rules("FDUSD", "USDT", "0.0001", "1000", "1", "10000000", "9000000", "5"),
        _rules("BTC", "FDUSD", "0.01", "1000000", "0.00001", "9000", "150", "5"),
        _rules("BTC", "USDC", "0.01", "1000000", "0.00001", "9000", "100", "5"),
        _rules("ETH", "BTC", "0.00001", "922327", "0.0001", "100000", "2500", "0.0001"),
        _rules("1INCH", "USDT", "0.0001", "1000", "0.1", "900000", "900000", "5"),
        _rules("4", "USDT", "0.00001", "1000", "1", "9000000", "9000000", "5"),
        # For tests of other scripts, on the test network too (its changelog, 2025-12-18).
        _rules("这是测试币", "456", "0.01", "100000", "0.01", "90000", "90000", "5"),
        _rules("BNB", "BTC", "0.000001", "100000", "0.001", "100000", "3000", "0.0001"),
    )
}
_DASHED = {rules.dashed: rules for rules in SYMBOLS.values()}


def find_symbol(text: str) -> SymbolRules:
    """The symbol that either spelling names: BTCUSDT or BTC-USDT. ValueError for any other."""
    rules = SYMBOLS.get(text) or _DASHED.get(text)
    if rules is None:
        raise ValueError(f"{text!r} does not trade here; what does: {', '.join(SYMBOLS)}")
    return rules
