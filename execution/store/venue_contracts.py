"""`venue_contracts`: which symbol of ours each contract of a venue has, for every worker.

Where a venue knows contracts by numbers of its own and spells them in changing ways, the number is
what a position or an execution is recognised by.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, text

from execution.domain.instruments import Instrument, Listing
from execution.domain.vocabulary import AssetClass, BrokerName
from execution.store.statements import Link, Prepared

_LOCK = Prepared("SELECT pg_advisory_xact_lock(hashtextextended('venue_contracts', 0))")
_GIVE_WAY = Prepared(
    """
    UPDATE venue_contracts SET symbol = symbol || '.' || contract_id, named_at = clock_timestamp()
    WHERE broker = :broker AND symbol = :symbol AND contract_id <> :contract_id
    """
)
_ASKED_FOR = Prepared(
    """
    INSERT INTO venue_contracts AS c (broker, contract_id, symbol, asset_class, currency,
        multiplier)
    VALUES (:broker, :contract_id, :symbol, :asset_class, :currency, :multiplier)
    ON CONFLICT (broker, contract_id) DO UPDATE SET symbol = excluded.symbol,
        asset_class = excluded.asset_class, currency = excluded.currency,
        multiplier = excluded.multiplier, named_at = clock_timestamp()
        WHERE (c.symbol, c.asset_class, c.currency, c.multiplier) IS DISTINCT FROM
            (excluded.symbol, excluded.asset_class, excluded.currency, excluded.multiplier)
    """
)
_SEEN = Prepared(
    """
    INSERT INTO venue_contracts (broker, contract_id, symbol, asset_class, currency, multiplier)
    SELECT CAST(:broker AS text), CAST(:contract_id AS text),
        CAST(:symbol AS text) || CASE WHEN EXISTS (SELECT FROM venue_contracts
                WHERE broker = :broker AND symbol = :symbol)
            THEN '.' || :contract_id ELSE '' END,
        CAST(:asset_class AS text), CAST(:currency AS text), CAST(:multiplier AS numeric)
    ON CONFLICT (broker, contract_id) DO NOTHING
    """
)
_SYMBOLS = Prepared(
    """
    SELECT contract_id, symbol FROM venue_contracts
    WHERE broker = :broker AND contract_id = ANY(:contract_ids)
    """
)

_CONTRACT = Prepared(
    "SELECT contract_id FROM venue_contracts WHERE broker = :broker AND symbol = :symbol"
)


def symbols(link: Link, broker: BrokerName, contract_ids: Iterable[str]) -> dict[str, str]:
    """The symbols of those contracts that are known, by contract id."""
    rows = _SYMBOLS.run(link, {"broker": broker, "contract_ids": list(contract_ids)})
    return {row.contract_id: row.symbol for row in rows}


def contract_of(link: Link, broker: BrokerName, symbol: str) -> str | None:
    """The id of the contract that has a symbol; None when none has it."""
    row = _CONTRACT.one(link, {"broker": broker, "symbol": symbol})
    return None if row is None else str(row.contract_id)


def record(
    link: Link, broker: BrokerName, contract_id: str, listing: Listing, *, ordered: bool
) -> str:
    """Remember a contract, and give the symbol that it has from now on. In one transaction.

    `ordered`: the contract was asked for by this symbol, which is then its own; another contract
    that had it (a ticker given to another company) is told apart by its id. Else a known contract
    keeps its symbol, and a new one gives way to whoever has that already.
    """
    values = {
        "broker": broker,
        "contract_id": contract_id,
        "symbol": listing.symbol,
        "asset_class": listing.asset_class,
        "currency": listing.currency,
        "multiplier": listing.multiplier,
    }
    _LOCK.run(link, {})
    if ordered:
        _GIVE_WAY.run(link, values)
        _ASKED_FOR.run(link, values)
        return listing.symbol
    _SEEN.run(link, values)
    return symbols(link, broker, [contract_id])[contract_id]


def instrument(connection: Connection, broker: str, symbol: str) -> Instrument | None:
    """What a venue says of the contract that has a symbol; None where it has said nothing."""
    row = connection.execute(
        text(
            """
            SELECT asset_class, currency, multiplier FROM venue_contracts
            WHERE broker = :broker AND symbol = :symbol AND asset_class IS NOT NULL
            """
        ),
        {"broker": broker, "symbol": symbol},
    ).one_or_none()
    if row is None:
        return None
    return Instrument(symbol, AssetClass(row.asset_class), row.currency, row.multiplier)
