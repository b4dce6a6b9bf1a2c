"""What each ticker maps to, what is refused and in which words."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from execution.domain.errors import ConfigurationError, RequestRefused, UnknownSymbol
from execution.domain.instruments import Instrument
from execution.domain.mapping import ExchangeMapper, SymbolOverride
from execution.domain.symbols.crypto_assets import ASSETS, CRYPTO_QUOTES, FIAT_BASES, FIAT_QUOTES
from execution.domain.symbols.future import MONTH_CODES
from execution.domain.symbols.future_roots import ROOTS
from execution.domain.symbols.iso4217 import CURRENCIES, ISO_CURRENCIES, METALS
from execution.domain.vocabulary import AssetClass

EQUITY, OPTION, FUTURE = AssetClass.EQUITY, AssetClass.OPTION, AssetClass.FUTURE
FX, CRYPTO = AssetClass.FX, AssetClass.CRYPTO
TODAY = date(2026, 9, 15)
MAPPER = ExchangeMapper()


def mapped(symbol: str, asset_class: AssetClass | None = None, on: date = TODAY) -> Instrument:
    """Map by the rules alone."""
    return MAPPER.map(symbol, asset_class, on=on)


def reason(symbol: str, asset_class: AssetClass | None = None, on: date = TODAY) -> str:
    """Why a symbol is refused."""
    with pytest.raises(UnknownSymbol) as refused:
        mapped(symbol, asset_class, on)
    return str(refused.value)


@pytest.mark.parametrize(
    ("symbol", "asset_class", "canonical"),
    [
        ("BTC-USDT", CRYPTO, "BTC-USDT"),
        ("BTC/USDT", CRYPTO, "BTC-USDT"),
        ("BTCUSDT", CRYPTO, "BTC-USDT"),
        ("btc-usdt", CRYPTO, "BTC-USDT"),
        ("ETHBTC", CRYPTO, "ETH-BTC"),
        ("BTC-USD", CRYPTO, "BTC-USD"),
        ("BTCUSD", CRYPTO, "BTC-USD"),
        ("BTCEUR", CRYPTO, "BTC-EUR"),
        ("1INCHUSDT", CRYPTO, "1INCH-USDT"),
        ("NEWCOIN-USDT", CRYPTO, "NEWCOIN-USDT"),
        ("T-USDT", CRYPTO, "T-USDT"),
        ("EURUSDT", CRYPTO, "EUR-USDT"),
        ("USDTTRY", CRYPTO, "USDT-TRY"),
        ("USDCUSDT", CRYPTO, "USDC-USDT"),
        ("EURUSD", FX, "EURUSD"),
        ("EUR/USD", FX, "EURUSD"),
        ("EUR-USD", FX, "EURUSD"),
        ("usdjpy", FX, "USDJPY"),
        ("USDCNH", FX, "USDCNH"),
        ("XAUUSD", FX, "XAUUSD"),
        ("XAG/EUR", FX, "XAGEUR"),
        ("GBTC", EQUITY, "GBTC"),
        ("SPY", EQUITY, "SPY"),
        ("spy", EQUITY, "SPY"),
        ("T", EQUITY, "T"),
        ("IBIT", EQUITY, "IBIT"),
        ("BRK.B", EQUITY, "BRK.B"),
        ("BRK B", EQUITY, "BRK.B"),
        ("BRK-B", EQUITY, "BRK.B"),
        ("brk-b", EQUITY, "BRK.B"),
        ("BF-B", EQUITY, "BF.B"),
        ("COP", EQUITY, "COP"),
        ("SPY261218C00600000", OPTION, "SPY261218C00600000"),
        ("SPY   261218C00600000", OPTION, "SPY261218C00600000"),
        ("SPXW  261218C06000000", OPTION, "SPXW261218C06000000"),
        ("2SPY  261218C00600000", OPTION, "2SPY261218C00600000"),
        ("2SPY261218C00600000", OPTION, "2SPY261218C00600000"),
        ("ESZ6", FUTURE, "ESZ6"),
        ("ESZ26", FUTURE, "ESZ6"),
        ("6EZ6", FUTURE, "6EZ6"),
        ("M2KZ6", FUTURE, "M2KZ6"),
        ("SR3Z26", FUTURE, "SR3Z6"),
        ("BTCZ6", FUTURE, "BTCZ6"),
    ],
)
def test_each_spelling_has_one_class_and_one_canonical_symbol(
    symbol: str, asset_class: AssetClass, canonical: str
) -> None:
    """Unnamed and named, the class is the same."""
    instrument = mapped(symbol)
    assert (instrument.symbol, instrument.asset_class) == (canonical, asset_class)
    assert mapped(symbol, asset_class) == instrument


def test_a_crypto_pair_has_base_and_quote() -> None:
    """The currency is the quote asset."""
    assert mapped("BTCUSDT") == Instrument("BTC-USDT", CRYPTO, "USDT", base_currency="BTC")


def test_a_currency_pair_has_base_and_quote() -> None:
    """The currency is the quote currency."""
    assert mapped("EUR/JPY") == Instrument("EURJPY", FX, "JPY", base_currency="EUR")


def test_a_share_is_in_dollars() -> None:
    """Multiplier 1, no base currency."""
    assert mapped("BRK B") == Instrument("BRK.B", EQUITY, "USD")


def test_an_option_has_its_terms() -> None:
    """The strike is in thousandths, the multiplier 100."""
    assert mapped("SPXW261218P06012500") == Instrument(
        symbol="SPXW261218P06012500",
        asset_class=OPTION,
        currency="USD",
        multiplier=Decimal(100),
        underlying="SPX",
        expiry=date(2026, 12, 18),
        strike=Decimal("6012.5"),
        right="P",
    )
    assert mapped("AAPL261218C00200000").underlying == "AAPL"
    assert mapped("BRKB261218C00500000").underlying == "BRK.B"


@pytest.mark.parametrize(
    ("symbol", "underlying", "trading_class"),
    [
        ("SPX261218C06000000", "SPX", "SPX"),
        ("SPXW261218C06000000", "SPX", "SPXW"),
        ("2SPY261218C00600000", "SPY", "2SPY"),
        ("2SPX261218C06000000", "SPX", "2SPX"),
        ("BRKB261218C00500000", "BRK.B", "BRKB"),
        ("SIZ6", "SI", "SI"),
        ("SILZ6", "SI", "SIL"),
        ("FDXMZ26", "DAX", "FDXM"),
        ("6EZ6", "EUR", "6E"),
    ],
)
def test_a_derivative_has_its_trading_class(
    symbol: str, underlying: str, trading_class: str
) -> None:
    """What tells it from others of the same underlying, day and strike."""
    instrument = mapped(symbol)
    assert (instrument.underlying, instrument.trading_class) == (underlying, trading_class)


def test_a_share_has_no_trading_class() -> None:
    """Nor has a pair."""
    assert (mapped("SPY").trading_class, mapped("EURUSD").trading_class) == (None, None)


def test_a_future_has_its_product_and_month() -> None:
    """The expiry is the exchange's to say, the month is YYYYMM."""
    assert mapped("6JH7") == Instrument(
        symbol="6JH7",
        asset_class=FUTURE,
        currency="USD",
        multiplier=Decimal(12_500_000),
        underlying="JPY",
        exchange="CME",
        contract_month="202703",
    )


