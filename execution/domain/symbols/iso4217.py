"""The currencies of ISO 4217 that can stand in a currency pair.

Source: list one of the ISO 4217 maintenance agency (SIX Group), published 2026-01-01. Left out are
codes that are no money one can be paid in: funds codes (CHE, CHW, CLF, COU, MXV, USN, UYI, UYW,
BOV), units of account (XAD, XBA to XBD, XDR, XSU, XUA), and the test and null codes XTS and XXX.
"""

from __future__ import annotations

_TABLE = """
AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD
CAD CDF CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS
GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW
KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR
MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR
SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX
USD UYU UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG
"""

ISO_CURRENCIES = frozenset(_TABLE.split())

# CNH, the yuan outside mainland China, has no ISO code, but it is what FX venues trade.
CURRENCIES = ISO_CURRENCIES | {"CNH"}

# Gold, silver, platinum and palladium have ISO codes, and MT4 venues quote them as pairs.
METALS = frozenset({"XAU", "XAG", "XPT", "XPD"})
