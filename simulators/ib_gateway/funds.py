"""What an account is worth, what its positions and a new order bind, and how TWS tells it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal

from simulators.ib_gateway import charges
from simulators.ib_gateway.catalogue import Catalogue
from simulators.ib_gateway.contracts import Contract
from simulators.ib_gateway.order_messages import Preview
from simulators.ib_gateway.portfolio import Holding, Portfolio
from simulators.ib_gateway.records import Order
from simulators.ib_gateway.wire import rounded, tidy

# The share of its value that a position binds: Regulation T for shares, all of what a long option
# cost, and about what the exchanges ask for a future.
_MARGIN = {"STK": Decimal("0.5"), "OPT": Decimal(1), "FUT": Decimal("0.1"), "CASH": Decimal("0.03")}
_MAINTENANCE = Decimal("0.5")
_LEVERAGE = Decimal(4)

Mark = Callable[[Contract], Decimal | None]


@dataclass(frozen=True, slots=True)
class Line:
    """A position and the price it is valued at."""

    contract: Contract
    held: Holding
    mark: Decimal

    @property
    def value(self) -> Decimal:
        """What it would bring."""
        return self.held.quantity * self.mark * self.contract.factor

    @property
    def gain(self) -> Decimal:
        """The profit that is not realized."""
        return self.value - self.held.quantity * self.held.cost


class Funds:
    """The accounts' figures; `mark` gives the price at which a contract is valued."""

    def __init__(self, portfolio: Portfolio, catalogue: Catalogue, mark: Mark) -> None:
        self._portfolio = portfolio
        self._catalogue = catalogue
        self._mark = mark

    def lines(self, account: str, *, flat: bool = False) -> list[Line]:
        """The positions of an account; with `flat` also those it no longer has."""
        held = self._portfolio.ever_held(account) if flat else self._portfolio.holdings(account)
        return [self._line(item) for item in held]

    def line(self, account: str, con_id: int) -> Line | None:
        """One position, flat or not; None when there never was one."""
        held = self._portfolio.holding(account, con_id)
        return None if held is None else self._line(held)

    def values(self, account: str) -> list[tuple[str, str, str]]:
        """Tag, value and currency of everything that reqAccountUpdates tells."""
        cash = self._portfolio.cash(account)
        rows = [
            ("AccountCode", account, ""),
            ("AccountOrGroup", account, "BASE"),
            ("AccountReady", "true", ""),
            ("AccountType", "INDIVIDUAL", ""),
            *((tag, tidy(rounded(value)), "USD") for tag, value in self._figures(account)),
        ]
        for currency, amount in cash.items():
            rows += [
                (tag, tidy(amount), currency)
                for tag in ("CashBalance", "TotalCashBalance", "SettledCash")
            ]
            rows.append(("Currency", currency, currency))
        rows.append(("Cushion", "1", ""))
        return rows

    def summary(self, account: str, tags: Iterable[str]) -> list[tuple[str, str, str]]:
        """Tag, value and currency of what reqAccountSummary asks for."""
        values = self.values(account)
        rows: list[tuple[str, str, str]] = []
        for tag in tags:
            if tag.startswith("$LEDGER"):
                wanted = {"CashBalance", "TotalCashBalance", "NetLiquidationByCurrency"}
                rows += [row for row in values if row[0] in wanted]
            else:
                rows += [row for row in values if row[0] == tag and row[2] in {"", "USD", "BASE"}]
        return rows

    def shortfall(self, order: Order, contract: Contract, price: Decimal) -> Decimal:
        """How much the account lacks for an order at `price`; 0 or less when it suffices.

        What only reduces a position binds nothing.
        """
        figures = dict(self._figures(order.account))
        return self._binds(order, contract, price) - figures["AvailableFunds"]

    def preview(self, order: Order, contract: Contract, price: Decimal) -> Preview:
        """What a what-if order is answered with."""
        figures = dict(self._figures(order.account))
        value = order.quantity * price * contract.factor
        initial = self._binds(order, contract, price)
        commission = charges.commission(contract, order.quantity, value)
        return Preview(
            initial_before=figures["InitMarginReq"],
            initial_change=initial,
            maintenance_before=figures["MaintMarginReq"],
            maintenance_change=initial * _MAINTENANCE,
            equity_before=figures["EquityWithLoanValue"],
            equity_change=-commission,
            commission=commission,
            currency=contract.currency,
        )

    def _binds(self, order: Order, contract: Contract, price: Decimal) -> Decimal:
        change = order.quantity if order.side == "BUY" else -order.quantity
        held = self._portfolio.quantity(order.account, contract.con_id)
        grows = max(abs(held + change) - abs(held), Decimal(0))
        return grows * price * contract.factor * _MARGIN[contract.sec_type]

    def _figures(self, account: str) -> list[tuple[str, Decimal]]:
        lines = self.lines(account, flat=True)
        cash = self._portfolio.cash(account).get("USD", Decimal(0))
        positions = sum(
            (line.gain if line.contract.sec_type == "FUT" else line.value for line in lines),
            Decimal(0),
        )
        gross = sum((abs(line.value) for line in lines), Decimal(0))
        initial = sum(
            (abs(line.value) * _MARGIN[line.contract.sec_type] for line in lines), Decimal(0)
        )
        worth = cash + positions
        available = worth - initial
        return [
            ("NetLiquidation", worth),
            ("TotalCashValue", cash),
            ("EquityWithLoanValue", worth),
            ("GrossPositionValue", gross),
            ("InitMarginReq", initial),
            ("MaintMarginReq", initial * _MAINTENANCE),
            ("FullInitMarginReq", initial),
            ("FullMaintMarginReq", initial * _MAINTENANCE),
            ("AvailableFunds", available),
            ("FullAvailableFunds", available),
            ("ExcessLiquidity", worth - initial * _MAINTENANCE),
            ("BuyingPower", max(available, Decimal(0)) * _LEVERAGE),
            ("RealizedPnL", sum((line.held.realized for line in lines), Decimal(0))),
            ("UnrealizedPnL", sum((line.gain for line in lines), Decimal(0))),
        ]

    def _line(self, held: Holding) -> Line:
        contract = self._catalogue.by_id(held.con_id) or self._catalogue.by_ticker(held.symbol)
        mark = self._mark(contract)
        return Line(contract, held, held.cost / contract.factor if mark is None else mark)
