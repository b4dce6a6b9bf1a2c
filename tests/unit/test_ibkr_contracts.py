"""Instruments to contracts and back; what is ambiguous or other than meant is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from execution.domain.errors import BrokerRejected, BrokerUnavailable, RejectionScope
from execution.domain.instruments import Instrument
from execution.domain.vocabulary import AssetClass
from workers.adapters.ibkr.contracts import Contracts, PriceSteps, choose, describe, spell

SPY = Instrument("SPY", AssetClass.EQUITY, "USD")
OPTION = Instrument(
    "SPY261218C00600000",
    AssetClass.OPTION,
    "USD",
    Decimal(100),
    underlying="SPY",
    expiry=date(2026, 12, 18),
    strike=Decimal(600),
    right="C",
)
FUTURE = Instrument(
    "ESZ6",
    AssetClass.FUTURE,
    "USD",
    Decimal(50),
    underlying="ES",
    exchange="CME",
    contract_month="202612",
)


NICKELS = ((Decimal(0), Decimal("0.01")), (Decimal(3), Decimal("0.05")))


def details(**changes: Any) -> Any:
    """What TWS tells of SPY, with changes of the contract; `magnifier` of the details."""
    magnifier = changes.pop("magnifier", 1)
    rules = changes.pop("rules", "110,26")
    contract = {
        "conId": 756733,
        "symbol": "SPY",
        "secType": "STK",
        "lastTradeDateOrContractMonth": "",
        "strike": 0.0,
        "right": "",
        "multiplier": "",
        "exchange": "SMART",
        "primaryExchange": "ARCA",
        "currency": "USD",
        "localSymbol": "SPY",
        "tradingClass": "SPY",
    }
    return SimpleNamespace(
        contract=SimpleNamespace(**(contract | changes)),
        priceMagnifier=magnifier,
        minTick=0.01,
        validExchanges="SMART,CME",
        marketRuleIds=rules,
        minSize=1.0,
        longName="SPDR S&P 500",
    )


def test_descriptions() -> None:
    """Enough to mean one contract, and nothing that could be wrong."""
    assert describe(Instrument("BRK.B", AssetClass.EQUITY, "USD")) == {
        "secType": "STK",
        "symbol": "BRK B",
        "exchange": "SMART",
        "currency": "USD",
    }
    assert describe(OPTION) == {
        "secType": "OPT",
        "symbol": "SPY",
        "exchange": "SMART",
        "currency": "USD",
        "lastTradeDateOrContractMonth": "20261218",
        "strike": 600.0,
        "right": "C",
        "multiplier": "100",
    }
    assert describe(FUTURE) == {
        "secType": "FUT",
        "symbol": "ES",
        "exchange": "CME",
        "currency": "USD",
        "lastTradeDateOrContractMonth": "202612",
    }
    with pytest.raises(BrokerRejected):
        describe(Instrument("EURUSD", AssetClass.FX, "USD", base_currency="EUR"))


def test_the_one_there_is() -> None:
    """By contract id from now on, at SMART, in whole shares and its own price steps."""
    found = choose(SPY, [details(exchange="ARCA")])
    assert (found.fields["conId"], found.fields["exchange"]) == (756733, "SMART")
    assert found.rules.price_step == Decimal("0.01")
    assert found.rules.quantity_step == 1
    assert found.rules.minimum_quantity == 1


def test_a_future_keeps_its_exchange_and_loses_its_hour() -> None:
    """TWS does not take a time of day back."""
    future = details(
        secType="FUT",
        exchange="CME",
        multiplier="50",
        lastTradeDateOrContractMonth="20261218 08:30 US/Central",
    )
    found = choose(FUTURE, [future])
    assert found.fields["exchange"] == "CME"
    assert found.fields["lastTradeDateOrContractMonth"] == "20261218"


def test_the_market_rule_of_its_exchange() -> None:
    """TWS lists them in the order of the exchanges, and may list none."""
    future = details(secType="FUT", exchange="CME", multiplier="50")
    assert choose(FUTURE, [future]).market_rule == 26
    assert choose(SPY, [details()]).market_rule == 110
    assert choose(SPY, [details(rules="")]).market_rule is None


def test_prices_in_cents() -> None:
    """A contract quoted in hundredths has a multiplier a hundred times as large at IB."""
    future = details(secType="FUT", exchange="CME", multiplier="5000", magnifier=100)
    assert choose(FUTURE, [future]).fields["multiplier"] == "5000"


@pytest.mark.parametrize(
    ("instrument", "found", "words"),
    [
        (SPY, [], "lists no SPY"),
        (SPY, [details(), details(conId=2, primaryExchange="LSEETF")], "LSEETF"),
        (SPY, [details(currency="EUR")], "in EUR times 1"),
        (OPTION, [details(secType="OPT", multiplier="150")], "USD times 150"),
        (FUTURE, [details(secType="FUT", multiplier="5")], "USD times 5"),
    ],
)
def test_what_is_not_meant(instrument: Instrument, found: Sequence[Any], words: str) -> None:
    """Refused for its terms, with the candidates."""
    with pytest.raises(BrokerRejected, match=words) as refusal:
        choose(instrument, found)
    assert refusal.value.scope is RejectionScope.TERMS


def test_the_same_contract_twice_is_one() -> None:
    """A share is listed once for each exchange at times."""
    assert choose(SPY, [details(), details(exchange="ARCA")]).fields["conId"] == 756733


@pytest.mark.parametrize(
    ("contract", "symbol"),
    [
        ({"symbol": "BRK B", "localSymbol": "BRK B"}, "BRK.B"),
        ({"secType": "OPT", "localSymbol": "SPY   261218C00600000"}, "SPY261218C00600000"),
        ({"secType": "FUT", "symbol": "ES", "localSymbol": "ESZ6"}, "ESZ6"),
        ({"secType": "CASH", "symbol": "EUR", "localSymbol": "EUR.USD"}, "EURUSD"),
        ({"secType": "BOND", "symbol": "IBCID1", "localSymbol": ""}, "IBCID1"),
    ],
)
def test_what_nobody_asked_for_by_our_symbol(contract: dict[str, str], symbol: str) -> None:
    """What is held or traded by hand has our spelling, too."""
    assert spell(details(**contract).contract) == symbol


def test_asked_for_once() -> None:
    """However many want it at the same time; not at all when it is known; anew after a failure."""
    asked: list[dict[str, Any]] = []
    asked_rules: list[int] = []

    async def ask(fields: dict[str, Any]) -> Sequence[Any]:
        asked.append(fields)
        await asyncio.sleep(0)
        if len(asked) == 1:
            raise BrokerUnavailable("not now")
        return [details()]

    async def steps(market_rule: int) -> PriceSteps:
        asked_rules.append(market_rule)
        return NICKELS

    async def run() -> Contracts:
        contracts = Contracts(ask, steps)
        with pytest.raises(BrokerUnavailable):
            await contracts.qualified(SPY)
        await asyncio.gather(*(contracts.qualified(SPY) for _ in range(5)))
        await contracts.qualified(SPY)
        return contracts

    contracts = asyncio.run(run())
    assert len(asked) == 2
    assert asked_rules == [110]
    assert contracts.symbol_of(details(symbol="OTHER").contract) == "SPY"