@pytest.mark.parametrize(
    ("symbol", "multiplier", "currency"),
    [
        ("ESZ6", "50", "USD"),
        ("MESZ6", "5", "USD"),
        ("MYMZ6", "0.5", "USD"),
        ("CLZ6", "1000", "USD"),
        ("GCZ6", "100", "USD"),
        ("ZCZ6", "50", "USD"),
        ("ZTZ6", "2000", "USD"),
        ("MBTZ6", "0.1", "USD"),
        ("FDAXZ6", "25", "EUR"),
        ("FDXMZ6", "5", "EUR"),
        ("FDXSZ6", "1", "EUR"),
        ("FESXZ6", "10", "EUR"),
        ("FSXEZ6", "1", "EUR"),
        ("SIZ6", "5000", "USD"),
        ("SILZ6", "1000", "USD"),
    ],
)
def test_a_point_of_a_future_is_worth_its_multiplier(
    symbol: str, multiplier: str, currency: str
) -> None:
    """Five thousand bushels in cents make fifty dollars a point."""
    instrument = mapped(symbol)
    assert (instrument.multiplier, instrument.currency) == (Decimal(multiplier), currency)


@pytest.mark.parametrize(
    ("symbol", "on", "month"),
    [
        ("ESZ6", date(2026, 12, 31), "202612"),
        ("ESU6", TODAY, "202609"),
        ("ESH7", TODAY, "202703"),
        ("ESH5", TODAY, "203503"),
        ("ESU5", TODAY, "203509"),
        ("ESF30", date(2029, 12, 1), "203001"),
        ("ESF0", date(2029, 12, 1), "203001"),
    ],
)
def test_one_digit_is_the_next_such_year(symbol: str, on: date, month: str) -> None:
    """The running month is still good."""
    assert mapped(symbol, on=on).contract_month == month


