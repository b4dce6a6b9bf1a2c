"""Contracts and market data of the IB gateway, asked for by ib_insync."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import pytest

from .test_ib_gateway import codes, connected, control, ibi, on_a_loop, running, spy, until


@on_a_loop
async def test_share() -> None:
    """A share's details: id, tick, exchanges, hours."""
    async with running() as gateway, connected(gateway) as client:
        (details,) = await client.reqContractDetailsAsync(spy())
        contract = details.contract
        assert (contract.conId, contract.primaryExchange) == (756733, "ARCA")
        assert (contract.exchange, contract.localSymbol) == ("SMART", "SPY")
        assert (details.minTick, details.timeZoneId) == (0.01, "US/Eastern")
        assert "SMART" in details.validExchanges.split(",")
        assert (details.stockType, details.minSize, details.suggestedSizeIncrement) == (
            "ETF",
            0.0001,
            100,
        )
        assert {"LMT", "MKT", "STP", "TRAIL", "MOC", "LOC"} <= set(details.orderTypes.split(","))
        assert len(details.tradingSessions()) + details.tradingHours.count("CLOSED") == 5
        rule_id = int(details.marketRuleIds.split(",")[0])
        (rule,) = await client.reqMarketRuleAsync(rule_id)
        assert (rule.lowEdge, rule.increment) == (0, 0.01)


@pytest.mark.parametrize(
    ("described", "found"),
    [
        ({"symbol": "GBTC", "exchange": "SMART", "currency": "USD"}, 1),
        ({"conId": 756733}, 1),
        ({"symbol": "DUAL", "exchange": "SMART", "currency": "USD"}, 2),
        ({"symbol": "DUAL", "primaryExchange": "NYSE"}, 1),
        ({"symbol": "SPY", "currency": "EUR"}, 0),
        ({"symbol": "SPY", "exchange": "CME"}, 0),
        ({"symbol": "NOSUCH"}, 0),
        ({"symbol": "BRK B"}, 1),
    ],
)
@on_a_loop
async def test_how_many_fit(described: dict[str, Any], found: int) -> None:
    """A description fits one contract, several, or none: that is 200."""
    async with running() as gateway, connected(gateway) as client:
        contract = ibi.Contract(secType="STK", **described)
        assert len(await client.reqContractDetailsAsync(contract)) == found
        assert codes(client) == ([] if found else [200])


@on_a_loop
async def test_futures() -> None:
    """Without a month all of a product's contracts fit; with it, one, with its multiplier."""
    async with running() as gateway, connected(gateway) as client:
        everything = await client.reqContractDetailsAsync(ibi.Future("ES", exchange="CME"))
        assert len(everything) == 6
        december = ibi.Future("ES", "202612", "CME")
        (qualified,) = await client.qualifyContractsAsync(december)
        assert (qualified.localSymbol, qualified.multiplier) == ("ESZ6", "50")
        assert qualified.lastTradeDateOrContractMonth == "20261218"
        (same,) = await client.reqContractDetailsAsync(
            ibi.Contract(secType="FUT", localSymbol="ESZ6", exchange="CME")
        )
        assert (same.contract.conId, same.minTick) == (qualified.conId, 0.25)
        for symbol, exchange in (("NQ", "CME"), ("CL", "NYMEX"), ("GC", "COMEX")):
            assert await client.reqContractDetailsAsync(ibi.Future(symbol, exchange=exchange))


@on_a_loop
async def test_options() -> None:
    """The chain of a share: its parameters, and each of its contracts."""
    async with running() as gateway, connected(gateway) as client:
        chains = await client.reqSecDefOptParamsAsync("SPY", "", "STK", 756733)
        assert {chain.exchange for chain in chains} == {"SMART", "CBOE"}
        assert (chains[0].multiplier, chains[0].tradingClass) == ("100", "SPY")
        assert "20261218" in chains[0].expirations
        assert 600.0 in chains[0].strikes
        call = ibi.Option("SPY", "20261218", 600, "C", "SMART", multiplier="100", currency="USD")
        (qualified,) = await client.qualifyContractsAsync(call)
        assert qualified.localSymbol == "SPY   261218C00600000"
        both = ibi.Option("SPY", "20261218", 600, exchange="SMART")
        assert len(await client.reqContractDetailsAsync(both)) == 2
        december = ibi.Option("SPY", "202612", 600, "P", "SMART")
        assert len(await client.reqContractDetailsAsync(december)) == 1
        off = ibi.Option("SPY", "20261218", 600.5, "C", "SMART")
        assert await client.reqContractDetailsAsync(off) == []
        gateway.set_price("SPY261218C00600500", Decimal(1), Decimal(2))
        assert len(await client.reqContractDetailsAsync(off)) == 1


