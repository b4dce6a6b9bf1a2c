"""What is listed by default: shares, their option chains, futures and currency pairs.

Contract ids of shares are IB's own where they are well known; the others follow from the local
symbol, so that they are the same at every start.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from simulators.ib_gateway.contracts import Contract

SMART = ("SMART", "ARCA", "NASDAQ", "NYSE", "BATS", "IEX", "ISLAND", "EDGX", "DRCTEDGE")
_OPTION_EXCHANGES = ("SMART", "CBOE", "AMEX", "ISE", "PHLX", "BOX")
_MONTHS = "FGHJKMNQUVXZ"
_CENT = Decimal("0.01")
_OCC = re.compile(r"([A-Z]{1,6})(\d{6})([CP])(\d{8})")
_FRIDAY = 4
# For so many months ahead there is an expiration in each.
_EVERY_MONTH = 12
# The market rule of options that trade in five cents from three dollars on.
_NICKELS = 110

# symbol, contract id, listed at, kind, name
_SHARES = """
SPY   756733    ARCA   ETF    SPDR S&P 500 ETF TRUST
QQQ   320227571 NASDAQ ETF    INVESCO QQQ TRUST SERIES 1
IWM   9579970   ARCA   ETF    ISHARES RUSSELL 2000 ETF
DIA   73128548  ARCA   ETF    SPDR DJIA TRUST
GLD   51529211  ARCA   ETF    SPDR GOLD SHARES
TLT   15547841  NASDAQ ETF    ISHARES 20+ YEAR TREASURY BD
GBTC  0         ARCA   ETF    GRAYSCALE BITCOIN TRUST ETF
IBIT  0         NASDAQ ETF    ISHARES BITCOIN TRUST ETF
AAPL  265598    NASDAQ COMMON APPLE INC
MSFT  272093    NASDAQ COMMON MICROSOFT CORP
NVDA  4815747   NASDAQ COMMON NVIDIA CORP
AMZN  3691937   NASDAQ COMMON AMAZON.COM INC
GOOGL 208813719 NASDAQ COMMON ALPHABET INC-CL A
META  107113386 NASDAQ COMMON META PLATFORMS INC-CLASS A
TSLA  76792991  NASDAQ COMMON TESLA INC
JPM   1520593   NYSE   COMMON JPMORGAN CHASE & CO
KO    8894      NYSE   COMMON COCA-COLA CO/THE
BRK.B 0         NYSE   COMMON BERKSHIRE HATHAWAY INC-CL B
"""

# root, IB's symbol, exchange, multiplier, tick, months, contracts ahead, name
_FUTURES = """
ES  ES  CME   50     0.25    HMUZ         6  E-mini S&P 500
MES MES CME   5      0.25    HMUZ         6  Micro E-Mini S&P 500 Stock Price Index
NQ  NQ  CME   20     0.25    HMUZ         6  E-mini NASDAQ 100
MNQ MNQ CME   2      0.25    HMUZ         6  Micro E-Mini Nasdaq-100 Index
6E  EUR CME   125000 0.00005 HMUZ         6  European Monetary Union Euro
CL  CL  NYMEX 1000   0.01    FGHJKMNQUVXZ 18 Light Sweet Crude Oil
GC  GC  COMEX 100    0.1     GJMQVZ       9  Gold
"""

# Two companies of one symbol: whoever says no more than the symbol means neither.
_NAMESAKES = (("NASDAQ", "NMS", "DUAL SYSTEMS INC"), ("NYSE", "DUAL", "DUAL HOLDINGS CORP"))


@dataclass(frozen=True, slots=True)
class Rule:
    """From which price on which increment holds, lowest price first."""

    rule_id: int
    increments: tuple[tuple[Decimal, Decimal], ...]

    def increment(self, price: Decimal) -> Decimal:
        """What a price must be a multiple of."""
        fitting = [step for edge, step in self.increments if abs(price) >= edge]
        return fitting[-1] if fitting else self.increments[0][1]


def _rules() -> dict[int, Rule]:
    steps = {"0.25": 67, "0.01": 26, "0.1": 239, "0.00005": 59}
    rules = {number: Rule(number, ((Decimal(0), Decimal(step)),)) for step, number in steps.items()}
    nickel = ((Decimal(0), _CENT), (Decimal(3), Decimal("0.05")))
    return rules | {_NICKELS: Rule(_NICKELS, nickel)}


RULES = _rules()
_RULE_OF = {rule.increments[0][1]: number for number, rule in RULES.items() if number != _NICKELS}


def derived_id(local_symbol: str) -> int:
    """A contract id that follows from the symbol alone."""
    return 400_000_000 + zlib.crc32(local_symbol.encode()) % 1_600_000_000


def third_friday(year: int, month: int) -> date:
    """The day on which listed options and equity index futures of a month end."""
    first = date(year, month, 1)
    return first + timedelta(days=(_FRIDAY - first.weekday()) % 7 + 14)


def share(
    ticker: str,
    listed_at: str = "NASDAQ",
    name: str = "",
    *,
    con_id: int = 0,
    trading_class: str = "",
    currency: str = "USD",
    stock_type: str = "COMMON",
) -> Contract:
    """A share or fund; BRK.B is "BRK B" here."""
    symbol = ticker.replace(".", " ")
    return Contract(
        con_id=con_id or derived_id(f"{symbol}@{listed_at}"),
        symbol=symbol,
        sec_type="STK",
        ticker=ticker,
        local_symbol=symbol,
        trading_class=trading_class or ("NMS" if listed_at == "NASDAQ" else symbol),
        exchanges=SMART if listed_at in SMART else (*SMART, listed_at),
        primary_exchange=listed_at,
        currency=currency,
        name=name or f"{symbol} INC",
        min_tick=_CENT,
        market_rule=26,
        hours="US shares",
        stock_type=stock_type,
    )


def option(underlying: Contract, expiry: str, strike: Decimal, right: str) -> Contract:
    """One option of a share's chain; 100 shares."""
    root = underlying.symbol.replace(" ", "")
    tail = f"{expiry[2:]}{right}{int(strike * 1000):08d}"
    pennies = underlying.stock_type == "ETF"
    return Contract(
        con_id=derived_id(f"{root:6}{tail}"),
        symbol=underlying.symbol,
        sec_type="OPT",
        ticker=f"{root}{tail}",
        local_symbol=f"{root:6}{tail}",
        trading_class=root,
        exchanges=_OPTION_EXCHANGES,
        primary_exchange="",
        currency=underlying.currency,
        name=underlying.name,
        min_tick=_CENT,
        market_rule=26 if pennies else _NICKELS,
        hours="US options",
        expiry=expiry,
        strike=strike,
        right=right,
        multiplier="100",
        under_con_id=underlying.con_id,
        under_symbol=underlying.symbol,
        under_sec_type="STK",
    )


