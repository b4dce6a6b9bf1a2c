"""Brings the ledger venue and its adapter into the contract suite, in the case's own loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import ClassVar

from execution.domain.errors import RejectionScope
from execution.domain.instruments import Instrument
from execution.domain.ports import Broker
from execution.domain.vocabulary import (
    AssetClass,
    BrokerName,
    OrderType,
    TimeInForce,
)
from simulators.faults import FaultKind
from simulators.ledger.book import VenueOptions
from simulators.ledger.venue import SUPPORTED, LedgerVenue
from workers.adapters.ledger import LedgerAdapter

from .controlled import ControlledHarness
from .harness import DEADLINE_SECONDS, Ability, VenueHarness


class LedgerHarness(ControlledHarness):
    """The ledger venue at its harshest: it takes the same client id again and again."""

    name: ClassVar[str] = "ledger"
    duplicate_ids: ClassVar[str] = "accept"
    faults: ClassVar[frozenset[FaultKind]] = SUPPORTED
    abilities: ClassVar[frozenset[Ability]] = frozenset(Ability) - {Ability.HALTS}
    order_types: ClassVar[frozenset[OrderType]] = frozenset(OrderType) - {
        OrderType.MARKET_ON_CLOSE,
        OrderType.LIMIT_ON_CLOSE,
    }
    times_in_force: ClassVar[frozenset[TimeInForce]] = frozenset(TimeInForce)
    broker: ClassVar[BrokerName] = BrokerName.IBKR
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

    def simulator(self, port: int, control_port: int) -> LedgerVenue:
        options = VenueOptions(duplicate_ids=self.duplicate_ids, account=self.account)
        state = self.folder / "venue.jsonl"
        return LedgerVenue(options, port=port, control_port=control_port, state=state)

    def adapter(self, *, impatient: bool = False) -> Broker:
        return LedgerAdapter(
            self.broker,
            self.url,
            self.account,
            timeout=timedelta(seconds=self.answer_seconds if impatient else DEADLINE_SECONDS),
            poll_interval=timedelta(milliseconds=5),
            clock=lambda: datetime.now(UTC),
        )

    def refusal(self, scope: RejectionScope) -> dict[str, str]:
        return {"code": "-2010", "reason": "not today", "scope": scope.value}


class ProtectiveLedgerHarness(LedgerHarness):
    """The same venue, refusing a client id that it has ever seen."""

    name: ClassVar[str] = "ledger-refusing-duplicates"
    duplicate_ids: ClassVar[str] = "refuse"


HARNESSES: tuple[type[VenueHarness], ...] = (LedgerHarness, ProtectiveLedgerHarness)
