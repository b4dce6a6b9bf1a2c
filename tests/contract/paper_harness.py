"""Brings PaperAdapter into the contract suite: its book in PostgreSQL, its quotes in memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

from sqlalchemy import text

from execution.domain.capabilities import CAPABILITIES
from execution.domain.errors import RejectionScope
from execution.domain.instruments import Instrument
from execution.domain.paper.slippage import Slippage
from execution.domain.paper.trading import PaperRules
from execution.domain.ports import Attempt, Broker
from execution.domain.reports import Quote
from execution.domain.vocabulary import (
    AssetClass,
    BrokerName,
    OrderState,
    OrderType,
    Side,
    TimeInForce,
)
from execution.market_calendar import ExchangeCalendars
from execution.store import paper_book
from execution.store.engine import Store
from simulators.faults import FaultKind
from workers.adapters.paper import PaperAdapter

from .harness import Ability, HeldOrder, Ledger, VenueHarness


class _Quotes:
    """The quotes of one case."""

    def __init__(self) -> None:
        self.known: dict[str, Quote] = {}

    def get(self, symbols: Sequence[str]) -> dict[str, Quote]:
        return {symbol: self.known[symbol] for symbol in symbols if symbol in self.known}

    def want(self, symbols: Iterable[str]) -> None:
        """Nobody feeds them but the case."""


@dataclass(frozen=True, slots=True)
class _AtTheTouch(Slippage):
    """A BUY pays the ask and a SELL gets the bid, as at the other venues of the suite."""

    def price(self, quote: Quote, side: Side, name: str) -> Decimal:
        del name
        return quote.ask if side is Side.BUY else quote.bid


class PaperHarness:
    """The paper venue. It has no faults and cannot go away alone: it is a table beside the rest."""

    name: ClassVar[str] = "paper"
    faults: ClassVar[frozenset[FaultKind]] = frozenset()
    abilities: ClassVar[frozenset[Ability]] = frozenset(
        {
            Ability.FENCE,
            Ability.UNFENCED,
            Ability.LIQUIDITY,
            Ability.ENDS,
            Ability.NETTING,
            Ability.SHORTING,
            Ability.RESENDS,
            Ability.POSITIONS,
            Ability.MODIFIES,
            Ability.MOVES,
            Ability.FENCE_IN_TRANSIT,
            Ability.STOPS_WORK_ON,
            Ability.REASONS,
        }
    )
    order_types: ClassVar[frozenset[OrderType]] = CAPABILITIES[BrokerName.PAPER].order_types
    times_in_force: ClassVar[frozenset[TimeInForce]] = CAPABILITIES[BrokerName.PAPER].times_in_force
    broker: ClassVar[BrokerName] = BrokerName.PAPER
    account: ClassVar[str] = "main"
    instrument: ClassVar[Instrument] = Instrument("SPY", AssetClass.EQUITY, "USD")
    unpriced: ClassVar[Instrument] = Instrument("GBTC", AssetClass.EQUITY, "USD")
    lot: ClassVar[Decimal] = Decimal(10)
    exact_quantities: ClassVar[Sequence[Decimal]] = (
        Decimal("0.123456789012345678"),
        Decimal("1E+5"),
        Decimal("1E-8"),
        Decimal("12345678901234.10"),
    )
    balances: ClassVar[Mapping[str, str]] = {
        "USD": "1000.50",
        "BTC": "0.123456789012345678",
    }
    clock_step: ClassVar[timedelta] = timedelta(milliseconds=2)
    answer_seconds: ClassVar[float] = 0.6
    database_url: ClassVar[str]

    def __init__(self, folder: Path) -> None:
        del folder
        self._quotes = _Quotes()
        self._store = Store(self.database_url)
        self._adapters: list[PaperAdapter] = []
        self._rules = PaperRules(
            _AtTheTouch("none", Decimal(0), lambda _: Decimal(0)),
            quote_max_age=timedelta(seconds=60),
            price_wait=timedelta(0),
        )

    async def start(self) -> None:
        """Nothing runs: the book is there."""

    async def stop(self) -> None:
        """What the book holds stays, as at every venue; the next case has other ids."""
        self._store.close()

    def adapter(self, *, impatient: bool = False) -> Broker:
        del impatient
        adapter = PaperAdapter(
            self._store,
            self._quotes,
            self._rules,
            ExchangeCalendars(),
            account=self.account,
            poll_interval=timedelta(milliseconds=5),
            clock=lambda: datetime.now(UTC),
        )
        self._adapters.append(adapter)
        return adapter

    async def set_price(self, bid: str, ask: str) -> None:
        symbol = self.instrument.symbol
        quote = Quote(symbol, Decimal(bid), Decimal(ask), datetime.now(UTC), "test")
        self._quotes.known[symbol] = quote

    async def set_liquidity(self, size: Decimal | None, slice_size: Decimal | None = None) -> None:
        self._rules = replace(self._rules, depth=size, execution_size=slice_size)
        for adapter in self._adapters:
            adapter._rules = self._rules

    async def set_balances(self, balances: dict[str, str]) -> None:
        raise AssertionError("paper has no such ability")

    async def arm(self, kind: FaultKind, **options: Any) -> None:
        raise AssertionError("paper has no faults")

    def refusal(self, scope: RejectionScope) -> dict[str, str]:
        return {"code": "-2010", "reason": "not today", "scope": scope.value}

    async def clear(self) -> None:
        """There is nothing armed."""

    async def fired(self, kind: FaultKind) -> int:
        del kind
        return 0

    async def report_execution(self, **fields: Any) -> None:
        raise AssertionError("paper has no such ability")

    async def end_order(self, attempt: Attempt, state: OrderState, reason: str) -> None:
        with self._store.transaction() as connection:
            assert paper_book.close(connection, attempt.venue_order_id, state, reason)

    async def ledger(self) -> Ledger:
        with self._store.transaction() as connection:
            orders = connection.execute(text("SELECT * FROM paper_orders")).all()
            executions = connection.execute(text("SELECT * FROM paper_executions")).all()
        return Ledger(
            orders=tuple(
                HeldOrder(
                    venue_order_id=order.venue_order_id,
                    state=order.state,
                    quantity=order.quantity,
                    limit_price=Decimal(order.terms["limit_price"])
                    if order.terms["limit_price"]
                    else None,
                )
                for order in orders
            ),
            execution_ids=tuple(execution.execution_id for execution in executions),
        )


HARNESSES: tuple[type[VenueHarness], ...] = (PaperHarness,)
