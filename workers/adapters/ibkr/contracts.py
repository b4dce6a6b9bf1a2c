"""Our instruments and TWS's contracts: described, qualified once, and recognised again.

A description that fits several contracts, or one of another multiplier or currency, is refused:
an order must not go into what was not meant.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from execution.domain.errors import BrokerRejected, RejectionScope
from execution.domain.instruments import Instrument
from execution.domain.trading_rules import TradingRules
from execution.domain.vocabulary import AssetClass
from workers.adapters.ibkr.fills import decimal

Fields = dict[str, Any]
"""A contract's fields, as `ib_insync.Contract` names them."""

PriceSteps = tuple[tuple[Decimal, Decimal], ...]
"""From which price on which step holds, the lowest first."""

_SMART = "SMART"
_SEC_TYPES = {AssetClass.EQUITY: "STK", AssetClass.OPTION: "OPT", AssetClass.FUTURE: "FUT"}
_MOST_CANDIDATES = 8
_NOT_FOUND, _AMBIGUOUS = "200", "AMBIGUOUS"
_ONE = Decimal(1)


@dataclass(frozen=True, slots=True)
class Qualified:
    """One contract of TWS for one instrument of ours, and what TWS takes of it.

    `market_rule` is the id of the rule that says which price steps hold at its exchange.
    """

    fields: Fields
    rules: TradingRules
    market_rule: int | None = None


def describe(instrument: Instrument) -> Fields:
    """What to ask TWS for. BrokerRejected (scope TERMS) for what it is not asked for."""
    terms: Fields
    match instrument.asset_class:
        case AssetClass.EQUITY:
            terms = {"symbol": instrument.symbol.replace(".", " "), "exchange": _SMART}
        case AssetClass.OPTION if instrument.expiry is not None and instrument.strike is not None:
            terms = {
                "symbol": (instrument.underlying or "").replace(".", " "),
                "exchange": _SMART,
                "lastTradeDateOrContractMonth": f"{instrument.expiry:%Y%m%d}",
                "strike": float(instrument.strike),
                "right": (instrument.right or "")[:1],
                "multiplier": f"{instrument.multiplier.normalize():f}",
            }
        case AssetClass.FUTURE if instrument.contract_month and instrument.exchange:
            terms = {
                "symbol": instrument.underlying,
                "exchange": instrument.exchange,
                "lastTradeDateOrContractMonth": instrument.contract_month,
            }
        case _:
            raise _refusal(f"symbol: {instrument.symbol} is no contract of Interactive Brokers")
    return {
        "secType": _SEC_TYPES[instrument.asset_class],
        "currency": instrument.currency,
        **terms,
    }


def choose(instrument: Instrument, found: Sequence[Any]) -> Qualified:
    """The one contract among the details that TWS gives. BrokerRejected (scope TERMS) if none."""
    if not found:
        raise _refusal(f"symbol: Interactive Brokers lists no {instrument.symbol}", _NOT_FOUND)
    if len({details.contract.conId for details in found}) > 1:
        named = "; ".join(_name(details) for details in found[:_MOST_CANDIDATES])
        raise _refusal(
            f"symbol: {instrument.symbol} is ambiguous at Interactive Brokers: {named}", _AMBIGUOUS
        )
    details = found[0]
    contract = details.contract
    multiplier = Decimal(contract.multiplier or 1) / Decimal(details.priceMagnifier or 1)
    if contract.currency != instrument.currency or multiplier != instrument.multiplier:
        raise _refusal(
            f"symbol: {instrument.symbol} is in {contract.currency} times {multiplier} at "
            f"Interactive Brokers, not {instrument.currency} times {instrument.multiplier}"
        )
    smart = instrument.asset_class is not AssetClass.FUTURE
    fields = {
        "conId": contract.conId,
        "symbol": contract.symbol,
        "secType": contract.secType,
        # A time and a zone may follow the day; TWS does not take them back.
        "lastTradeDateOrContractMonth": contract.lastTradeDateOrContractMonth.split(" ")[0],
        "strike": contract.strike,
        "right": contract.right,
        "multiplier": contract.multiplier,
        "exchange": _SMART if smart else contract.exchange,
        "primaryExchange": contract.primaryExchange,
        "currency": contract.currency,
        "localSymbol": contract.localSymbol,
        "tradingClass": contract.tradingClass,
    }
    return Qualified(fields, _rules(instrument, details), _market_rule(details, fields["exchange"]))


