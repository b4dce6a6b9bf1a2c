"""Gives the orders and executions of a connection the symbols of their contracts.

TWS names contracts; which symbol of ours one has may have to be asked first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from execution.domain.reports import VenuePosition
from workers.adapters.ibkr.book import Book
from workers.adapters.ibkr.contracts import Contracts
from workers.adapters.ibkr.entries import Entry
from workers.adapters.ibkr.fills import Fill, decimal


async def name_all(book: Book, contracts: Contracts) -> None:
    """Name all that is in a book by the symbols as they are now. BrokerUnavailable."""
    ordered = [entry.contract for entry in book.entries() if entry.contract is not None]
    fills = list(book.fills.all())
    await contracts.learn([*ordered, *(fill.contract for fill in fills)], again=True)
    for entry in book.entries():
        _name_order(entry, contracts)
    for fill in fills:
        _name_fill(fill, contracts)


async def name(entry: Entry, contracts: Contracts) -> None:
    """Name an order and its executions; only a new contract is asked for. BrokerUnavailable."""
    if entry.contract is not None:
        await contracts.learn([entry.contract])
    _name_order(entry, contracts)
    for fill in entry.fills:
        _name_fill(fill, contracts)


async def positions(held: Sequence[Any], contracts: Contracts) -> list[VenuePosition]:
    """Positions of each account by our symbols. BrokerUnavailable.

    Without prices: IB's average cost holds multiplier and commissions.
    """
    await contracts.learn([one.contract for one in held], again=True)
    return [
        VenuePosition(
            contracts.symbol_of(one.contract), decimal(one.position), account=str(one.account)
        )
        for one in held
    ]


def _name_order(entry: Entry, contracts: Contracts) -> None:
    if entry.contract is not None:
        entry.symbol = contracts.symbol_of(entry.contract)


def _name_fill(fill: Fill, contracts: Contracts) -> None:
    symbol = contracts.symbol_of(fill.contract)
    if symbol != fill.execution.symbol:
        fill.rename(symbol)
