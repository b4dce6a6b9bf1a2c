"""The orders of a soak: the same for the same seed, whoever asks."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

PRICES = {"BTC-USDT": "64000", "SPY": "600", "GBTC": "50", "EURUSD": "1.1", "AAPL": "200"}
"""Around these the markets move."""
QUANTITIES = {
    "BTC-USDT": ("0.25", "0.5", "1.5"),
    "SPY": ("1", "7"),
    "GBTC": ("1", "40"),
    "EURUSD": ("1000", "3000"),
    "AAPL": ("2", "5"),
}
PAPER_QUANTITIES = {**QUANTITIES, "EURUSD": ("10", "30")}
"""What fills on paper in a few parts at `_DEPTH`; a venue's own orders get there as they are."""
_DEPTH = 20
_COARSE = 100
"""Times as much of everything on paper, where the venue's own orders are in thousands."""
DAY_SYMBOLS = frozenset({"SPY", "GBTC", "AAPL"})
"""What is for the day unless it says otherwise; a default that is spelled out is not kept."""
SWING = Decimal("0.002")
"""By this share of a price, both ways."""
PAPER_ACCOUNTS = ("main", "second")
_FAR = Decimal("0.2")
_TICK = {"EURUSD": Decimal("0.00001")}


@dataclass(frozen=True, slots=True)
class Offer:
    """What the venue of a run offers: its symbol, whether it takes brackets, its accounts."""

    symbol: str
    brackets: bool = False
    accounts: tuple[str, ...] = ("main",)

    @property
    def paper_depth(self) -> str:
        """PAPER_DEPTH, the same for every symbol: what is rerouted fills in a few parts, too."""
        return str(_DEPTH * self._scale)

    def on_paper(self, symbol: str) -> list[str]:
        """The quantities of paper orders."""
        scaled = (Decimal(quantity) * self._scale for quantity in PAPER_QUANTITIES[symbol])
        return [format(quantity.normalize(), "f") for quantity in scaled]

    @property
    def _scale(self) -> int:
        return _COARSE if self.symbol == "EURUSD" else 1


@dataclass(frozen=True, slots=True)
class Plan:
    """One order: its payload in its canonical form, and what is done with it.

    `kind` is for counting. `change` are the terms to ask for while it rests; it is cancelled after
    that, or, with `cancel`, at once.
    """

    kind: str
    payload: dict[str, Any]
    bare: bool
    cancel: bool
    change: dict[str, str] = field(default_factory=dict)


def plan(seed: int, producer: str, number: int, offer: Offer) -> Plan:
    """The order of a number; half of them are for the venue."""
    chosen = random.Random(f"{seed}/{producer}/{number}")  # noqa: S311 - test data
    live = chosen.random() < 0.5
    others = tuple(name for name in PRICES if name != offer.symbol)
    symbol = offer.symbol if live else chosen.choice(others)
    side = chosen.choice(("BUY", "SELL"))
    payload: dict[str, Any] = {
        "client_order_id": f"{producer}-{number}",
        "symbol": symbol,
        "side": side,
        "quantity": chosen.choice(QUANTITIES[symbol] if live else offer.on_paper(symbol)),
    }
    if live and chosen.random() < 0.7:
        payload["on_failure"] = "wait"
    paper = not live and chosen.random() < 0.9
    if paper:
        # The others are for brokers that no worker serves, and get here in the long way.
        payload["execution_mode"] = "PAPER"
    account = chosen.choice(PAPER_ACCOUNTS if paper else offer.accounts)
    if account != "main" and (paper or live):
        payload["account"] = account
    kind, draw = "market", chosen.random()
    change: dict[str, str] = {}
    if draw < 0.06:
        kind = "cancel"
        payload |= _limit(symbol, side, _FAR)
    elif draw < 0.16:
        kind = "limit"
        payload |= _limit(symbol, side, SWING * chosen.randint(2, 8) / 10)
    elif draw < 0.22:
        kind = "change"
        payload |= _limit(symbol, side, _FAR)
        price = _price(symbol, side, _FAR * 3 / 4)
        twice = format(2 * Decimal(payload["quantity"]), "f")
        change = chosen.choice(({"limit_price": price}, {"quantity": twice}))
    elif draw < 0.32 and (paper or live):
        # It never goes to paper in a broker's place, so a broker that nobody serves gets none.
        kind = "reduce_only"
        payload["reduce_only"] = True
    elif draw < 0.46 and (paper or (live and offer.brackets)):
        kind = "bracket"
        payload |= _children(chosen, symbol, side)
        if chosen.random() < 0.5:
            payload |= _limit(symbol, side, SWING * chosen.randint(2, 8) / 10)
    return Plan(kind, payload, bare=chosen.random() < 0.3, cancel=kind == "cancel", change=change)


def _price(symbol: str, side: str, off: Decimal) -> str:
    """A price so far off the middle, on the side where an order of that side rests."""
    price = Decimal(PRICES[symbol]) * (1 - off if side == "BUY" else 1 + off)
    return format(price.quantize(_TICK.get(symbol, Decimal("0.01"))).normalize(), "f")


def _limit(symbol: str, side: str, off: Decimal) -> dict[str, Any]:
    """Terms of an order that rests too far off to be filled, or is filled as the market swings."""
    gtc = {"time_in_force": "GTC"} if symbol in DAY_SYMBOLS else {}
    return {"order_type": "LIMIT", "limit_price": _price(symbol, side, off), **gtc}


def _children(chosen: random.Random, symbol: str, side: str) -> dict[str, str]:
    """Prices of children: some are reached as the market swings, some rest to the end."""
    other = "SELL" if side == "BUY" else "BUY"
    off = chosen.choice((SWING * chosen.randint(3, 9) / 10, _FAR))
    roles = chosen.choice((("take_profit", "stop_loss"),) * 3 + (("stop_loss",), ("take_profit",)))
    prices = {
        "take_profit_price": _price(symbol, other, off),
        "stop_loss_price": _price(symbol, side, off),
    }
    return {name: price for name, price in prices.items() if name.removesuffix("_price") in roles}