@pytest.mark.parametrize(
    ("symbol", "on", "month"),
    [
        ("ESQ6", TODAY, "202608"),
        ("ESV5", TODAY, "202510"),
        ("ESZ6", date(2027, 1, 1), "202612"),
        ("ESZ26", date(2027, 1, 1), "202612"),
        ("ESZ16", TODAY, "201612"),
    ],
)
def test_a_past_contract_is_not_taken_for_the_next_decades(
    symbol: str, on: date, month: str
) -> None:
    """A stale code is refused, not sent ten years ahead."""
    assert f"contract of {month}, which is past on {on}" in reason(symbol, on=on)


def test_a_contract_beyond_the_horizon_is_refused() -> None:
    """Its one-digit symbol would be that of a past one."""
    assert "203510, more than nine years ahead" in reason("ESV35")


def test_an_option_is_good_on_its_last_day() -> None:
    """And refused on the next."""
    assert mapped("SPY261218C00600000", on=date(2026, 12, 18)).expiry == date(2026, 12, 18)
    assert "expired on 2026-12-18" in reason("SPY261218C00600000", on=date(2026, 12, 19))


@pytest.mark.parametrize(
    ("symbol", "words"),
    [
        ("SPY261318C00600000", "261318, which is not a date"),
        ("SPY270229C00600000", "270229, which is not a date"),
        ("SPY261218C00000000", "strike of zero"),
        ("SPY1261218C00600000", "adjusted series SPY1"),
        ("SPY  261218C00600000", "is unknown"),
        ("TOOLONG261218C00600000", "is unknown"),
        ("ABCZ6", "future ABC, which is not in our table"),
        ("EUREUR", "EUR on both sides"),
        ("BTC-BTC", "BTC on both sides"),
        ("EURXAU", "is unknown"),
        ("XXXXXX", "is unknown"),
        ("NOTASYMBOL", "is unknown"),
        ("123", "is unknown"),
        ("FOO-USD", "is unknown"),
        ("BTC-", "is unknown"),
        ("-USDT", "is unknown"),
        ("BTC--USDT", "is unknown"),
        ("BTC-USDT-USDT", "is unknown"),
        ("BRK-F", "is unknown"),
        ("BRK--B", "is unknown"),
        ("VOD.L", "is unknown"),
        ("ES Z6", "is unknown"),
        ("", "is empty"),
        (" SPY", "begins or ends with a space"),
        ("SPY\n", "not printable ASCII"),
        ("SP\x00Y", "not printable ASCII"),
        ("\u0421\u0420\u0423", "not printable ASCII"),
        ("S\u0441", "not printable ASCII"),
        ("\ufb01", "not printable ASCII"),
        ("ES\u0662", "not printable ASCII"),
        ("A" * 33, "longer than 32 characters"),
        ("1INCH", "not complete; it could be 1INCH-USDT (CRYPTO)"),
        ("6E", "not complete; it could be 6EZ6 (FUTURE)"),
    ],
)
def test_what_no_rule_reads_is_refused(symbol: str, words: str) -> None:
    """The message names the field and the rule."""
    message = reason(symbol)
    assert message.startswith("symbol ")
    assert words in message


