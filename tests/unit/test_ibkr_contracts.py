"""Instruments to contracts and back; what is ambiguous or other than meant is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from execution.domain.errors import BrokerRejected, BrokerUnavailable, RejectionScope
from execution.domain.instruments import Instrument
from execution.domain.trading_rules import TradingRules
from execution.domain.vocabulary import AssetClass
from tests.contract.ibkr_harness import ContractMapInMemory
from workers.adapters.ibkr.contracts import Contracts, PriceSteps, choose, describe
from workers.adapters.ibkr.naming import listing, spell

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
_OF_DETAILS = ("priceMagnifier", "contractMonth", "realExpirationDate", "marketRuleIds")


def details(**changes: Any) -> Any:
    """What TWS tells of SPY, with changes."""
    more = {name: changes.pop(name) for name in _OF_DETAILS if name in changes}
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
        "localSymbol": "nothing to go by",
        "tradingClass": "NMS",
    }
    standard = {
        "priceMagnifier": 1,
        "minTick": 0.01,
        "validExchanges": "SMART,CME",
        "marketRuleIds": "110,26",
        "minSize": 1.0,
        "longName": "SPDR S&P 500",
        "contractMonth": "",
        "realExpirationDate": "",
    }
    return SimpleNamespace(contract=SimpleNamespace(**(contract | changes)), **(standard | more))


def future(**changes: Any) -> Any:
    """The E-mini of December."""
    standard = {
        "conId": 495512563,
        "secType": "FUT",
        "symbol": "ES",
        "exchange": "CME",
        "primaryExchange": "",
        "multiplier": "50",
        "tradingClass": "ES",
        "lastTradeDateOrContractMonth": "20261218",
        "contractMonth": "202612",
    }
    return details(**(standard | changes))


def option(**changes: Any) -> Any:
    """The call of December at 600."""
    standard = {
        "conId": 864004569,
        "secType": "OPT",
        "primaryExchange": "",
        "multiplier": "100",
        "tradingClass": "SPY",
        "lastTradeDateOrContractMonth": "20261218",
        "realExpirationDate": "20261218",
        "contractMonth": "202612",
        "strike": 600.0,
        "right": "C",
    }
    return details(**(standard | changes))


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
        "tradingClass": "SPY",
    }
    assert describe(OPTION, by_month=True)["lastTradeDateOrContractMonth"] == "202612"
    assert describe(FUTURE) == {
        "secType": "FUT",
        "symbol": "ES",
        "exchange": "CME",
        "currency": "USD",
        "lastTradeDateOrContractMonth": "202612",
        "tradingClass": "ES",
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


def test_a_future_keeps_its_exchange() -> None:
    """By its id and where it trades; TWS's spelling of it is not sent back."""
    found = choose(FUTURE, [future(lastTradeDateOrContractMonth="20261218 08:30 US/Central")])
    assert found.fields == {"conId": 495512563, "exchange": "CME"}


def test_the_market_rule_of_its_exchange() -> None:
    """TWS lists them in the order of the exchanges, and may list none."""
    assert choose(FUTURE, [future()]).market_rule == 26
    assert choose(SPY, [details()]).market_rule == 110
    assert choose(SPY, [details(marketRuleIds="")]).market_rule is None


def test_prices_in_cents() -> None:
    """A contract quoted in hundredths has a multiplier a hundred times as large at IB."""
    cents = future(multiplier="5000", priceMagnifier=100)
    assert choose(FUTURE, [cents]).con_id == 495512563
    assert listing(cents.contract, cents).multiplier == 50


