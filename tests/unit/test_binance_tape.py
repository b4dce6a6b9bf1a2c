"""The simulated Binance's candles and aggregate trades."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from simulators.binance.tape import INTERVALS, Candle, Print, Tape, aggregated

MINUTE = 60_000
START = 1_700_000_040_000


def _tape(*trades: tuple[int, str, str]) -> Tape:
    tape = Tape()
    for number, (time, price, quantity) in enumerate(trades, start=1):
        tape.prints.append(
            Print(number, Decimal(price), Decimal(quantity), START + time, is_buyer_maker=False)
        )
    return tape


def _prices(candle: Candle) -> str:
    return f"{candle.open} {candle.high} {candle.low} {candle.close}"


def test_candles() -> None:
    """A candle is what traded in it; where nothing did, it is flat at the last price."""
    tape = _tape((0, "10", "1"), (1000, "12", "2"), (2000, "9", "1"), (3 * MINUTE, "11", "4"))
    candles = list(tape.candles("1m", 0, START + 4 * MINUTE))
    assert [candle.open_time for candle in candles] == [START + n * MINUTE for n in range(5)]
    first, flat, _, last, _ = candles
    assert _prices(first) == "10 12 9 9"
    assert f"{first.volume} {first.quote_volume} {first.count}" == "4 43 3"
    assert first.close_time == START + MINUTE - 1
    assert _prices(flat) == "9 9 9 9"
    assert (flat.volume, flat.count) == (Decimal(0), 0)
    assert _prices(last) == "11 11 11 11"
    assert last.volume == 4


def test_range() -> None:
    """Only candles that open within the range; none before the first trade."""
    tape = _tape((0, "10", "1"), (5 * MINUTE, "11", "1"))
    chosen = tape.candles("1m", START + MINUTE, START + 2 * MINUTE)
    assert [candle.open_time for candle in chosen] == [START + MINUTE, START + 2 * MINUTE]
    assert list(Tape().candles("1m", 0, START)) == []


@pytest.mark.parametrize(
    ("interval", "opens", "closes"),
    [
        ("1s", "2024-02-29T13:37:42", "2024-02-29T13:37:43"),
        ("5m", "2024-02-29T13:35:00", "2024-02-29T13:40:00"),
        ("4h", "2024-02-29T12:00:00", "2024-02-29T16:00:00"),
        ("1d", "2024-02-29T00:00:00", "2024-03-01T00:00:00"),
        ("1w", "2024-02-26T00:00:00", "2024-03-04T00:00:00"),
        ("1M", "2024-02-01T00:00:00", "2024-03-01T00:00:00"),
    ],
)
def test_intervals(interval: str, opens: str, closes: str) -> None:
    """Candles open on their own grid: weeks on Monday, months on the first."""

    def milliseconds(text: str) -> int:
        return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1000

    time = milliseconds("2024-02-29T13:37:42") + 250
    tape = Tape()
    tape.prints.append(Print(1, Decimal(1), Decimal(1), time, is_buyer_maker=True))
    (candle,) = tape.candles(interval, 0, time)
    assert (candle.open_time, candle.close_time + 1) == (milliseconds(opens), milliseconds(closes))
    assert candle.taker_volume == 0


def test_all_intervals() -> None:
    """Every interval that Binance documents for spot."""
    assert len(INTERVALS) == 16


def test_aggregated() -> None:
    """Trades at one time and price are one aggregate."""
    tape = _tape((0, "10", "1"), (0, "10", "2"), (0, "11", "1"), (5, "11", "1"))
    groups = [[trade.trade_id for trade in group] for group in aggregated(tape.prints)]
    assert groups == [[1, 2], [3], [4]]