@pytest.mark.parametrize(
    ("symbol", "candidates"),
    [
        ("BTC", ["BTC (EQUITY)", "BTC-USDT (CRYPTO)", "BTCZ6 (FUTURE)"]),
        ("ETH", ["ETH (EQUITY)", "ETH-USDT (CRYPTO)", "ETHZ6 (FUTURE)"]),
        ("SOL", ["SOL (EQUITY)", "SOL-USDT (CRYPTO)"]),
        ("USDT", ["USDT (EQUITY)", "USDT-USD (CRYPTO)"]),
        ("CL", ["CL (EQUITY)", "CLZ6 (FUTURE)"]),
        ("OPBTC", ["OPBTC (EQUITY)", "OP-BTC (CRYPTO)"]),
    ],
)
def test_an_ambiguous_ticker_is_refused_with_its_candidates(
    symbol: str, candidates: list[str]
) -> None:
    """And each candidate can be had by writing it, or by naming the class."""
    message = reason(symbol)
    assert "is ambiguous" in message
    for candidate in candidates:
        assert candidate in message
        canonical, asset_class = candidate.rstrip(")").split(" (")
        assert mapped(canonical, AssetClass(asset_class)).symbol == canonical
    assert mapped(symbol, EQUITY) == Instrument(symbol, EQUITY, "USD")


@pytest.mark.parametrize(
    ("symbol", "asset_class", "words"),
    [
        ("EURUSD", CRYPTO, "it could be EURUSD (FX)"),
        ("EUR-USD", CRYPTO, "it could be EURUSD (FX)"),
        ("BTCUSDT", FX, "it could be BTC-USDT (CRYPTO)"),
        ("GBTC", CRYPTO, "it could be GBTC (EQUITY)"),
        ("BTC", CRYPTO, "BTC-USDT (CRYPTO)"),
        ("ES", FUTURE, "ESZ6 (FUTURE)"),
        ("ESZ6", EQUITY, "it could be ESZ6 (FUTURE)"),
        ("SPY", OPTION, "it could be SPY (EQUITY)"),
        ("NOTASYMBOL", EQUITY, "as asset_class EQUITY asks"),
    ],
)
def test_a_named_class_forces_its_rule(symbol: str, asset_class: AssetClass, words: str) -> None:
    """Another class's symbol is refused, with what it could be."""
    message = reason(symbol, asset_class)
    assert f"as asset_class {asset_class} asks" in message
    assert words in message


def test_naming_crypto_allows_an_unknown_base_against_money() -> None:
    """FOO-TRY may be a typing error until the request says that it is crypto."""
    assert mapped("FOO-TRY", CRYPTO).currency == "TRY"
    assert "is unknown" in reason("FOO-TRY")


def test_a_suggested_future_is_one_that_can_be_had() -> None:
    """December of the running year."""
    assert "it could be 6EZ1 (FUTURE)" in reason("6E", on=date(2031, 12, 31))