@pytest.mark.parametrize(
    ("instrument", "found", "words"),
    [
        (SPY, [], "lists no SPY"),
        (SPY, [details(), details(conId=2, primaryExchange="LSEETF")], "ambiguous.*LSEETF"),
        (SPY, [details(currency="EUR")], "currency EUR, not USD"),
        (SPY, [details(symbol="SPYX")], "symbol SPYX, not SPY"),
        (SPY, [option()], "secType OPT, not STK"),
        (OPTION, [option(multiplier="150")], "multiplier 150, not 100"),
        (OPTION, [option(tradingClass="2SPY")], "trading class 2SPY, not SPY"),
        (OPTION, [option(strike=605.0)], "strike 605.0, not 600"),
        (OPTION, [option(right="P")], "right P, not C"),
        (OPTION, [option(realExpirationDate="20261219")], "expiry 20261219, not 20261218"),
        (OPTION, [option(), option(conId=2)], "ambiguous"),
        (FUTURE, [future(multiplier="5")], "multiplier 5, not 50"),
        (FUTURE, [future(tradingClass="MES")], "trading class MES, not ES"),
        (FUTURE, [future(contractMonth="202703")], "contract month 202703, not 202612"),
    ],
)
def test_what_is_not_meant(instrument: Instrument, found: Sequence[Any], words: str) -> None:
    """Refused for its terms, with the candidates and what of them is otherwise."""
    with pytest.raises(BrokerRejected, match=words) as refusal:
        choose(instrument, found)
    assert refusal.value.scope is RejectionScope.TERMS


@pytest.mark.parametrize("first", [0, 1])
def test_of_several_the_one_that_was_asked_for(first: int) -> None:
    """A FLEX series has symbol, day, strike and multiplier of the standard one; in any order."""
    both = [option(), option(conId=896715799, tradingClass="2SPY")]
    assert choose(OPTION, [both[first], both[1 - first]]).con_id == 864004569
    minis = [
        future(conId=1, symbol="DAX", tradingClass="FDAX", multiplier="25", currency="EUR"),
        future(conId=2, symbol="DAX", tradingClass="FDXM", multiplier="5", currency="EUR"),
    ]
    mini = Instrument(
        "FDXMZ6",
        AssetClass.FUTURE,
        "EUR",
        Decimal(5),
        underlying="DAX",
        exchange="EUREX",
        contract_month="202612",
    )
    assert choose(mini, [minis[first], minis[1 - first]]).con_id == 2


def test_the_same_contract_twice_is_one() -> None:
    """A share is listed once for each exchange at times."""
    assert choose(SPY, [details(), details(exchange="ARCA")]).con_id == 756733


@pytest.mark.parametrize(
    ("found", "symbol"),
    [
        (details(symbol="BRK B"), "BRK.B"),
        (details(symbol="VOD", currency="GBP"), "VOD.GBP"),
        (option(), "SPY261218C00600000"),
        (option(tradingClass="SPXW", symbol="SPX"), "SPXW261218C00600000"),
        (option(lastTradeDateOrContractMonth="20261217"), "SPY261218C00600000"),
        (future(), "ESZ6"),
        (future(symbol="DAX", tradingClass="FDXM", currency="EUR"), "FDXMZ6"),
        (
            future(symbol="CL", tradingClass="CL", lastTradeDateOrContractMonth="20261120"),
            "CLZ6",
        ),
        (details(secType="CASH", symbol="EUR", currency="USD"), "EURUSD"),
        (details(secType="BOND", symbol="IBCID1", tradingClass="", conId=7), "IBCID1.BOND.7"),
    ],
)
def test_what_nobody_asked_for_by_our_symbol(found: Any, symbol: str) -> None:
    """What is held or traded by hand has our spelling, too, whatever TWS's local symbol is."""
    assert spell(found.contract, found) == symbol


@pytest.mark.parametrize(
    ("root", "ends", "symbol"),
    [
        ("ES", "20261218", "ESZ6"),
        ("ES", "202612", "ESZ6"),
        ("CL", "20261120", "CLZ6"),
        ("SR3", "20270316", "SR3Z6"),
        ("XYZ", "202612", "XYZZ6"),
        ("XYZ", "20261120", "XYZ.FUT.495512563"),
    ],
)
def test_a_future_of_which_nothing_but_its_last_day_is_known(
    root: str, ends: str, symbol: str
) -> None:
    """Its month by the exchange's rule; of an unknown product it may be another."""
    contract = future(tradingClass=root, lastTradeDateOrContractMonth=ends).contract
    assert spell(contract) == symbol


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
        contracts = Contracts(ask, steps, ContractMapInMemory())
        with pytest.raises(BrokerUnavailable):
            await contracts.qualified(SPY)
        await asyncio.gather(*(contracts.qualified(SPY) for _ in range(5)))
        await contracts.qualified(SPY)
        return contracts

    contracts = asyncio.run(run())
    assert len(asked) == 2
    assert asked_rules == [110]
    assert contracts.symbol_of(details(symbol="OTHER").contract) == "SPY"


