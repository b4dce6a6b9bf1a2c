"""Positions, their cost and the cash of each account, kept up with every execution."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from simulators.ib_gateway.options import GatewayOptions
from simulators.ib_gateway.records import Trade
from simulators.ledger.records import Trade as LedgerTrade
from simulators.ledger.records import effective


@dataclass(slots=True)
class Holding:
    """What an account has of one contract.

    `cost` is of one share or contract with multiplier and commissions, as TWS's avgCost is.
    `cash` is what buying and selling it brought, less what it cost.
    """

    symbol: str
    con_id: int
    quantity: Decimal = Decimal(0)
    cost: Decimal = Decimal(0)
    realized: Decimal = Decimal(0)
    cash: Decimal = Decimal(0)

    def take(self, trade: Trade) -> Decimal | None:
        """Count an execution; gives the profit it realized, if it closed anything.

        The whole price of a share changes hands; of a future only the profit does.
        """
        change = trade.quantity if trade.side == "BUY" else -trade.quantity
        value = trade.price * trade.multiplier
        fees = trade.commission or trade.charges or Decimal(0)
        total = self.quantity + change
        realized = None
        if not change:
            return None
        if self.quantity * change >= 0:
            spent = self.cost * self.quantity + value * change + fees
            self.cost = spent / total
        else:
            closed = min(abs(self.quantity), abs(change))
            gain = (value - self.cost) * (closed if self.quantity > 0 else -closed)
            realized = gain - fees
            self.realized += realized
            if self.quantity * total < 0:
                self.cost = value
            elif not total:
                self.cost = Decimal(0)
        self.quantity = total
        if trade.sec_type == "FUT":
            self.cash += -fees if realized is None else realized
        else:
            self.cash -= value * change + fees
        return realized


class Portfolio:
    """The holdings and the cash of every account."""

    def __init__(self, options: GatewayOptions) -> None:
        self._holdings: dict[tuple[str, int], Holding] = {}
        self._trades: defaultdict[tuple[str, int], list[Trade]] = defaultdict(list)
        self._cash = {account: {"USD": options.cash} for account in options.accounts}
        self._before: dict[str, Decimal] = defaultdict(Decimal)
        self._came: dict[tuple[str, int], Decimal] = defaultdict(Decimal)

    def book(self, trade: Trade) -> Decimal | None:
        """Count an execution; a correction or a bust counts all of its contract anew."""
        key = (trade.account, trade.con_id)
        self._trades[key].append(trade)
        if trade.kind == "TRADE":
            return self._holding(trade).take(trade)
        known = self._holdings.pop(key, None)
        for item in _standing(self._trades[key]):
            self._holding(item).take(item)
        if self._came[key]:
            held = self._holdings.setdefault(key, Holding(trade.symbol, trade.con_id))
            held.quantity += self._came[key]
        if known is not None and key not in self._holdings:
            self._holdings[key] = Holding(known.symbol, known.con_id)
        return None

    def come(self, account: str, symbol: str, con_id: int, change: Decimal) -> None:
        """Let a quantity come, or go, without an execution: an assignment, a split, a transfer."""
        held = self._holdings.setdefault((account, con_id), Holding(symbol, con_id))
        held.quantity += change
        self._came[account, con_id] += change

    def holdings(self, account: str) -> list[Holding]:
        """What an account has, flat ones left out."""
        return [held for held in self.ever_held(account) if held.quantity]

    def ever_held(self, account: str) -> list[Holding]:
        """What an account has or had."""
        return [held for (name, _), held in self._holdings.items() if name == account]

    def holding(self, account: str, con_id: int) -> Holding | None:
        """What an account has of one contract."""
        return self._holdings.get((account, con_id))

    def quantity(self, account: str, con_id: int) -> Decimal:
        """How much of a contract an account has; negative when it is short."""
        held = self._holdings.get((account, con_id))
        return held.quantity if held else Decimal(0)

    def cash(self, account: str) -> dict[str, Decimal]:
        """The cash of an account by currency; trades move its dollars."""
        cash = dict(self._cash[account])
        moved = self._moved(account) - self._before[account]
        cash["USD"] = cash.get("USD", Decimal(0)) + moved
        return cash

    def set_cash(self, balances: dict[str, Decimal]) -> None:
        """Say what every account has from now on."""
        for account in self._cash:
            self._cash[account] = dict(balances)
            self._before[account] = self._moved(account)

    def _moved(self, account: str) -> Decimal:
        return sum((held.cash for held in self.ever_held(account)), Decimal(0))

    def _holding(self, trade: Trade) -> Holding:
        key = (trade.account, trade.con_id)
        return self._holdings.setdefault(key, Holding(trade.symbol, trade.con_id))


def _standing(trades: Iterable[Trade]) -> list[Trade]:
    """The executions that count, after every correction and bust."""
    listed: list[LedgerTrade] = [*trades]
    counting = {trade.execution_id for trade in effective(listed)}
    return [trade for trade in trades if trade.execution_id in counting]