def test_a_refusal_shows_the_value_short_and_printable() -> None:
    """Whatever was sent, the message is one line of printable ASCII."""
    message = reason("\U0001f600\n" * 1000)
    assert len(message) < 400
    assert message.isascii()
    assert message.isprintable()
    assert issubclass(UnknownSymbol, RequestRefused)


def test_the_tables_do_not_contradict_each_other() -> None:
    """No crypto asset has a currency's code, and every fiat quote is a currency."""
    assert len(ISO_CURRENCIES) == 178 - 19 - len(METALS)
    assert not ASSETS & (CURRENCIES | METALS)
    assert FIAT_QUOTES | FIAT_BASES <= ISO_CURRENCIES
    assert not [root for root in ROOTS if mapped(f"{root}Z6").asset_class is not FUTURE]
    assert all(product.multiplier > 0 for product in ROOTS.values())


def test_separated_and_unseparated_pairs_agree() -> None:
    """Over every pair of known codes."""
    for base in ASSETS:
        for quote in (CRYPTO_QUOTES | FIAT_QUOTES) - {base}:
            expected = mapped(f"{base}-{quote}")
            assert mapped(f"{base}/{quote}") == expected
            assert mapped(base + quote, CRYPTO) == expected
            # Five letters may be a share's ticker, and that is refused, not guessed.
            assert len(base + quote) < 6 or mapped(base + quote) == expected


OVERRIDES = {
    "gold": SymbolOverride(FX, symbol="xau/usd", exchange="ICM"),
    "BTC": SymbolOverride(EQUITY),
    "ETHUSDT": SymbolOverride(CRYPTO, exchange="SPOT"),
    "SHOP": SymbolOverride(EQUITY, currency="CAD", exchange="TSE"),
    "7203.T": SymbolOverride(EQUITY, currency="JPY", exchange="TSEJ"),
    "KCZ26": SymbolOverride(FUTURE, currency="USD", multiplier=Decimal(375), exchange="NYBOT"),
    "SPY1261218C00600000": SymbolOverride(OPTION, multiplier=Decimal(10)),
    "ESZ6": SymbolOverride(FUTURE, exchange="QBALGO"),
}
EXPLAINED = ExchangeMapper(OVERRIDES)


@pytest.mark.parametrize(
    ("symbol", "expected"),
    [
        ("Gold", Instrument("XAUUSD", FX, "USD", base_currency="XAU", exchange="ICM")),
        ("XAUUSD", Instrument("XAUUSD", FX, "USD", base_currency="XAU", exchange="ICM")),
        ("BTC", Instrument("BTC", EQUITY, "USD")),
        ("ETH/USDT", Instrument("ETH-USDT", CRYPTO, "USDT", base_currency="ETH", exchange="SPOT")),
        ("SHOP", Instrument("SHOP", EQUITY, "CAD", exchange="TSE")),
        ("7203.T", Instrument("7203.T", EQUITY, "JPY", exchange="TSEJ")),
        (
            "KCZ6",
            Instrument(
                "KCZ6",
                FUTURE,
                "USD",
                Decimal(375),
                underlying="KC",
                exchange="NYBOT",
                contract_month="202612",
            ),
        ),
    ],
)
def test_the_settings_win_over_the_rules(symbol: str, expected: Instrument) -> None:
    """For every spelling of what they name."""
    assert EXPLAINED.map(symbol, on=TODAY) == expected
    assert EXPLAINED.map(expected.symbol, expected.asset_class, on=TODAY) == expected


def test_an_override_gives_an_adjusted_series_its_multiplier() -> None:
    """The padded spelling too."""
    assert EXPLAINED.map("SPY1  261218C00600000", on=TODAY).multiplier == 10


def test_an_override_holds_for_its_contract_alone() -> None:
    """ESZ36 shares a spelling with ESZ6, and not a meaning."""
    assert EXPLAINED.map("ESZ26", on=TODAY).exchange == "QBALGO"
    assert EXPLAINED.map("ESH7", on=TODAY).exchange == "CME"
    with pytest.raises(UnknownSymbol, match="nine years ahead"):
        EXPLAINED.map("ESZ36", on=TODAY)