def test_a_rule_of_one_step_that_is_not_the_smallest() -> None:
    """The exchange's rule holds: minTick is the smallest of all exchanges and prices."""

    async def ask(_: dict[str, Any]) -> Sequence[Any]:
        return [details(minTick=0.01)]

    async def steps(_: int) -> PriceSteps:
        return ((Decimal(0), Decimal("0.05")),)

    async def run() -> TradingRules:
        return (await Contracts(ask, steps, ContractMapInMemory()).qualified(SPY)).rules

    assert asyncio.run(run()).price_step_at(Decimal(600)) == Decimal("0.05")


def test_an_index_option_is_listed_by_its_last_trading_day() -> None:
    """SPX of Friday's open ends on Thursday: asked for by its day, then by its month."""
    asked: list[str] = []
    spx = replace(OPTION, symbol="SPX261218C00600000", underlying="SPX")

    async def ask(fields: dict[str, Any]) -> Sequence[Any]:
        asked.append(fields["lastTradeDateOrContractMonth"])
        if asked[-1] == "20261218":
            return []
        day = {"lastTradeDateOrContractMonth": "20261217"}
        return [
            option(symbol="SPX", tradingClass="SPX", **day),
            option(symbol="SPX", tradingClass="SPX", realExpirationDate="20261231", conId=2, **day),
        ]

    async def steps(_: int) -> PriceSteps:
        return NICKELS

    async def run() -> int:
        return (await Contracts(ask, steps, ContractMapInMemory()).qualified(spx)).con_id

    assert asyncio.run(run()) == 864004569
    assert asked == ["20261218", "202612"]


@pytest.mark.parametrize("taken", [False, True])
def test_a_company_that_was_renamed(taken: bool) -> None:  # noqa: FBT001
    """Its old ticker still means it, unless another company has that ticker now."""
    kept = ContractMapInMemory()
    kept.symbols[1] = "FB"

    async def ask(fields: dict[str, Any]) -> Sequence[Any]:
        if fields.get("conId") == 1:
            return [details(conId=1, symbol="META")]
        return [details(conId=2, symbol="FB")] if taken else []

    async def steps(_: int) -> PriceSteps:
        return ()

    old = Instrument("FB", AssetClass.EQUITY, "USD")
    contracts = Contracts(ask, steps, kept)
    if taken:
        with pytest.raises(BrokerRejected, match=r"ambiguous.*META.*FB"):
            asyncio.run(contracts.qualified(old))
    else:
        assert asyncio.run(contracts.qualified(old)).fields == {"conId": 1, "exchange": "SMART"}


def test_a_symbol_whose_contract_is_over() -> None:
    """A code of ten years ago stands for the contract of today."""
    kept = ContractMapInMemory()
    kept.symbols[1] = "ESZ6"

    async def ask(fields: dict[str, Any]) -> Sequence[Any]:
        return [] if "conId" in fields else [future()]

    async def steps(_: int) -> PriceSteps:
        return ()

    assert asyncio.run(Contracts(ask, steps, kept).qualified(FUTURE)).con_id == 495512563


def test_names_that_others_gave() -> None:
    """By the map first; what is not in it is asked for once, by its id, and put there."""
    asked: list[dict[str, Any]] = []
    kept = ContractMapInMemory()
    kept.symbols[1] = "FB"

    async def ask(fields: dict[str, Any]) -> Sequence[Any]:
        asked.append(fields)
        return [future(conId=2, symbol="CL", tradingClass="CL")]

    async def steps(_: int) -> PriceSteps:
        return ()

    async def run() -> list[str]:
        contracts = Contracts(ask, steps, kept)
        renamed = details(conId=1, symbol="META").contract
        oil = future(
            conId=2, symbol="CL", tradingClass="CL", lastTradeDateOrContractMonth="20261120"
        ).contract
        for _ in range(2):
            await contracts.learn([renamed, oil], again=True)
        return [contracts.symbol_of(renamed), contracts.symbol_of(oil)]

    assert asyncio.run(run()) == ["FB", "CLZ6"]
    assert asked == [{"conId": 2}]
    assert kept.symbols == {1: "FB", 2: "CLZ6"}
