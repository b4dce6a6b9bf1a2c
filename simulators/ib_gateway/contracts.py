"""Contracts: what identifies one, what a client describes one by, and when the two agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from simulators.ib_gateway.wire import Fields, Value

_RIGHTS = {"CALL": "C", "PUT": "P", "?": "", "0": ""}


@dataclass(frozen=True, slots=True)
class Contract:
    """One instrument. `ticker` is how the control port spells it: SPY, ESZ6, EURUSD.

    `expiry` is the last trading day, YYYYMMDD; `expires` is the day it expires where that is
    another, and `month` its contract month, YYYYMM. `multiplier` is text because it is empty for
    shares; where prices are in cents it is a hundred times what one point is worth in money, and
    `magnifier` is 100. `exchanges` are those it may be ordered at; the first is what a description
    without one gets.
    """

    con_id: int
    symbol: str
    sec_type: str
    ticker: str
    local_symbol: str
    trading_class: str
    exchanges: tuple[str, ...]
    primary_exchange: str
    currency: str
    name: str
    min_tick: Decimal
    market_rule: int
    hours: str
    expiry: str = ""
    strike: Decimal = Decimal(0)
    right: str = ""
    multiplier: str = ""
    under_con_id: int = 0
    under_symbol: str = ""
    under_sec_type: str = ""
    stock_type: str = ""
    expires: str = ""
    month: str = ""
    magnifier: int = 1

    @property
    def factor(self) -> Decimal:
        """The money that one point of the price is worth; 1 for shares."""
        return Decimal(self.multiplier or 1) / self.magnifier

    @property
    def contract_month(self) -> str:
        """The month it is named after: another than its last trading day's for oil, for example."""
        return self.month or self.expiry[:6]

    @property
    def exchange(self) -> str:
        """Where it trades when nobody says where."""
        return self.exchanges[0]

    def expired(self, today: date) -> bool:
        """True after its last day."""
        return bool(self.expiry) and self.expiry < f"{today:%Y%m%d}"


@dataclass(frozen=True, slots=True)
class Description:
    """What a client says of the contract it means; empty where it says nothing."""

    con_id: int = 0
    symbol: str = ""
    sec_type: str = ""
    expiry: str = ""
    strike: Decimal = Decimal(0)
    right: str = ""
    multiplier: str = ""
    exchange: str = ""
    primary_exchange: str = ""
    currency: str = ""
    local_symbol: str = ""
    trading_class: str = ""

    def fits(self, contract: Contract) -> bool:
        """True when nothing that was said is otherwise.

        With a contract id the rest says nothing any more, but for the exchange.
        """
        if self.exchange and self.exchange not in contract.exchanges:
            return False
        if self.con_id:
            return self.con_id == contract.con_id
        return all(
            said in {"", is_}
            for said, is_ in (
                (self.symbol, contract.symbol),
                (self.sec_type, contract.sec_type),
                (self.right, contract.right),
                (self.multiplier, contract.multiplier),
                (self.primary_exchange, contract.primary_exchange),
                (self.currency, contract.currency),
                (self.local_symbol.replace(" ", ""), contract.local_symbol.replace(" ", "")),
                (self.trading_class, contract.trading_class),
            )
        ) and (self._fits_expiry(contract) and self.strike in {0, contract.strike})

    def _fits_expiry(self, contract: Contract) -> bool:
        """A day is the last trading day, a month the contract's."""
        if len(self.expiry) == len("YYYYMM"):
            return self.expiry == contract.contract_month
        return contract.expiry.startswith(self.expiry)


def read_description(fields: Fields) -> Description:
    """The twelve fields by which every request describes a contract."""
    con_id = fields.integer()
    symbol, sec_type, expiry = fields.text(), fields.text(), fields.text()
    strike = fields.number() or Decimal(0)
    right, multiplier = fields.text().upper(), fields.text()
    return Description(
        con_id,
        symbol,
        sec_type,
        expiry.partition(" ")[0],
        strike,
        _RIGHTS.get(right, right),
        multiplier,
        *(fields.text() for _ in range(5)),
    )


def full_form(contract: Contract, exchange: str, *, right: str = "") -> Sequence[Value]:
    """The eleven fields by which most answers name a contract; `right` where it has none."""
    return (
        contract.con_id,
        contract.symbol,
        contract.sec_type,
        contract.expiry,
        contract.strike,
        contract.right or right,
        contract.multiplier,
        exchange,
        contract.currency,
        contract.local_symbol,
        contract.trading_class,
    )
