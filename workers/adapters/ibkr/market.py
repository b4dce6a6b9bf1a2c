"""What TWS knows of contracts and their market, asked over a connection that stands."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from execution.domain.errors import BrokerUnavailable
from workers.adapters.ibkr.connection import Line, of_question, retrieved
from workers.adapters.ibkr.contracts import Fields, PriceSteps
from workers.adapters.ibkr.fills import decimal

_NO_CONTRACT = 200
# Generic tick 236: tick 46 is above 2.5 where there are at least a thousand shares, 89 how many.
_SHORTABLE, _EASE = "236", 46
_EASY, _AT_LEAST = 2.5, Decimal(1000)


async def contract_details(line: Line, fields: Fields) -> Sequence[Any]:
    """Every contract that fits; none for code 200. BrokerUnavailable."""
    from workers.adapters.ibkr import library  # noqa: PLC0415 - see Line.open

    wanted = library.contract(**fields)
    try:
        found: Sequence[Any] = await line.numbered(lambda ib: ib.reqContractDetailsAsync(wanted))
    except BrokerUnavailable as error:
        if getattr(error.__cause__, "code", None) == _NO_CONTRACT:
            return ()
        raise
    return found


async def price_steps(line: Line, market_rule: int) -> PriceSteps:
    """From which price on which step holds by a market rule. BrokerUnavailable.

    Its answer names the rule, so one that comes late is taken for no other.
    """
    line.check()

    def ask(ib: Any) -> asyncio.Future[Any]:
        answer: asyncio.Future[Any] = ib.wrapper.startReq(f"marketRule-{market_rule}")
        ib.client.reqMarketRule(market_rule)
        return answer

    found = await line.numbered(ask)
    steps = ((decimal(step.lowEdge), decimal(step.increment)) for step in found)
    return tuple(sorted(steps))


async def snapshot(line: Line, fields: Fields) -> Any:
    """Bid and ask now, as ib_insync's Ticker. BrokerUnavailable.

    A snapshot ends by itself at TWS.
    """
    from workers.adapters.ibkr import library  # noqa: PLC0415 - see Line.open

    line.check()
    contract, ib = library.contract(**fields), await line.room()
    wrapper, request_id = ib.wrapper, ib.client.getReqId()
    ended = wrapper.startReq(request_id, contract)
    ticker = wrapper.startTicker(request_id, contract, "snapshot")
    both = asyncio.get_running_loop().create_future()

    def look(told: Any) -> None:
        if not both.done() and not (math.isnan(told.bid) or math.isnan(told.ask)):
            both.set_result(None)

    def clean(_: object) -> None:
        wrapper.endTicker(ticker, "snapshot")
        wrapper.reqId2Ticker.pop(request_id, None)
        wrapper.tickers.pop(id(contract), None)

    ticker.updateEvent += look
    ended.add_done_callback(clean)
    ended.add_done_callback(retrieved)
    ib.client.reqMktData(request_id, contract, "", True, False, [])  # noqa: FBT003
    done, _ = await asyncio.wait(
        {ended, both}, timeout=line.timeout, return_when=asyncio.FIRST_COMPLETED
    )
    if not done:
        raise BrokerUnavailable("no quote of TWS in time")
    if ended.done() and ended.exception() is not None:
        raise of_question(ended.exception())
    return ticker


async def shortable_shares(line: Line, fields: Fields) -> Decimal:
    """How many shares can be borrowed now. BrokerUnavailable.

    TWS tells it in a stream only (no snapshot has it): one is begun, and ended with its word.
    Where it gives no number, it says at least how easily they are borrowed.
    """
    from workers.adapters.ibkr import library  # noqa: PLC0415 - see Line.open

    line.check()
    contract, ib = library.contract(**fields), await line.room()
    wrapper, request_id = ib.wrapper, ib.client.getReqId()
    failed = wrapper.startReq(request_id, contract)
    ticker = wrapper.startTicker(request_id, contract, "mktData")
    told, ease = asyncio.get_running_loop().create_future(), list[float]()

    def look(ticker: Any) -> None:
        ease.extend(tick.price for tick in ticker.ticks if tick.tickType == _EASE)
        if not told.done() and not math.isnan(ticker.shortableShares):
            told.set_result(decimal(ticker.shortableShares))

    ticker.updateEvent += look
    failed.add_done_callback(retrieved)
    ib.client.reqMktData(request_id, contract, _SHORTABLE, False, False, [])  # noqa: FBT003
    try:
        await asyncio.wait(
            {failed, told}, timeout=line.timeout, return_when=asyncio.FIRST_COMPLETED
        )
        if failed.done() and failed.exception() is not None:
            raise of_question(failed.exception())
    finally:
        refused = failed.done()
        wrapper.tickSnapshotEnd(request_id)
        wrapper.endTicker(ticker, "mktData")
        wrapper.reqId2Ticker.pop(request_id, None)
        wrapper.tickers.pop(id(contract), None)
        if not refused and line.ended is None:
            (await line.room()).client.cancelMktData(request_id)
    if told.done():
        shares: Decimal = told.result()
        return shares
    if not ease:
        raise BrokerUnavailable("TWS does not say how many shares can be borrowed")
    return _AT_LEAST if ease[-1] > _EASY else Decimal(0)
