"""A CSV file of daily closes as readings for the backtest."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from pathlib import Path
from zoneinfo import ZoneInfo

from execution.domain.arbitrage.coins import CoinsPerShare
from execution.domain.arbitrage.prices import Price, Reading
from execution.domain.errors import ExecutionError

# A row is dated by its day; the trust's session ends at this time of it (earlier on half days,
# which changes nothing: a row's prices are one day's closes).
_CLOSE = time(16, tzinfo=ZoneInfo("America/New_York"))


@dataclass(frozen=True, slots=True)
class Columns:
    """What the columns are called; `conversion` holds dollars per unit of the spot's currency."""

    date: str = "date"
    trust: str = "gbtc_close_usd"
    spot: str = "btc_close_usd"
    coins: str = "btc_per_share"
    conversion: str | None = None

    def names(self) -> list[str]:
        """Those that the file must have."""
        names = [self.date, self.trust, self.spot, self.coins]
        return names if self.conversion is None else [*names, self.conversion]


def readings(
    path: Path, columns: Columns, *, spot_currency: str, annual_fee: Decimal
) -> list[Reading]:
    """One reading a row, oldest first.

    An empty cell is a missing price; where coins per share are missing, the last known ones serve,
    with their date. Raises ExecutionError that names line, column and value where the file cannot
    be read, lacks a column, is not in order of date or holds text for a number.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return list(_read(csv.DictReader(file), path, columns, spot_currency, annual_fee))
    except OSError as error:
        raise ExecutionError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ExecutionError(f"{path} is not UTF-8 text") from None
    except csv.Error as error:
        raise ExecutionError(f"{path} is not CSV: {error}") from None


def _read(
    rows: csv.DictReader[str], path: Path, columns: Columns, spot_currency: str, annual_fee: Decimal
) -> Iterator[Reading]:
    missing = set(columns.names()) - set(rows.fieldnames or ())
    if missing:
        raise ExecutionError(
            f"{path} has no column {', '.join(sorted(missing))}; it has "
            f"{', '.join(rows.fieldnames or ['none'])}"
        )
    coins: CoinsPerShare | None = None
    before: date | None = None
    for row in rows:
        where = f"{path}, line {rows.line_num}"
        day = _day(row[columns.date], where)
        if before is not None and day <= before:
            raise ExecutionError(f"{where}: {day} does not come after {before}")
        before = day
        at = datetime.combine(day, _CLOSE).astimezone(UTC)
        held = _number(row, columns.coins, where)
        if held is not None:
            coins = CoinsPerShare(held, day, annual_fee)
        prices = {
            name: None if value is None else Price(value, at)
            for name in (columns.trust, columns.spot, columns.conversion)
            if name is not None
            for value in (_number(row, name, where),)
        }
        yield Reading(
            interval=at,
            at=at,
            trust=prices[columns.trust],
            spot=prices[columns.spot],
            coins=coins,
            spot_currency=spot_currency,
            conversion=None if columns.conversion is None else prices[columns.conversion],
        )


def _day(text: str | None, where: str) -> date:
    try:
        return date.fromisoformat((text or "").strip())
    except ValueError:
        raise ExecutionError(f"{where}: {text!r} is not a date like 2026-01-02") from None


def _number(row: Mapping[str, str | None], column: str, where: str) -> Decimal | None:
    """A cell's number, NaN and infinity among them; None where the cell is empty."""
    text = (row[column] or "").strip()
    if not text:
        return None
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ExecutionError(f"{where}: {column} is {text!r}, which is not a number") from None