def test_an_override_does_not_bend_to_another_class() -> None:
    """The request contradicts the settings."""
    with pytest.raises(UnknownSymbol, match=r"'GOLD' is FX by the settings.*says EQUITY"):
        EXPLAINED.map("GOLD", EQUITY, on=TODAY)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"": SymbolOverride(EQUITY)}, "is empty"),
        ({"GOLD": SymbolOverride(FX)}, "it is not a pair of ISO 4217"),
        ({"KC": SymbolOverride(FUTURE)}, "it is not a future"),
        (
            {
                "GOLD": SymbolOverride(FX, symbol="XAUUSD"),
                "XAUUSD": SymbolOverride(FX, exchange="X"),
            },
            "two overrides say what XAUUSD is",
        ),
        ({"abc": SymbolOverride(EQUITY), "ABC": SymbolOverride(EQUITY, "EUR")}, "two overrides"),
    ],
)
def test_overrides_that_cannot_be_are_refused_at_once(
    overrides: dict[str, SymbolOverride], words: str
) -> None:
    """At start, not with the first order."""
    with pytest.raises(ConfigurationError, match=words):
        ExchangeMapper(overrides)


@pytest.mark.parametrize("multiplier", ["0", "-1", "NaN", "Infinity"])
def test_a_multiplier_is_positive(multiplier: str) -> None:
    """An infinite one is none either."""
    with pytest.raises(ConfigurationError, match="multiplier"):
        SymbolOverride(FUTURE, multiplier=Decimal(multiplier))


def test_a_pair_is_priced_in_its_quote() -> None:
    """And a currency is a code."""
    with pytest.raises(ConfigurationError, match="priced in its quote"):
        SymbolOverride(FX, currency="USD")
    with pytest.raises(ConfigurationError, match="code in capitals"):
        SymbolOverride(EQUITY, currency="usd")


days = st.dates(date(2000, 1, 1), date(2099, 12, 31))
classes = st.none() | st.sampled_from(AssetClass)
codes = st.sampled_from(sorted(ASSETS | CURRENCIES | METALS | {"FOO", "T", "XXX"}))
likely = st.one_of(
    st.from_regex(r"[A-Za-z]{1,6}([. ][A-F])?", fullmatch=True),
    st.builds("{}{}{}".format, codes, st.sampled_from(["", "-", "/"]), codes),
    st.builds(
        "{}{}{}".format,
        st.sampled_from(sorted(ROOTS)),
        st.sampled_from(MONTH_CODES),
        st.integers(0, 99),
    ),
    st.from_regex(r"[A-Z]{1,6}[0-9]{6}[CP][0-9]{8}", fullmatch=True),
    st.builds(
        "{:6}{:%y%m%d}{}{:08}".format,
        st.sampled_from(["SPY", "T", "BRKB"]),
        days,
        st.sampled_from("CP"),
        st.integers(0, 99_999_999),
    ),
    st.sampled_from(sorted(OVERRIDES)),
)


@given(symbol=likely, asset_class=classes, on=days, mapper=st.sampled_from([MAPPER, EXPLAINED]))
def test_a_canonical_symbol_maps_to_itself(
    symbol: str, asset_class: AssetClass | None, on: date, mapper: ExchangeMapper
) -> None:
    """With its class or, when the first reading needed none, without."""
    try:
        instrument = mapper.map(symbol, asset_class, on=on)
    except UnknownSymbol:
        return
    assert mapper.map(instrument.symbol, instrument.asset_class, on=on) == instrument
    if asset_class is None:
        assert mapper.map(instrument.symbol, on=on) == instrument