def expirations(today: date) -> list[str]:
    """The third Fridays of the next twelve months, and of June and December for two years more."""
    days = []
    for ahead in range(37):
        year, month = divmod(today.year * 12 + today.month - 1 + ahead, 12)
        day = third_friday(year, month + 1)
        if day >= today and (ahead <= _EVERY_MONTH or month + 1 in {6, 12}):
            days.append(f"{day:%Y%m%d}")
    return days


def strikes() -> list[Decimal]:
    """The strikes of every chain: from 5 to 1200, five dollars apart."""
    return [Decimal(strike) for strike in range(5, 1205, 5)]


def chain(underlying: Contract, today: date, expiry: str = "") -> Iterator[Contract]:
    """The option chain of a share, or as much of it as ends in the given year, month or day."""
    for day in expirations(today):
        if day.startswith(expiry):
            for strike in strikes():
                for right in "CP":
                    yield option(underlying, day, strike, right)


def read_option(ticker: str) -> tuple[str, str, Decimal, str] | None:
    """Root, expiry, strike and right of an OCC symbol without padding; None for anything else."""
    match = _OCC.fullmatch(ticker)
    if match is None:
        return None
    root, day, right, thousandths = match.groups()
    return root, f"20{day}", Decimal(thousandths) / 1000, right


def pair(base: str, quote: str) -> Contract:
    """A currency pair at IDEALPRO."""
    return Contract(
        con_id=derived_id(f"{base}.{quote}"),
        symbol=base,
        sec_type="CASH",
        ticker=f"{base}{quote}",
        local_symbol=f"{base}.{quote}",
        trading_class=f"{base}.{quote}",
        exchanges=("IDEALPRO",),
        primary_exchange="",
        currency=quote,
        name=f"{base}.{quote}",
        min_tick=Decimal("0.00005"),
        market_rule=59,
        hours="currencies",
    )


def listed(today: date) -> Iterator[Contract]:
    """Everything that is listed by default, but for options: they are many."""
    for line in _SHARES.strip().splitlines():
        ticker, con_id, listed_at, kind, name = line.split(maxsplit=4)
        yield share(ticker, listed_at, name, con_id=int(con_id), stock_type=kind)
    for listed_at, trading_class, name in _NAMESAKES:
        yield share("DUAL", listed_at, name, trading_class=trading_class)
    for base in ("EUR", "GBP"):
        yield pair(base, "USD")
    yield from _futures(today)


def _futures(today: date) -> Iterator[Contract]:
    for line in _FUTURES.strip().splitlines():
        root, symbol, exchange, multiplier, tick, months, count, name = line.split(maxsplit=7)
        ahead = (divmod(today.year * 12 + today.month - 1 + offset, 12) for offset in range(9 * 12))
        named = [(year, month + 1) for year, month in ahead if _MONTHS[month] in months]
        ends = [(year, month, last_day(root, year, month)) for year, month in named]
        for year, month, end in [item for item in ends if item[2] >= today][: int(count)]:
            code = f"{root}{_MONTHS[month - 1]}{year % 10}"
            yield Contract(
                con_id=derived_id(f"{root}{year}{month:02d}"),
                symbol=symbol,
                sec_type="FUT",
                ticker=code,
                local_symbol=code,
                trading_class=root,
                exchanges=(exchange,),
                primary_exchange="",
                currency="USD",
                name=name,
                min_tick=Decimal(tick),
                market_rule=_RULE_OF[Decimal(tick)],
                hours="Globex",
                expiry=f"{end:%Y%m%d}",
                multiplier=multiplier,
                under_con_id=derived_id(f"{root} index"),
                under_symbol=symbol,
                under_sec_type="IND",
            )


def last_day(root: str, year: int, month: int) -> date:
    """The last trading day of a future, weekends counted and holidays not."""
    if root == "CL":
        before = date(year - (month == 1), (month - 2) % 12 + 1, 25)
        return _weekdays_before(before, 3 if before.weekday() <= _FRIDAY else 4)
    if root == "GC":
        following = date(year + month // 12, month % 12 + 1, 1)
        return _weekdays_before(following, 3)
    return third_friday(year, month) - timedelta(days=4 if root == "6E" else 0)


def _weekdays_before(day: date, count: int) -> date:
    while count:
        day -= timedelta(days=1)
        count -= day.weekday() <= _FRIDAY
    return day
