"""Our instruments and TWS's contracts: described, qualified once, and recognised again.

A description that fits several contracts, or none with the terms that were asked for, is refused:
an order must not go into what was not meant.
Source: TWS API, "Contracts" (a contract that is not described in full is matched against all that
fit) and the ContractDetails class.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Protocol

from execution.domain.errors import BrokerRejected, RejectionScope
from execution.domain.instruments import Instrument, Listing
from execution.domain.trading_rules import TradingRules
from execution.domain.vocabulary import AssetClass
from workers.adapters.ibkr import naming
from workers.adapters.ibkr.fills import decimal

Fields = dict[str, Any]
"""A contract's fields, as `ib_insync.Contract` names them."""

PriceSteps = tuple[tuple[Decimal, Decimal], ...]
"""From which price on which step holds, the lowest first."""

_SMART = "SMART"
_SEC_TYPES = {AssetClass.EQUITY: "STK", AssetClass.OPTION: "OPT", AssetClass.FUTURE: "FUT"}
_MOST_CANDIDATES = 8
_NOT_FOUND, _AMBIGUOUS, _OTHER_TERMS = "200", "AMBIGUOUS", "OTHER_TERMS"
_ONE = Decimal(1)


class ContractMap(Protocol):
    """Which symbol of ours each contract of TWS has, shared by workers and kept for ever."""

    async def names(self, con_ids: Iterable[int]) -> Mapping[int, str]:
        """The symbols of those contracts that are known. BrokerUnavailable."""

    async def contract_of(self, symbol: str) -> int | None:
        """The contract that has a symbol; None when none has it. BrokerUnavailable."""

    async def record(self, con_id: int, listing: Listing, *, ordered: bool) -> str:
        """Remember a contract and give its symbol. BrokerUnavailable.

        `ordered`: somebody asked for the contract by this symbol, so it is the contract's from now
        on. Else a known contract keeps its own, and a symbol that another contract has is told
        apart by the contract id.
        """


@dataclass(frozen=True, slots=True)
class Qualified:
    """One contract of TWS for one instrument of ours, and what TWS takes of it.

    `fields` are how TWS is told of it from now on: by its id and where it trades. `market_rule` is
    the id of the rule that says which price steps hold at its exchange.
    """

    con_id: int
    fields: Fields
    rules: TradingRules
    market_rule: int | None = None


def describe(instrument: Instrument, *, by_month: bool = False) -> Fields:
    """What to ask TWS for. BrokerRejected (scope TERMS) for what it is not asked for.

    TWS lists an option by its last trading day. That is before the day it expires where it is
    settled at the open (SPX, VIX): `by_month` asks for all of the month.
    """
    terms: Fields
    match instrument.asset_class:
        case AssetClass.EQUITY:
            terms = {"symbol": _ticker(instrument.symbol), "exchange": _SMART}
        case AssetClass.OPTION if instrument.expiry is not None and instrument.strike is not None:
            terms = {
                "symbol": _ticker(instrument.underlying or ""),
                "exchange": _SMART,
                "lastTradeDateOrContractMonth": f"{instrument.expiry:%Y%m}"
                if by_month
                else f"{instrument.expiry:%Y%m%d}",
                "strike": float(instrument.strike),
                "right": (instrument.right or "")[:1],
                "multiplier": f"{instrument.multiplier.normalize():f}",
                "tradingClass": instrument.trading_class,
            }
        case AssetClass.FUTURE if instrument.contract_month and instrument.exchange:
            # Not by multiplier: where prices are in cents (ZC), TWS's is a hundred times ours.
            terms = {
                "symbol": instrument.underlying,
                "exchange": instrument.exchange,
                "lastTradeDateOrContractMonth": instrument.contract_month,
                "tradingClass": instrument.trading_class,
            }
        case _:
            raise _refusal(f"symbol: {instrument.symbol} is no contract of Interactive Brokers")
    return {
        "secType": _SEC_TYPES[instrument.asset_class],
        "currency": instrument.currency,
        **terms,
    }


