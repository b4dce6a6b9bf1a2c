"""The crypto assets we know by code, and what they are quoted in.

Written by hand after what trades on Binance's spot market (its GET /api/v3/exchangeInfo tells all
of it). It need not be complete: it serves to read BTCUSDT without a separator, to tell BTC-USD from
a currency pair, and to see that a plain BTC may not mean a share. An asset that is not in it can be
written with its separator. Codes of one letter are left out, or GBTC would be G against bitcoin.
"""

from __future__ import annotations

# A separated pair in one of these is crypto, whatever its base.
CRYPTO_QUOTES = frozenset({"USDT", "USDC", "FDUSD", "TUSD", "USD1", "DAI", "BTC", "ETH", "BNB"})

# Money proper: a pair in one of these is crypto only with a base that is known to be.
FIAT_QUOTES = frozenset(
    {"ARS", "AUD", "BRL", "COP", "CZK", "EUR", "GBP", "JPY", "MXN", "PLN", "RON", "TRY", "UAH"}
    | {"USD", "ZAR"}
)

# Money that is itself traded against crypto quotes (EUR-USDT).
FIAT_BASES = frozenset({"EUR", "GBP", "AUD"})

_TABLE = """
1000SATS 1INCH AAVE ADA ALGO APE APT AR ARB ASTER ATOM AVAX AXS BAT BCH BONK CAKE CFX CHZ COMP
CRV DASH DEXE DOGE DOT DYDX EGLD ENA ENJ ENS ETC ETHFI FET FIL FLOKI FLOW FTM GALA GRT HBAR ICP
ICX IMX INJ IOST IOTA JASMY JTO JUP KAVA KSM LDO LINK LRC LTC LUNA LUNC MANA MASK MATIC MEME
MINA MKR NEAR NEO NOT OM ONDO ONE ONT OP ORDI PAXG PENDLE PENGU PEPE POL PYTH QNT QTUM RAY
RENDER ROSE RSR RUNE RVN SAND SEI SHIB SKY SNX SOL STRK STX SUI SUSHI SXP TAO THETA TIA TON
TRUMP TRX TWT UNI VET VIRTUAL WBETH WBTC WIF WLD WLFI WOO XEC XLM XMR XRP XTZ YFI ZEC ZEN ZIL
ZRO ZRX
"""

# With what others are quoted in, for USDT and BTC are traded themselves.
ASSETS = CRYPTO_QUOTES | frozenset(_TABLE.split())