@on_a_loop
async def test_options_by_local_symbol() -> None:
    """An option is found by its local symbol alone."""
    async with running() as gateway, connected(gateway) as client:
        named = ibi.Contract(secType="OPT", localSymbol="SPY   261218C00600000", exchange="SMART")
        (details,) = await client.reqContractDetailsAsync(named)
        assert (details.contract.strike, details.contract.right) == (600, "C")
        assert details.underConId == 756733


@on_a_loop
async def test_currency_pair() -> None:
    """A pair trades at IDEALPRO in units of its base."""
    async with running() as gateway, connected(gateway) as client:
        (pair,) = await client.qualifyContractsAsync(ibi.Forex("EURUSD"))
        assert (pair.localSymbol, pair.exchange) == ("EUR.USD", "IDEALPRO")


@on_a_loop
async def test_new_contracts() -> None:
    """A listing can be added; a second one makes its symbol ambiguous."""
    async with running() as gateway, connected(gateway) as client:
        listing = {"symbol": "SPY", "listed_at": "NYSE", "name": "ANOTHER SPY"}
        added = await control(gateway, "POST", "contracts", listing)
        details = await client.reqContractDetailsAsync(spy())
        assert {found.contract.conId for found in details} == {756733, added["con_id"]}


@on_a_loop
async def test_matching_symbols() -> None:
    """Symbols are found by their beginning, or by a part of the name."""
    async with running() as gateway, connected(gateway) as client:
        found = await client.reqMatchingSymbolsAsync("SP")
        assert "SPY" in {item.contract.symbol for item in found}
        found = await client.reqMatchingSymbolsAsync("grayscale")
        assert [item.contract.symbol for item in found] == ["GBTC"]
        assert found[0].derivativeSecTypes == ["OPT"]


@on_a_loop
async def test_snapshot() -> None:
    """A snapshot has bid, ask and last with their sizes; -1 where there is no market."""
    async with running() as gateway, connected(gateway) as client:
        (ticker,) = await client.reqTickersAsync(spy())
        assert (ticker.bid, ticker.ask, ticker.last) == (99, 101, 100)
        assert ticker.bidSize > 0
        assert ticker.marketDataType == 1
        (nothing,) = await client.reqTickersAsync(spy(symbol="GBTC"))
        assert (nothing.bid, nothing.ask) == (-1, -1)
        assert math.isnan(nothing.last)


@on_a_loop
async def test_stream() -> None:
    """A stream tells each change, until it is cancelled."""
    async with running() as gateway, connected(gateway) as client:
        ticker = client.reqMktData(spy())
        await until(lambda: ticker.bid == 99)
        gateway.set_price("SPY", Decimal("99.5"), Decimal(101))
        await until(lambda: ticker.bid == 99.5)
        client.cancelMktData(spy())
        client.client.cancelMktData(999)
        await until(lambda: codes(client) == [300])


@pytest.mark.parametrize(
    ("said", "ease", "shares"),
    [
        ({"shares": None}, 3, 10_000_000),
        ({"shares": 0}, 0, 0),
        ({"shares": 0, "locate": True}, 2, 0),
    ],
)
@on_a_loop
async def test_shortable(said: dict[str, Any], ease: int, shares: int) -> None:
    """Generic tick 236 tells how easily shares are borrowed, and how many there are."""
    async with running() as gateway, connected(gateway) as client:
        await control(gateway, "POST", "shortable", {"symbol": "SPY", **said})
        heard: list[tuple[int, float]] = []
        ticker = client.reqMktData(spy(), "236")
        ticker.updateEvent += lambda t: heard.extend((k.tickType, k.price) for k in t.ticks)
        await until(lambda: ticker.shortableShares == shares)
        await until(lambda: (46, ease) in heard)


@on_a_loop
async def test_without_a_subscription() -> None:
    """Without a subscription there is 354, delayed data for whoever asked, or a part (10090)."""
    async with running() as gateway, connected(gateway) as client:
        await control(gateway, "POST", "data_access", {"symbol": "SPY", "access": "none"})
        client.reqMktData(spy())
        await until(lambda: codes(client) == [354])
        client.reqMarketDataType(3)
        delayed = client.reqMktData(spy())
        await until(lambda: delayed.bid == 99)
        assert (delayed.marketDataType, codes(client)) == (3, [354, 10167])
        await control(gateway, "POST", "data_access", {"symbol": "GBTC", "access": "part"})
        gateway.set_price("GBTC", Decimal(50), Decimal(51))
        client.reqMktData(spy(symbol="GBTC"), "236")
        await until(lambda: codes(client) == [354, 10167, 10090])