def choose(instrument: Instrument, found: Sequence[Any]) -> Qualified:
    """The one contract among the details that TWS gives. BrokerRejected (scope TERMS) if none.

    Whatever TWS makes of a description, only what has every term that was asked for is chosen.
    """
    if not found:
        raise _refusal(f"symbol: Interactive Brokers lists no {instrument.symbol}", _NOT_FOUND)
    fitting = [details for details in found if not _differences(instrument, details)]
    if not fitting:
        others = "; ".join(
            f"{_name(details)} ({', '.join(_differences(instrument, details))})"
            for details in found[:_MOST_CANDIDATES]
        )
        raise _refusal(
            f"symbol: Interactive Brokers has {instrument.symbol} with other terms only: {others}",
            _OTHER_TERMS,
        )
    if len({details.contract.conId for details in fitting}) > 1:
        raise _ambiguous(instrument, fitting)
    return _qualified(instrument, fitting[0])


def _qualified(instrument: Instrument, details: Any) -> Qualified:
    contract = details.contract
    smart = instrument.asset_class is not AssetClass.FUTURE
    fields = {"conId": contract.conId, "exchange": _SMART if smart else contract.exchange}
    rules = _rules(instrument, details)
    return Qualified(contract.conId, fields, rules, _market_rule(details, fields["exchange"]))


def _ambiguous(instrument: Instrument, found: Sequence[Any]) -> BrokerRejected:
    named = "; ".join(_name(details) for details in found[:_MOST_CANDIDATES])
    return _refusal(
        f"symbol: {instrument.symbol} is ambiguous at Interactive Brokers: {named}", _AMBIGUOUS
    )


def _differences(instrument: Instrument, details: Any, *, renamed: bool = False) -> list[str]:
    """What of a contract is not as the instrument has it, in words; `renamed`: but for its name."""
    contract, listed = details.contract, naming.listing(details.contract, details)
    terms: list[tuple[str, object, object]] = [
        ("secType", contract.secType, _SEC_TYPES[instrument.asset_class]),
        ("currency", contract.currency, instrument.currency),
        ("multiplier", listed.multiplier, instrument.multiplier),
    ]
    if renamed:
        """Neither a share's ticker nor the class of what is derived from it counts."""
    elif instrument.asset_class is AssetClass.EQUITY:
        terms.append(("symbol", contract.symbol, _ticker(instrument.symbol)))
    else:
        terms.append(("trading class", contract.tradingClass, instrument.trading_class))
    if instrument.asset_class is AssetClass.OPTION:
        expires = naming.day(details.realExpirationDate or contract.lastTradeDateOrContractMonth)
        terms += [
            ("expiry", expires, f"{instrument.expiry:%Y%m%d}"),
            ("strike", decimal(contract.strike), instrument.strike),
            ("right", contract.right[:1], (instrument.right or "")[:1]),
        ]
    elif instrument.asset_class is AssetClass.FUTURE and details.contractMonth:
        terms.append(("contract month", details.contractMonth, instrument.contract_month))
    return [f"{name} {is_}, not {wanted}" for name, is_, wanted in terms if is_ != wanted]


