"""What is listed by default: shares, an index, their option chains, futures and currency pairs.

Contract ids of shares are IB's own where they are well known; the others follow from what the
contract is, so that they are the same at every start.

Fields are as TWS gives them in contracts that users recorded: SPX and SPXW options of one day and
strike share the symbol SPX (`SPXW  251128C06845000`, class SPXW), SPY and its FLEX series 2SPY the
symbol SPY (`2SPY  260717P00730000`); SI and SIL share SI, with the multipliers 5000 and 1000 (error
200, "you must specify the multiplier or trading class":
https://github.com/QuantConnect/Lean/issues/2924); FDAX, FDXM and FDXS share DAX
(https://github.com/QuantConnect/Lean.Brokerages.InteractiveBrokers/issues/161), FESX and FSXE
ESTX50; IB's own samples ask for DAX by its multiplier (ContractSamples, "FutureWithMultiplier").
How a description is matched: TWS API, "Contracts". TWS lists an option by its last trading day:
SPX, which is settled at Friday's open, by the Thursday. Sizes and ticks: the exchanges' contract
specifications.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from simulators.ib_gateway.contracts import Contract
from simulators.ib_gateway.spelling import CODES, local_symbol

SMART = ("SMART", "ARCA", "NASDAQ", "NYSE", "BATS", "IEX", "ISLAND", "EDGX", "DRCTEDGE")
_OPTION_EXCHANGES = ("SMART", "CBOE", "AMEX", "ISE", "PHLX", "BOX")
_MONTHS = "FGHJKMNQUVXZ"
_CENT = Decimal("0.01")
_OCC = re.compile(r"(\d?[A-Z]{1,6})(\d{6})([CP])(\d{8})")
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

# root, IB's symbol, exchange, currency, multiplier, magnifier, tick, months, how many, name
_FUTURES = """
ES   ES     CME   USD 50     1   0.25    HMUZ         6  E-mini S&P 500
MES  MES    CME   USD 5      1   0.25    HMUZ         6  Micro E-Mini S&P 500 Stock Price Index
NQ   NQ     CME   USD 20     1   0.25    HMUZ         6  E-mini NASDAQ 100
MNQ  MNQ    CME   USD 2      1   0.25    HMUZ         6  Micro E-Mini Nasdaq-100 Index
6E   EUR    CME   USD 125000 1   0.00005 HMUZ         6  European Monetary Union Euro
CL   CL     NYMEX USD 1000   1   0.01    FGHJKMNQUVXZ 18 Light Sweet Crude Oil
GC   GC     COMEX USD 100    1   0.1     GJMQVZ       9  Gold
SI   SI     COMEX USD 5000   1   0.005   HKNUZ        9  Silver
SIL  SI     COMEX USD 1000   1   0.005   FHKNUZ       9  Micro Silver
ZC   ZC     CBOT  USD 5000   100 0.25    HKNUZ        9  Corn Futures
FDAX DAX    EUREX EUR 25     1   1       HMUZ         6  DAX 40 Index (Deutsche Aktien Xchange 40)
FDXM DAX    EUREX EUR 5      1   1       HMUZ         6  Mini DAX 40 Index
FDXS DAX    EUREX EUR 1      1   1       HMUZ         3  Micro DAX 40 Index
FESX ESTX50 EUREX EUR 10     1   1       HMUZ         6  Dow Jones Euro STOXX50
FSXE ESTX50 EUREX EUR 1      1   0.5     HMUZ         3  Micro EURO STOXX 50
FGBL GBL    EUREX EUR 1000   1   0.01    HMUZ         3  Euro Bund (10 Year Bond)
"""

# Classes of options whose name is not their underlying's ticker.
CLASSES = {"SPXW": "SPX"}
# What has options and is no share: symbol, contract id, exchange, name, classes, strikes.
_INDEX = ("SPX", 416904, "CBOE", "S&P 500 Stock Index", ("SPX", "SPXW"), range(1000, 12050, 50))
_WEEKS = 6

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
    steps = {"0.25": 67, "0.01": 26, "0.1": 239, "0.00005": 59, "0.005": 161, "1": 36, "0.5": 28}
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


def index() -> Contract:
    """The index that options are listed on; it is not traded itself."""
    symbol, con_id, exchange, name, *_ = _INDEX
    return Contract(
        con_id=con_id,
        symbol=symbol,
        sec_type="IND",
        ticker=symbol,
        local_symbol=symbol,
        trading_class=symbol,
        exchanges=(exchange,),
        primary_exchange="",
        currency="USD",
        name=name,
        min_tick=_CENT,
        market_rule=26,
        hours="US options",
    )


def option(
    underlying: Contract, expiry: str, strike: Decimal, right: str, root: str = ""
) -> Contract:
    """One option of a chain, of 100 of its underlying, in the class `root`.

    `expiry` is the day that its OCC symbol names. The class of the index itself is settled at that
    day's open and traded for the last time on the day before.
    """
    root = root or underlying.symbol.replace(" ", "")
    last = date.fromisoformat(expiry)
    if underlying.sec_type == "IND" and root == underlying.symbol:
        last -= timedelta(days=1)
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
        expiry=f"{last:%Y%m%d}",
        strike=strike,
        right=right,
        multiplier="100",
        under_con_id=underlying.con_id,
        under_symbol=underlying.symbol,
        under_sec_type=underlying.sec_type,
        expires=expiry,
        month=expiry[:6],
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


def strikes(underlying: Contract) -> list[Decimal]:
    """The strikes of a chain: of shares from 5 to 1200, five dollars apart."""
    listed_at = _INDEX[5] if underlying.sec_type == "IND" else range(5, 1205, 5)
    return [Decimal(strike) for strike in listed_at]


def chain(underlying: Contract, today: date, expiry: str = "") -> Iterator[Contract]:
    """An option chain, or as much of it as ends in the given year, month or day."""
    for root, day in series(underlying, today):
        for strike in strikes(underlying):
            ends = option(underlying, day, strike, "C", root)
            if not (ends.expiry.startswith(expiry) or ends.contract_month.startswith(expiry)):
                break
            yield ends
            yield option(underlying, day, strike, "P", root)


def series(underlying: Contract, today: date) -> list[tuple[str, str]]:
    """Class and day of every series: of the index each month in both classes, and weekly."""
    months = expirations(today)
    if underlying.sec_type != "IND":
        return [("", day) for day in months]
    friday = today + timedelta(days=(_FRIDAY - today.weekday()) % 7)
    weeks = [f"{friday + timedelta(weeks=week):%Y%m%d}" for week in range(_WEEKS)]
    settled_at_close = sorted({*months, *weeks})
    at_open, at_close = _INDEX[4]
    return [(at_open, day) for day in months] + [(at_close, day) for day in settled_at_close]


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


def listed(today: date, local_symbols: str = CODES) -> Iterator[Contract]:
    """Everything that is listed by default, but for options: they are many."""
    for line in _SHARES.strip().splitlines():
        ticker, con_id, listed_at, kind, name = line.split(maxsplit=4)
        yield share(ticker, listed_at, name, con_id=int(con_id), stock_type=kind)
    for listed_at, trading_class, name in _NAMESAKES:
        yield share("DUAL", listed_at, name, trading_class=trading_class)
    for base in ("EUR", "GBP"):
        yield pair(base, "USD")
    yield index()
    yield from _futures(today, local_symbols)


def _futures(today: date, local_symbols: str) -> Iterator[Contract]:
    for line in _FUTURES.strip().splitlines():
        root, symbol, exchange, currency, multiplier, magnifier, *rest = line.split(maxsplit=9)
        tick, months, count, name = rest
        ahead = (divmod(today.year * 12 + today.month - 1 + offset, 12) for offset in range(9 * 12))
        named = [(year, month + 1) for year, month in ahead if _MONTHS[month] in months]
        ends = [(year, month, last_day(root, year, month)) for year, month in named]
        for year, month, end in [item for item in ends if item[2] >= today][: int(count)]:
            named_after = f"{year}{month:02d}"
            yield Contract(
                con_id=derived_id(f"{root}{named_after}"),
                symbol=symbol,
                sec_type="FUT",
                ticker=f"{root}{_MONTHS[month - 1]}{year % 10}",
                local_symbol=local_symbol(local_symbols, root, exchange, named_after, end),
                trading_class=root,
                exchanges=(exchange,),
                primary_exchange="",
                currency=currency,
                name=name,
                min_tick=Decimal(tick),
                market_rule=_RULE_OF[Decimal(tick)],
                hours="Eurex" if exchange == "EUREX" else "Globex",
                expiry=f"{end:%Y%m%d}",
                multiplier=multiplier,
                under_con_id=derived_id(f"{root} index"),
                under_symbol=symbol,
                under_sec_type="IND",
                month=named_after,
                magnifier=int(magnifier),
            )


def last_day(root: str, year: int, month: int) -> date:
    """The last trading day of a future, weekends counted and holidays not."""
    if root == "CL":
        before = date(year - (month == 1), (month - 2) % 12 + 1, 25)
        return _weekdays_before(before, 3 if before.weekday() <= _FRIDAY else 4)
    if root in {"GC", "SI", "SIL"}:
        following = date(year + month // 12, month % 12 + 1, 1)
        return _weekdays_before(following, 3)
    if root == "ZC":
        return _weekdays_before(date(year, month, 15), 1)
    if root == "FGBL":
        return _weekdays_before(date(year, month, 10), 2)
    return third_friday(year, month) - timedelta(days=4 if root == "6E" else 0)


def _weekdays_before(day: date, count: int) -> date:
    while count:
        day -= timedelta(days=1)
        count -= day.weekday() <= _FRIDAY
    return day