@given(
    symbol=st.text() | st.text(st.characters(max_codepoint=127)) | likely,
    asset_class=classes,
    on=st.dates(),
)
def test_any_text_is_mapped_or_refused(
    symbol: str, asset_class: AssetClass | None, on: date
) -> None:
    """Nothing but UnknownSymbol comes out, with a message fit for a log."""
    message = "symbol ''"
    try:
        instrument = mapped(symbol, asset_class, on)
    except UnknownSymbol as refused:
        message = str(refused)
    else:
        assert asset_class in (None, instrument.asset_class)
        assert instrument.symbol.isascii()
    assert message.startswith("symbol ")
    assert message.isprintable()


@given(on=days, months=st.integers(0, 108), root=st.sampled_from(sorted(ROOTS)))
def test_every_month_of_the_horizon_has_one_code(on: date, months: int, root: str) -> None:
    """One digit and two digits name the same month, and it is the one that was meant."""
    year, month = divmod(on.year * 12 + on.month - 1 + months, 12)
    if year > 2099:
        return
    code = f"{root}{MONTH_CODES[month]}"
    short = mapped(f"{code}{year % 10}", FUTURE, on)
    assert short == mapped(f"{code}{year % 100:02}", FUTURE, on)
    assert short.contract_month == f"{year}{month + 1:02}"


def test_an_override_may_need_its_class_to_be_read() -> None:
    """FOO-TRY is a pair only where somebody says that it is crypto, as the settings do."""
    mapper = ExchangeMapper({"FOO": SymbolOverride(CRYPTO, symbol="foo-try")})
    assert mapper.map("FOO", on=TODAY) == Instrument("FOO-TRY", CRYPTO, "TRY", base_currency="FOO")
    assert mapper.map("FOO-TRY", on=TODAY).symbol == "FOO-TRY"


def test_an_override_may_name_a_contract() -> None:
    """The contract's year is read on the day of the request."""
    coffee = SymbolOverride(FUTURE, "USD", Decimal("0.5"), "NYBOT", "KCX6")
    mapper = ExchangeMapper({"COFFEE": coffee})
    for symbol in ("coffee", "KCX6"):
        assert mapper.map(symbol, on=TODAY) == Instrument(
            symbol="KCX6",
            asset_class=FUTURE,
            currency="USD",
            multiplier=Decimal("0.5"),
            underlying="KC",
            exchange="NYBOT",
            contract_month="202611",
        )


@pytest.mark.parametrize("missing", ["currency", "multiplier", "exchange"])
def test_an_unlisted_future_is_described_in_full(missing: str) -> None:
    """What is not in our table needs all three, or orders would have the wrong size."""
    terms: dict[str, Any] = {"currency": "USD", "multiplier": Decimal(375), "exchange": "NYBOT"}
    del terms[missing]
    mapper = ExchangeMapper({"KCZ6": SymbolOverride(FUTURE, **terms)})
    with pytest.raises(UnknownSymbol, match="the future KC, which is not in our table"):
        mapper.map("KCZ6", on=TODAY)


def test_a_share_by_the_settings() -> None:
    """One of the usual form keeps its spelling's rule; one of another is in dollars by default."""
    shares = {"BRK B": SymbolOverride(EQUITY, exchange="NYSE"), "X.YZ": SymbolOverride(EQUITY)}
    mapper = ExchangeMapper(shares)
    assert mapper.map("brk b", on=TODAY) == Instrument("BRK.B", EQUITY, "USD", exchange="NYSE")
    assert mapper.map("BRK.B", on=TODAY).exchange == "NYSE"
    assert mapper.map("X.YZ", on=TODAY) == Instrument("X.YZ", EQUITY, "USD")


def test_a_multiplier_may_be_small() -> None:
    """Micro contracts are worth less than one a point."""
    assert SymbolOverride(FUTURE, multiplier=Decimal("0.1")).multiplier == Decimal("0.1")