class Contracts:
    """Contracts by our symbol, asked for once, and our symbols by contract id."""

    def __init__(
        self,
        ask: Callable[[Fields], Awaitable[Sequence[Any]]],
        price_steps: Callable[[int], Awaitable[PriceSteps]],
        contract_map: ContractMap,
    ) -> None:
        self._ask, self._price_steps, self._map = ask, price_steps, contract_map
        self._rules: dict[int, PriceSteps] = {}
        self._asking_rules = asyncio.Lock()
        self._known: dict[Instrument, Qualified] = {}
        self._asking: dict[Instrument, asyncio.Future[Qualified]] = {}
        self._symbols: dict[int, str] = {}

    async def qualified(self, instrument: Instrument) -> Qualified:
        """The contract of an instrument. BrokerRejected (scope TERMS) or BrokerUnavailable.

        Its symbol is on disk before anybody can trade it: whoever hears of it later knows it.
        """
        known = self._known.get(instrument)
        if known is None:
            known = await self._details(instrument)
            steps = await self._steps_of(known.market_rule)
            known = replace(known, rules=replace(known.rules, price_steps=steps))
            listed = Listing(
                instrument.symbol,
                instrument.asset_class,
                instrument.currency,
                instrument.multiplier,
            )
            await self._map.record(known.con_id, listed, ordered=True)
            self._known[instrument] = known
            self._symbols[known.con_id] = instrument.symbol
        return known

    async def of_order(self, contract: Any, instrument: Instrument) -> Fields:
        """How TWS is told of an order's contract: as it shows the order itself.

        A company that was renamed is not found by its instrument any more. Raises as `qualified`.
        """
        if contract is not None and contract.conId:
            return {"conId": contract.conId, "exchange": contract.exchange}
        return (await self.qualified(instrument)).fields

    async def _steps_of(self, market_rule: int | None) -> PriceSteps:
        """Those of a rule; many contracts share one."""
        if market_rule is None:
            return ()
        async with self._asking_rules:
            if market_rule not in self._rules:
                self._rules[market_rule] = await self._price_steps(market_rule)
        return self._rules[market_rule]

    async def _details(self, instrument: Instrument) -> Qualified:
        """Asked for once, however many want it meanwhile."""
        asking = self._asking.get(instrument)
        if asking is None:
            asking = asyncio.ensure_future(self._choose(instrument))
            self._asking[instrument] = asking

            def asked(answer: asyncio.Future[Qualified]) -> None:
                self._asking.pop(instrument, None)
                if not answer.cancelled():
                    answer.exception()

            asking.add_done_callback(asked)
        return await asyncio.shield(asking)

    async def _choose(self, instrument: Instrument) -> Qualified:
        """The contract that has had the symbol here before, else the one that fits it.

        A company that was renamed is not found by its old ticker any more, and what is held of it
        must be sold all the same. If TWS has given that ticker to another company, nobody can say
        which of the two is meant.
        """
        exchange = describe(instrument)["exchange"]
        con_id = await self._map.contract_of(instrument.symbol)
        before: Sequence[Any] = ()
        if con_id is not None:
            before = await self._ask({"conId": con_id, "exchange": exchange})
        same = [one for one in before if not _differences(instrument, one, renamed=True)]
        if not same:
            return choose(instrument, await self._search(instrument))
        if not _differences(instrument, same[0]):
            return choose(instrument, same)
        others = await self._search(instrument)
        if others:
            raise _ambiguous(instrument, [*same, *others])
        return _qualified(instrument, same[0])

    async def _search(self, instrument: Instrument) -> Sequence[Any]:
        found = await self._ask(describe(instrument))
        if not found and instrument.asset_class is AssetClass.OPTION:
            found = await self._ask(describe(instrument, by_month=True))
        return found

    def symbol_of(self, contract: Any) -> str:
        """Our symbol for a contract that TWS names, as far as it is known without asking."""
        return self._symbols.get(contract.conId) or naming.spell(contract)

    async def learn(self, contracts: Iterable[Any], *, again: bool = False) -> None:
        """Make sure that `symbol_of` knows contracts. BrokerUnavailable.

        `again`: read those known too, since another worker may have given them another symbol.
        """
        by_id = {contract.conId: contract for contract in contracts if contract.conId}
        wanted = [con_id for con_id in by_id if again or con_id not in self._symbols]
        if not wanted:
            return
        self._symbols |= await self._map.names(wanted)
        for con_id in wanted:
            if con_id not in self._symbols:
                self._symbols[con_id] = await self._introduce(by_id[con_id])

    async def _introduce(self, contract: Any) -> str:
        """Name a contract that nobody ever asked for, by its details where TWS gives them."""
        found = await self._ask({"conId": contract.conId})
        details = next((one for one in found if one.contract.conId == contract.conId), None)
        listed = naming.listing(contract if details is None else details.contract, details)
        return await self._map.record(contract.conId, listed, ordered=False)


def _ticker(symbol: str) -> str:
    """A share's ticker as TWS writes it: BRK B."""
    return symbol.replace(".", " ")


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
        contract.symbol,
        contract.secType,
        contract.primaryExchange or contract.exchange,
        contract.currency,
        contract.tradingClass,
        contract.lastTradeDateOrContractMonth,
        contract.strike and f"{contract.strike:g}",
        contract.right,
        contract.multiplier and f"x{contract.multiplier}",
        details.longName,
        f"id {contract.conId}",
    )
    return " ".join(str(word) for word in words if word)


def _refusal(reason: str, code: str | None = None) -> BrokerRejected:
    return BrokerRejected(reason, code=code, scope=RejectionScope.TERMS)
