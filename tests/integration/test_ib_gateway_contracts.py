"""Classes, sizes and spellings of the IB gateway's contracts and executions, by ib_insync."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from simulators.ib_gateway.listings import third_friday
from simulators.ib_gateway.options import GatewayOptions

from .test_ib_gateway import connected, control, ibi, on_a_loop, order, running, status

_MONTH = datetime.now(UTC).date().replace(day=1) + timedelta(days=70)
_LAST = third_friday(_MONTH.year, _MONTH.month)
FRIDAY, THURSDAY = f"{_LAST:%Y%m%d}", f"{_LAST - timedelta(days=1):%Y%m%d}"
MONTH = FRIDAY[:6]
# The first month after that in which every product has a contract.
_QUARTER = next(
    datetime(year, month, 1, tzinfo=UTC)
    for year in (_LAST.year, _LAST.year + 1)
    for month in (3, 6, 9, 12)
    if (year, month) > (_LAST.year, _LAST.month)
)
QUARTER = f"{_QUARTER:%Y%m}"
CODE = f"{'HMUZ'[_QUARTER.month // 3 - 1]}{_QUARTER.year % 10}"


async def found(client: Any, **described: Any) -> dict[str, Any]:
    """The details of each contract that fits, by its trading class."""
    details = await client.reqContractDetailsAsync(ibi.Contract(**described))
    return {one.contract.tradingClass: one for one in details}


@on_a_loop
async def test_index_options_of_two_classes() -> None:
    """One symbol, strike and right; the class that is settled at the open ends a day before."""
    async with running() as gateway, connected(gateway) as client:
        terms = {"symbol": "SPX", "secType": "OPT", "strike": 6000.0, "right": "C"}
        month = await found(client, **terms, lastTradeDateOrContractMonth=MONTH)
        assert set(month) == {"SPX", "SPXW"}
        day = await found(client, **terms, lastTradeDateOrContractMonth=FRIDAY)
        assert set(day) == {"SPXW"}
        before = await found(client, **terms, lastTradeDateOrContractMonth=THURSDAY)
        (at_open,) = before.values()
        assert at_open.contract.tradingClass == "SPX"
        assert at_open.contract.lastTradeDateOrContractMonth == THURSDAY
        assert at_open.realExpirationDate == FRIDAY
        assert at_open.contract.localSymbol == f"SPX   {FRIDAY[2:]}C06000000"
        chains = await client.reqSecDefOptParamsAsync("SPX", "", "IND", 416904)
        assert {chain.tradingClass for chain in chains} == {"SPX", "SPXW"}


@on_a_loop
async def test_a_flex_option_beside_the_standard_one() -> None:
    """It is there once somebody trades it, and then the description without a class is of two."""
    async with running() as gateway, connected(gateway) as client:
        terms = {
            "symbol": "SPY",
            "secType": "OPT",
            "strike": 600.0,
            "right": "P",
            "lastTradeDateOrContractMonth": FRIDAY,
        }
        assert set(await found(client, **terms)) == {"SPY"}
        price = {"symbol": f"2SPY{FRIDAY[2:]}P00600000", "bid": "10", "ask": "11"}
        await control(gateway, "POST", "prices", price)
        both = await found(client, **terms)
        assert set(both) == {"SPY", "2SPY"}
        assert both["2SPY"].contract.multiplier == both["SPY"].contract.multiplier == "100"
        assert set(await found(client, **terms, tradingClass="2SPY")) == {"2SPY"}


@pytest.mark.parametrize(
    ("symbol", "exchange", "sizes"),
    [
        ("SI", "COMEX", {"SI": "5000", "SIL": "1000"}),
        ("DAX", "EUREX", {"FDAX": "25", "FDXM": "5", "FDXS": "1"}),
        ("ESTX50", "EUREX", {"FESX": "10", "FSXE": "1"}),
    ],
)
@on_a_loop
async def test_sizes_of_one_symbol(symbol: str, exchange: str, sizes: dict[str, str]) -> None:
    """They differ in class and multiplier."""
    async with running() as gateway, connected(gateway) as client:
        listed = await found(client, symbol=symbol, secType="FUT", exchange=exchange)
        assert {name: one.contract.multiplier for name, one in listed.items()} == sizes
        (name, size) = next(iter(sizes.items()))
        by_size = await found(
            client, symbol=symbol, secType="FUT", exchange=exchange, multiplier=size
        )
        assert set(by_size) == {name}


@on_a_loop
async def test_prices_in_cents() -> None:
    """Corn: 5,000 bushels, and a point is worth a cent of each."""
    async with running() as gateway, connected(gateway) as client:
        details = (await found(client, symbol="ZC", secType="FUT", exchange="CBOT"))["ZC"]
        assert (details.contract.multiplier, details.priceMagnifier) == ("5000", 100)


@on_a_loop
async def test_oil_is_named_after_the_month_that_follows_its_end() -> None:
    """It ends in the month before, and is found by its own."""
    async with running() as gateway, connected(gateway) as client:
        (oil,) = (
            await found(
                client,
                symbol="CL",
                secType="FUT",
                exchange="NYMEX",
                lastTradeDateOrContractMonth=QUARTER,
            )
        ).values()
        assert oil.contractMonth == QUARTER
        before = _QUARTER - timedelta(days=1)
        assert oil.contract.lastTradeDateOrContractMonth.startswith(f"{before:%Y%m}")
        assert oil.contract.localSymbol == f"CL{CODE}"


WORDS = f"{_QUARTER:%b %y}".upper()
ENDS = f"{third_friday(_QUARTER.year, _QUARTER.month):%Y%m%d}"


@pytest.mark.parametrize(
    ("style", "american", "european"),
    [("codes", f"ES{CODE}", f"FDAX {ENDS} M"), ("words", f"ES   {WORDS}", f"FDAX {WORDS}")],
)
@on_a_loop
async def test_local_symbols(style: str, american: str, european: str) -> None:
    """As TWS spells them today, or in words."""
    async with (
        running(GatewayOptions(local_symbols=style)) as gateway,
        connected(gateway) as client,
    ):
        quarter = {"secType": "FUT", "lastTradeDateOrContractMonth": QUARTER}
        es = await found(client, symbol="ES", exchange="CME", **quarter)
        assert es["ES"].contract.localSymbol == american
        dax = await found(client, symbol="DAX", exchange="EUREX", tradingClass="FDAX", **quarter)
        assert dax["FDAX"].contract.localSymbol == european
        await control(
            gateway, "POST", "contracts/spell", {"symbol": f"ES{CODE}", "local_symbol": "ES  1"}
        )
        es = await found(client, symbol="ES", exchange="CME", **quarter)
        assert es["ES"].contract.localSymbol == "ES  1"


@on_a_loop
async def test_a_renamed_company(tmp_path: Path) -> None:
    """Its id stays, its name and its options' change; a restart forgets nothing of it."""
    journal = tmp_path / "venue.jsonl"
    async with running(state=journal) as gateway, connected(gateway) as client:
        (before,) = await client.reqContractDetailsAsync(ibi.Stock("KO", "SMART", "USD"))
        call = {
            "secType": "OPT",
            "lastTradeDateOrContractMonth": FRIDAY,
            "strike": 60.0,
            "right": "C",
        }
        option = (await found(client, symbol="KO", **call))["KO"]
        gateway.set_price("KO", Decimal(70), Decimal(71))
        trade = client.placeOrder(before.contract, order("MKT", quantity=5))
        await status(trade, "Filled")
        await control(gateway, "POST", "contracts/rename", {"symbol": "KO", "to": "COKE"})
        assert await client.reqContractDetailsAsync(ibi.Stock("KO", "SMART", "USD")) == []
        (after,) = await client.reqContractDetailsAsync(ibi.Stock("COKE", "SMART", "USD"))
        assert after.contract.conId == before.contract.conId
        renamed = (await found(client, symbol="COKE", **call))["COKE"]
        assert renamed.contract.conId == option.contract.conId
        async with connected(gateway, 8) as another:
            (fill,) = await another.reqExecutionsAsync()
            assert fill.contract.symbol == "COKE"
    async with running(state=journal) as gateway, connected(gateway) as client:
        (again,) = await client.reqContractDetailsAsync(ibi.Stock("COKE", "SMART", "USD"))
        assert again.contract.conId == before.contract.conId