FORMS = [
    "a US share: 1 to 5 letters and perhaps a class from A to E (SPY, BRK.B)",
    "an OCC option: root, yymmdd, C or P, strike in thousandths (SPY261218C00600000)",
    "a future: root, month code and year (ESZ6, ESZ26)",
    "a pair of ISO 4217 currencies (EURUSD, EUR/USD, XAUUSD)",
    "a crypto pair: BASE-QUOTE, or unseparated when both are known (BTC-USDT, BTCUSDT)",
]
SEVERAL = "OPBTC (EQUITY) or OP-BTC (CRYPTO)"
HOW = "name the asset_class or write the symbol in full"


@pytest.mark.parametrize(
    ("symbol", "asset_class", "message"),
    [
        ("NOTASYMBOL", EQUITY, f"is not {FORMS[0]}, as asset_class EQUITY asks"),
        ("GBTC", FX, f"is not {FORMS[3]}, as asset_class FX asks; it could be GBTC (EQUITY)"),
        (
            *("OPBTC", None),
            f"is ambiguous; it could be {SEVERAL}: {HOW}",
        ),
        ("123", None, f"is unknown; it is none of: {'; '.join(FORMS)}"),
        ("", None, "is empty"),
        (" SPY", None, "begins or ends with a space"),
        ("S\n", None, "holds a character that is not printable ASCII"),
        ("SPY261218C00000000", None, "has a strike of zero"),
    ],
)
def test_word_for_word(symbol: str, asset_class: AssetClass | None, message: str) -> None:
    """A refusal reads as one line: the symbol, and what is wrong with it."""
    assert reason(symbol, asset_class) == f"symbol {symbol!a} {message}"


@pytest.mark.parametrize(
    ("length", "shown"), [(24, f"'{'1' * 24}' is unknown"), (25, f"'{'1' * 24}'... is unknown")]
)
def test_a_long_symbol_is_cut(length: int, shown: str) -> None:
    """Of what is longer than any symbol its beginning is shown, and that there was more."""
    assert reason("1" * length).startswith(f"symbol {shown}")


def test_the_longest_symbol() -> None:
    """32 characters are read, whatever becomes of them."""
    assert "is unknown" in reason("1" * 32)


@pytest.mark.parametrize(
    ("symbol", "base", "quote"),
    [
        ("这是测试币-456", "这是测试币", "456"),
        ("币安人生-USDT", "币安人生", "USDT"),
        ("1INCH-USDT", "1INCH", "USDT"),
        ("0G-USDT", "0G", "USDT"),
        ("4-USDT", "4", "USDT"),
        ("1000sats/usdt", "1000SATS", "USDT"),
    ],
)
def test_coins_of_other_scripts_and_with_digits(symbol: str, base: str, quote: str) -> None:
    """Binance lists them, so they are no mistake; what they are is clear by the separator."""
    instrument = ExchangeMapper().map(symbol, on=date(2026, 11, 30))
    assert instrument.symbol == f"{base}-{quote}"
    assert (instrument.asset_class, instrument.currency) == (AssetClass.CRYPTO, quote)
    assert ExchangeMapper().map(instrument.symbol, on=date(2026, 11, 30)) == instrument


@pytest.mark.parametrize(
    "symbol",
    [
        "\u0412TC-USDT",  # a Cyrillic letter among Latin ones
        "\u0412\u0422\u0421-USDT",  # all of them Cyrillic, and they look the same
        "BTC-\u0055\u0405DT",
        "\uff22\uff34\uff23-USDT",  # full-width Latin
        "币安 人生-USDT",
        "币安\u200b-USDT",
        "币\u0422-USDT",
        "ES\u0662-USDT",
        "币安人生",
    ],
)
def test_what_looks_like_another_is_refused(symbol: str) -> None:
    """A name of two scripts, or of one that can be taken for Latin."""
    with pytest.raises(UnknownSymbol, match="not printable ASCII"):
        ExchangeMapper().map(symbol, on=date(2026, 11, 30))
