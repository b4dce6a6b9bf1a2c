"""The futures we know: exchange, multiplier and currency by root.

Source: the contract specifications of CME Group (cmegroup.com), Cboe (cboe.com) and Eurex
(eurex.com). A multiplier is the money in the contract's currency that one point of its quoted
price is worth. Grains and livestock are quoted in US cents: ZC is 5,000 bushels, quoted in cents a
bushel, so a point is worth 50 dollars. The underlying is the name under which Interactive Brokers
files the product, which asks for EUR where the exchange says 6E; its trading class is the root.

Products of one underlying that differ in size share that name: DAX is FDAX (EUR 25 a point), FDXM
(EUR 5) and FDXS (EUR 1); ESTX50 is FESX (EUR 10) and FSXE (EUR 1); SI is SI (5,000 ounces) and SIL
(1,000). Sources of these: eurex.com, "DAX Futures" and "EURO STOXX 50 Index Futures", contract
values; cmegroup.com, "Micro Gold and Micro Silver Futures" (read in November 2026). How Interactive
Brokers files them: error 200 "you must specify the multiplier or trading class" for SI, recorded at
https://github.com/QuantConnect/Lean/issues/2924, and for DAX at
https://github.com/QuantConnect/Lean.Brokerages.InteractiveBrokers/issues/161.

A contract's last trading day may lie in another month than the one it is named after: oil and gas
end in the month before, E-mini metals too, and SR3 three months later, when its reference
quarter is over.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class FutureRoot:
    """One product. `multiplier` is in `currency` per point of the quoted price.

    `ends` is how many months after its contract month a contract's last trading day lies.
    """

    exchange: str
    multiplier: Decimal
    currency: str
    underlying: str
    ends: int = 0


# root, exchange, multiplier, currency, underlying, what it is
_TABLE = """
ES   CME   50       USD ES       E-mini S&P 500
MES  CME   5        USD MES      Micro E-mini S&P 500
NQ   CME   20       USD NQ       E-mini Nasdaq-100
MNQ  CME   2        USD MNQ      Micro E-mini Nasdaq-100
RTY  CME   50       USD RTY      E-mini Russell 2000
M2K  CME   5        USD M2K      Micro E-mini Russell 2000
EMD  CME   100      USD EMD      E-mini S&P MidCap 400
NKD  CME   5        USD NKD      Nikkei 225 in dollars
YM   CBOT  5        USD YM       E-mini Dow
MYM  CBOT  0.5      USD MYM      Micro E-mini Dow
VX   CFE   1000     USD VIX      Cboe volatility index
CL   NYMEX 1000     USD CL       WTI crude oil, barrels
MCL  NYMEX 100      USD MCL      Micro WTI crude oil
QM   NYMEX 500      USD QM       E-mini WTI crude oil
NG   NYMEX 10000    USD NG       Henry Hub natural gas, MMBtu
QG   NYMEX 2500     USD QG       E-mini natural gas
RB   NYMEX 42000    USD RB       RBOB gasoline, gallons
HO   NYMEX 42000    USD HO       NY Harbor ULSD, gallons
PL   NYMEX 50       USD PL       Platinum, troy ounces
PA   NYMEX 100      USD PA       Palladium, troy ounces
GC   COMEX 100      USD GC       Gold, troy ounces
QO   COMEX 50       USD QO       E-mini gold
MGC  COMEX 10       USD MGC      Micro gold
SI   COMEX 5000     USD SI       Silver, troy ounces
QI   COMEX 2500     USD QI       E-mini silver
SIL  COMEX 1000     USD SI       Micro silver
HG   COMEX 25000    USD HG       Copper, pounds
QC   COMEX 12500    USD QC       E-mini copper
MHG  COMEX 2500     USD MHG      Micro copper
ZT   CBOT  2000     USD ZT       2-year T-note, face 200,000
ZF   CBOT  1000     USD ZF       5-year T-note, face 100,000
ZN   CBOT  1000     USD ZN       10-year T-note
TN   CBOT  1000     USD TN       Ultra 10-year T-note
ZB   CBOT  1000     USD ZB       T-bond
UB   CBOT  1000     USD UB       Ultra T-bond
SR3  CME   2500     USD SOFR3    Three-month SOFR
ZC   CBOT  50       USD ZC       Corn, 5,000 bushels in cents
ZS   CBOT  50       USD ZS       Soybeans, 5,000 bushels in cents
ZW   CBOT  50       USD ZW       Chicago wheat, 5,000 bushels in cents
KE   CBOT  50       USD KE       KC wheat, 5,000 bushels in cents
ZL   CBOT  600      USD ZL       Soybean oil, 60,000 pounds in cents
ZM   CBOT  100      USD ZM       Soybean meal, short tons in dollars
LE   CME   400      USD LE       Live cattle, 40,000 pounds in cents
HE   CME   400      USD HE       Lean hogs, 40,000 pounds in cents
GF   CME   500      USD GF       Feeder cattle, 50,000 pounds in cents
6A   CME   100000   USD AUD      Australian dollar
6B   CME   62500    USD GBP      Pound sterling
6C   CME   100000   USD CAD      Canadian dollar
6E   CME   125000   USD EUR      Euro
6J   CME   12500000 USD JPY      Yen, in dollars per yen
6M   CME   500000   USD MXP      Mexican peso
6N   CME   100000   USD NZD      New Zealand dollar
6S   CME   125000   USD CHF      Swiss franc
E7   CME   62500    USD E7       E-mini euro
J7   CME   6250000  USD J7       E-mini yen, in dollars per yen
M6A  CME   10000    USD M6A      Micro Australian dollar
M6B  CME   6250     USD M6B      Micro pound sterling
M6E  CME   12500    USD M6E      Micro euro
BTC  CME   5        USD BRR      Bitcoin
MBT  CME   0.1      USD MBT      Micro bitcoin
ETH  CME   50       USD ETHUSDRR Ether
MET  CME   0.1      USD MET      Micro ether
FESX EUREX 10       EUR ESTX50   Euro Stoxx 50
FSXE EUREX 1        EUR ESTX50   Micro Euro Stoxx 50
FDAX EUREX 25       EUR DAX      DAX
FDXM EUREX 5        EUR DAX      Mini-DAX
FDXS EUREX 1        EUR DAX      Micro-DAX
FGBL EUREX 1000     EUR GBL      Euro-Bund, face 100,000
"""


_END_IN_ANOTHER_MONTH = {
    **dict.fromkeys(("CL", "MCL", "QM", "NG", "QG", "RB", "HO", "QO", "QI", "QC"), -1),
    "SR3": 3,
}


def _roots() -> dict[str, FutureRoot]:
    rows = (line.split(maxsplit=5) for line in _TABLE.strip().splitlines())
    return {
        root: FutureRoot(
            exchange,
            Decimal(multiplier),
            currency,
            underlying,
            _END_IN_ANOTHER_MONTH.get(root, 0),
        )
        for root, exchange, multiplier, currency, underlying, _ in rows
    }


ROOTS = _roots()
