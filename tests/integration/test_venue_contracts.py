"""Our symbols of a venue's contracts: shared by workers, one for each, and kept."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from decimal import Decimal

import pytest

from execution.domain.instruments import Listing
from execution.domain.vocabulary import AssetClass, BrokerName
from execution.store import venue_contracts
from execution.store.engine import Store

SHARE = Listing("FB", AssetClass.EQUITY, "USD", Decimal(1))


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """A migrated database."""
    with closing(Store(database_url, pool_size=4)) as store:
        yield store


def record(store: Store, contract_id: str, listing: Listing = SHARE, *, ordered: bool) -> str:
    """The symbol of a contract, as a worker records it."""
    with store.brief() as link:
        return venue_contracts.record(link, BrokerName.IBKR, contract_id, listing, ordered=ordered)


def symbols(store: Store, *contract_ids: str) -> dict[str, str]:
    """What another worker reads."""
    with store.direct() as link:
        return venue_contracts.symbols(link, BrokerName.IBKR, contract_ids)


def contract_of(store: Store, symbol: str) -> str | None:
    """The contract that has a symbol."""
    with store.direct() as link:
        return venue_contracts.contract_of(link, BrokerName.IBKR, symbol)


def renamed(symbol: str) -> Listing:
    """The same share under another ticker."""
    return Listing(symbol, SHARE.asset_class, SHARE.currency, SHARE.multiplier)


def test_a_contract_keeps_its_symbol_until_it_is_ordered_by_another(store: Store) -> None:
    """That somebody sees it under a new name changes nothing."""
    assert record(store, "1", ordered=True) == "FB"
    assert record(store, "1", renamed("META"), ordered=False) == "FB"
    assert symbols(store, "1", "2") == {"1": "FB"}
    assert record(store, "1", renamed("META"), ordered=True) == "META"
    assert symbols(store, "1") == {"1": "META"}
    assert (contract_of(store, "META"), contract_of(store, "FB")) == ("1", None)


def test_a_symbol_is_one_contracts(store: Store) -> None:
    """Who is only seen gives way; who is ordered takes it."""
    record(store, "1", ordered=True)
    assert record(store, "2", ordered=False) == "FB.2"
    assert record(store, "3", ordered=True) == "FB"
    assert symbols(store, "1", "2", "3") == {"1": "FB.1", "2": "FB.2", "3": "FB"}


def test_what_a_venue_says_of_it(store: Store) -> None:
    """Currency and multiplier, for an execution of nobody's order."""
    mini = Listing("FVSZ6", AssetClass.FUTURE, "EUR", Decimal(100))
    record(store, "7", mini, ordered=False)
    record(store, "8", Listing("BOND.8", None, "EUR", Decimal(1)), ordered=False)
    with store.transaction() as connection:
        found = venue_contracts.instrument(connection, "IBKR", "FVSZ6")
        assert found is not None
        assert (found.asset_class, found.currency, found.multiplier) == (
            AssetClass.FUTURE,
            "EUR",
            Decimal(100),
        )
        assert venue_contracts.instrument(connection, "IBKR", "BOND.8") is None
        assert venue_contracts.instrument(connection, "IBKR", "SPY") is None


def test_many_at_once(store: Store) -> None:
    """Each contract ends up with a symbol of its own, whoever comes first."""
    with ThreadPoolExecutor(4) as pool:
        names = list(pool.map(lambda one: record(store, str(one), ordered=False), range(20)))
    assert len(set(names)) == 20
    assert "FB" in names
