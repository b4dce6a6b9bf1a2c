"""Every contract there is, found by id, by ticker or by description."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from datetime import date
from decimal import Decimal
from typing import Any

from simulators.decimals import parse_decimal, plain
from simulators.ib_gateway.codes import AMBIGUOUS, INVALID, NO_CONTRACT
from simulators.ib_gateway.contracts import Contract, Description
from simulators.ib_gateway.listings import (
    CLASSES,
    chain,
    derived_id,
    listed,
    option,
    read_option,
    series,
    share,
    strikes,
)
from simulators.ib_gateway.spelling import CODES

SEC_TYPES = frozenset({"STK", "OPT", "FUT", "CASH"})
_KNOWN_TYPES = SEC_TYPES | {"IND", "FOP", "BAG", "BOND", "CFD", "CMDTY", "FUND", "WAR", "CRYPTO"}
_KNOWN_TYPES |= {"CONTFUT", "NEWS"}


class Catalogue:
    """The contracts of one gateway. Chains are listed when somebody first asks for one.

    `on_listed` hears of each chain, so that whoever knows a contract's id only finds it again.
    """

    def __init__(self, today: date, local_symbols: str = CODES) -> None:
        self.today = today
        self.on_listed: Callable[[str, str], None] = lambda *_: None
        self._by_id: dict[int, Contract] = {}
        self._by_ticker: dict[str, Contract] = {}
        self._by_symbol: dict[str, dict[int, Contract]] = {}
        self._chains: set[tuple[str, str]] = set()
        for contract in listed(today, local_symbols):
            self.add(contract)

    def add(self, contract: Contract) -> Contract:
        """List a contract, in place of one of the same id. The first keeps a shared ticker."""
        before = self._by_id.get(contract.con_id)
        if before == contract:
            return contract
        if before is not None:
            del self._by_symbol[before.symbol][contract.con_id]
            for ticker in [name for name, one in self._by_ticker.items() if one is before]:
                self._by_ticker[ticker] = contract
        self._by_id[contract.con_id] = contract
        self._by_ticker.setdefault(contract.ticker, contract)
        if contract.sec_type == "STK":
            self._by_ticker.setdefault(contract.symbol.replace(" ", "."), contract)
        self._by_symbol.setdefault(contract.symbol, {})[contract.con_id] = contract
        return contract

    def by_id(self, con_id: int) -> Contract | None:
        """The contract of that id."""
        return self._by_id.get(con_id)

    def by_ticker(self, ticker: str) -> Contract:
        """The contract that the control port calls so; a new share or option is listed for it.

        ValueError when nothing can be called so.
        """
        if ticker not in self._by_ticker:
            self.add(self._imagine(ticker))
        return self._by_ticker[ticker]

    def rename(self, ticker: str, symbol: str) -> list[Contract]:
        """A company gets another ticker, and its options with it; ids and our ticker stay.

        The changed contracts. KeyError when nothing is called so.
        """
        share = self._by_ticker[ticker]
        new = symbol.replace(".", " ")
        changed = [replace(share, symbol=new, local_symbol=new, trading_class=new)]
        for contract in list(self._by_id.values()):
            if contract.under_con_id == share.con_id:
                root = symbol.replace(".", "")
                local = root.ljust(6) + contract.local_symbol[6:]
                changed.append(
                    replace(
                        contract,
                        symbol=new,
                        under_symbol=new,
                        trading_class=root,
                        local_symbol=local,
                    )
                )
        self._chains |= {(new, expiry) for named, expiry in self._chains if named == share.symbol}
        return [self.add(contract) for contract in changed]

    def find(self, said: Description) -> list[Contract]:
        """Every contract that fits, expired ones left out. Refusal when none could."""
        if said.sec_type and said.sec_type not in _KNOWN_TYPES:
            raise INVALID.refusal("bD", "Please enter a valid security type")
        if not (said.con_id or said.symbol or said.local_symbol):
            raise INVALID.refusal("bD", "Please enter a local symbol or a symbol")
        self.list_chain(said.symbol, said.expiry, said.sec_type)
        if said.con_id:
            known = self._by_id.get(said.con_id)
            candidates = [known] if known else []
        else:
            candidates = self._candidates(said)
        return [
            contract
            for contract in candidates
            if said.fits(contract) and not contract.expired(self.today)
        ]

    def one(self, said: Description) -> Contract:
        """The contract that is meant. Refusal 200 when none fits, or several do."""
        found = self.find(said)
        if not found:
            raise NO_CONTRACT.refusal()
        if len(found) > 1:
            raise AMBIGUOUS.refusal(said.symbol or said.local_symbol)
        return found[0]

    def namesake(self, contract: Contract) -> Contract:
        """Another contract of that description, listed elsewhere."""
        exchange = "NYSE" if contract.primary_exchange != "NYSE" else "AMEX"
        return replace(
            contract,
            con_id=derived_id(f"{contract.local_symbol}@{exchange} again"),
            primary_exchange=exchange,
            name=f"{contract.name} (ANOTHER)",
        )

    def list_chain(self, symbol: str, expiry: str, sec_type: str = "OPT") -> None:
        """List the options of a symbol that end in a year, month or day, unless they are."""
        listed_by = {(symbol, expiry[:length]) for length in range(9)}
        if sec_type != "OPT" or listed_by & self._chains:
            return
        self._chains.add((symbol, expiry))
        for underlying in list(self._by_symbol.get(symbol, {}).values()):
            if underlying.sec_type in {"STK", "IND"}:
                for contract in chain(underlying, self.today, expiry):
                    self.add(contract)
        self.on_listed(symbol, expiry)

    def series(self, underlying: Contract) -> dict[str, list[str]]:
        """The last trading days of listed options by their class."""
        found: dict[str, list[str]] = {}
        (strike, *_) = strikes(underlying)
        for root, day in series(underlying, self.today):
            listed = option(underlying, day, strike, "C", root)
            found.setdefault(listed.trading_class, []).append(listed.expiry)
        return found

    def matching(self, pattern: str) -> list[Contract]:
        """Shares and pairs whose symbol begins with `pattern` or whose name has it."""
        wanted = pattern.upper()
        return [
            contract
            for contract in self._by_id.values()
            if contract.sec_type in {"STK", "CASH"}
            and (contract.symbol.startswith(wanted) or wanted in contract.name)
        ][:16]

    def _candidates(self, said: Description) -> list[Contract]:
        if said.symbol:
            return list(self._by_symbol.get(said.symbol, {}).values())
        ticker = said.local_symbol.replace(" ", "")
        parts = read_option(ticker)
        if parts:
            root, expiry, *_ = parts
            symbol = self._underlying(root).symbol
            self.list_chain(symbol, expiry)
        return list(self._by_id.values())

    def _underlying(self, root: str) -> Contract:
        """What a chain is of: BRKB of BRK B, SPXW of SPX, the FLEX series 2SPY of SPY."""
        standard = root.lstrip("0123456789")
        standard = CLASSES.get(standard, standard)
        for contract in self._by_id.values():
            if contract.sec_type in {"STK", "IND"} and contract.symbol.replace(" ", "") == standard:
                return contract
        return self.by_ticker(standard)

    def _imagine(self, ticker: str) -> Contract:
        """A contract for a ticker that nothing has: an option off the chain, or a share."""
        parts = read_option(ticker)
        if parts:
            root, expiry, strike, right = parts
            return option(self._underlying(root), expiry, strike, right, root)
        if not ticker.replace(".", "").isalpha() or ticker != ticker.upper():
            raise ValueError(f"there is no contract called {ticker!r}; POST /contracts lists one")
        return share(ticker)


def as_json(contract: Contract) -> dict[str, Any]:
    """A contract for the journal."""
    return {
        item.name: plain(value) if isinstance(value, Decimal) else value
        for item in fields(contract)
        for value in (getattr(contract, item.name),)
    }


def from_json(data: Mapping[str, Any]) -> Contract:
    """The contract that `as_json` wrote. ValueError when a field is missing or wrong."""
    values = dict(data)
    for name in ("min_tick", "strike"):
        values[name] = parse_decimal(values[name], name)
    values["exchanges"] = tuple(values["exchanges"])
    return Contract(**values)