def spell(contract: Any) -> str:
    """Our symbol for a contract of TWS that nobody has asked for by one of ours."""
    local = str(contract.localSymbol).replace(" ", "")
    match contract.secType:
        case "STK":
            return str(contract.symbol).replace(" ", ".")
        case "CASH":
            return f"{contract.symbol}{contract.currency}"
        case _:
            return local or str(contract.symbol)


class Contracts:
    """Contracts by our symbol, asked for once, and our symbols by contract id."""

    def __init__(
        self,
        ask: Callable[[Fields], Awaitable[Sequence[Any]]],
        price_steps: Callable[[int], Awaitable[PriceSteps]],
    ) -> None:
        self._ask, self._price_steps = ask, price_steps
        self._rules: dict[int, PriceSteps] = {}
        self._asking_rules = asyncio.Lock()
        self._known: dict[Instrument, Qualified] = {}
        self._asking: dict[Instrument, asyncio.Future[Sequence[Any]]] = {}
        self._symbols: dict[int, str] = {}

    async def qualified(self, instrument: Instrument) -> Qualified:
        """The contract of an instrument. BrokerRejected (scope TERMS) or BrokerUnavailable."""
        known = self._known.get(instrument)
        if known is None:
            known = choose(instrument, await self._details(instrument))
            steps = await self._steps_of(known.market_rule)
            known = replace(known, rules=replace(known.rules, price_steps=steps))
            self._known[instrument] = known
            self._symbols[known.fields["conId"]] = instrument.symbol
        return known

    async def _steps_of(self, market_rule: int | None) -> PriceSteps:
        """Those of a rule that says more than one; many contracts share a rule."""
        if market_rule is None:
            return ()
        async with self._asking_rules:
            if market_rule not in self._rules:
                self._rules[market_rule] = await self._price_steps(market_rule)
        steps = self._rules[market_rule]
        return steps if len(steps) > 1 else ()

    async def _details(self, instrument: Instrument) -> Sequence[Any]:
        """Asked for once, however many want it meanwhile."""
        asking = self._asking.get(instrument)
        if asking is None:
            asking = asyncio.ensure_future(self._ask(describe(instrument)))
            self._asking[instrument] = asking

            def asked(answer: asyncio.Future[Sequence[Any]]) -> None:
                self._asking.pop(instrument, None)
                if not answer.cancelled():
                    answer.exception()

            asking.add_done_callback(asked)
        return await asyncio.shield(asking)

    def symbol_of(self, contract: Any) -> str:
        """Our symbol for a contract that TWS names."""
        return self._symbols.get(contract.conId) or spell(contract)


def _rules(instrument: Instrument, details: Any) -> TradingRules:
    """Whole shares and contracts only: the API takes no fractions (10243)."""
    least = decimal(details.minSize)
    return TradingRules(
        symbol=instrument.symbol,
        quantity_step=_ONE,
        minimum_quantity=max(least, _ONE),
        price_step=decimal(details.minTick) or None,
    )


def _market_rule(details: Any, exchange: str) -> int | None:
    """The id of the rule at an exchange; TWS lists rules in the order of exchanges."""
    rules = str(details.marketRuleIds).split(",")
    at = dict(zip(str(details.validExchanges).split(","), rules, strict=False))
    rule = at.get(exchange, "")
    return int(rule) if rule.isdigit() else None


def _name(details: Any) -> str:
    contract = details.contract
    words = (
        contract.localSymbol or contract.symbol,
        contract.secType,
        contract.primaryExchange or contract.exchange,
        contract.currency,
        contract.lastTradeDateOrContractMonth,
        contract.multiplier and f"x{contract.multiplier}",
        details.longName,
        f"id {contract.conId}",
    )
    return " ".join(str(word) for word in words if word)


def _refusal(reason: str, code: str | None = None) -> BrokerRejected:
    return BrokerRejected(reason, code=code, scope=RejectionScope.TERMS)
