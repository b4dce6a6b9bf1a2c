"""Everybody's trades in one symbol, and the candles they make."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

_KEPT = 20_000
_SECOND = 1000
_MINUTE = 60 * _SECOND
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR
# Weeks begin on Monday; 1970 began on a Thursday.
_FIRST_MONDAY = 4 * _DAY
_LENGTHS = {
    "1s": _SECOND,
    **{f"{count}m": count * _MINUTE for count in (1, 3, 5, 15, 30)},
    **{f"{count}h": count * _HOUR for count in (1, 2, 4, 6, 8, 12)},
    "1d": _DAY,
    "3d": 3 * _DAY,
    "1w": 7 * _DAY,
}
INTERVALS = frozenset(_LENGTHS) | {"1M"}


@dataclass(frozen=True, slots=True)
class Print:
    """One trade as everybody sees it. `is_buyer_maker`: a seller came to a resting buyer."""

    trade_id: int
    price: Decimal
    quantity: Decimal
    time: int
    is_buyer_maker: bool

    @property
    def quote_quantity(self) -> Decimal:
        """Price times quantity."""
        return self.price * self.quantity


@dataclass(slots=True)
class Candle:
    """What traded within one interval; `taker_*` is what buyers took."""

    open_time: int
    close_time: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal = Decimal(0)
    quote_volume: Decimal = Decimal(0)
    count: int = 0
    taker_volume: Decimal = Decimal(0)
    taker_quote_volume: Decimal = Decimal(0)

    def add(self, trade: Print) -> None:
        """Take in one more trade; the first replaces the price that the candle began flat at."""
        if not self.count:
            self.open = self.high = self.low = trade.price
        self.high, self.low = max(self.high, trade.price), min(self.low, trade.price)
        self.close = trade.price
        self.volume += trade.quantity
        self.quote_volume += trade.quote_quantity
        self.count += 1
        if not trade.is_buyer_maker:
            self.taker_volume += trade.quantity
            self.taker_quote_volume += trade.quote_quantity


@dataclass(slots=True)
class Tape:
    """The last trades, oldest first."""

    prints: deque[Print] = field(default_factory=lambda: deque(maxlen=_KEPT))

    @property
    def last(self) -> Print | None:
        """The latest trade."""
        return self.prints[-1] if self.prints else None

    def candles(self, interval: str, start: int, end: int) -> Iterator[Candle]:
        """The candles that open from `start` to `end`, oldest first.

        Where nothing traded a candle is flat at the last price; before the first trade is none.
        """
        candle: Candle | None = None
        for trade in self.prints:
            while candle is not None and trade.time > candle.close_time:
                if start <= candle.open_time <= end:
                    yield candle
                candle = _flat(interval, candle.close_time + 1, candle.close)
            if candle is None:
                candle = _flat(interval, _open_time(interval, trade.time), trade.price)
            candle.add(trade)
        while candle is not None and candle.open_time <= end:
            if candle.open_time >= start:
                yield candle
            candle = _flat(interval, candle.close_time + 1, candle.close)

    def day(self, now: int) -> list[Print]:
        """The trades of the last 24 hours."""
        return [trade for trade in self.prints if trade.time > now - _DAY]


def aggregated(prints: Iterable[Print]) -> Iterator[list[Print]]:
    """Trades at one time, one price and of one direction together."""
    group: list[Print] = []
    for trade in prints:
        if group and _alike(group[-1]) != _alike(trade):
            yield group
            group = []
        group.append(trade)
    if group:
        yield group


def _alike(trade: Print) -> tuple[int, Decimal, bool]:
    return trade.time, trade.price, trade.is_buyer_maker


def _flat(interval: str, open_time: int, price: Decimal) -> Candle:
    close_time = _next_open(interval, open_time) - 1
    return Candle(open_time, close_time, price, price, price, price)


def _open_time(interval: str, time: int) -> int:
    if interval == "1M":
        moment = datetime.fromtimestamp(time / _SECOND, UTC)
        return _milliseconds(datetime(moment.year, moment.month, 1, tzinfo=UTC))
    offset = _FIRST_MONDAY if interval == "1w" else 0
    return time - (time - offset) % _LENGTHS[interval]


def _next_open(interval: str, open_time: int) -> int:
    if interval == "1M":
        moment = datetime.fromtimestamp(open_time / _SECOND, UTC)
        year, month = divmod(moment.year * 12 + moment.month, 12)
        return _milliseconds(datetime(year, month + 1, 1, tzinfo=UTC))
    return open_time + _LENGTHS[interval]


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp()) * _SECOND
