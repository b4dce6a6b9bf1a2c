"""NavArbitrageDetector: its rules one by one, and what holds for every history."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from execution.domain.arbitrage.detector import NavArbitrageDetector, detect
from execution.domain.arbitrage.prices import Observation
from execution.domain.arbitrage.signals import (
    Action,
    Assessment,
    Direction,
    ExitReason,
    Parameters,
    Position,
    Quiet,
    followed,
)
from execution.domain.errors import ConfigurationError
from tests.nav_histories import COINS, START, Prices, at_spreads, histories, history, price, real

LONG, SHORT = Direction.LONG_TRUST_SHORT_SPOT, Direction.SHORT_TRUST_LONG_SPOT
SMALL = Parameters(window=5)
# Mean 0, sample deviation 0.01: a spread of s has a Z of 100 s.
AROUND_ZERO = ("-0.01", "0", "0.01")
THREE = Parameters(window=3)


def last(spreads: tuple[str, ...], parameters: Parameters = THREE) -> Assessment:
    """The newest of a history judged, nothing being held."""
    *before, newest = at_spreads(*spreads)
    return NavArbitrageDetector(parameters, before).observe(newest)


def told(assessments: list[Assessment]) -> list[str]:
    """Each assessment in a word."""
    return [
        str(one.quiet) if one.signal is None else f"{one.signal.action} {one.signal.direction}"
        for one in assessments
    ]


@pytest.mark.parametrize(
    ("spread", "expected"),
    [
        ("-0.021", LONG),
        ("0.021", SHORT),
        ("-0.02", None),  # Z is -2, the spread -2 %: neither is beyond
        ("0.02", None),
        ("-0.020000000001", LONG),
        ("0.020000000001", SHORT),
        ("-0.019", None),
        ("0", None),
    ],
)
def test_entries_are_strictly_beyond_both_limits(spread: str, expected: Direction | None) -> None:
    """Z < -2 and spread < -2 %, or Z > 2 and spread > 2 %."""
    found = last((*AROUND_ZERO, spread))
    assert (found.signal and found.signal.direction) == expected
    assert found.quiet == (None if expected else Quiet.WITHIN_LIMITS)


@pytest.mark.parametrize(
    "spreads",
    [
        ("-0.001", "0", "0.001", "-0.015"),  # Z is -15, the discount 1.5 %
        ("-0.001", "0", "0.001", "0.015"),
        ("0.049", "0.05", "0.051", "0.03"),  # Z is -20 at a premium
        ("-0.049", "-0.05", "-0.051", "-0.03"),  # Z is 20 at a discount
        ("-0.2", "0", "0.2", "-0.3"),  # a discount of 30 %, Z only -1.5
        ("-0.2", "0", "0.2", "0.3"),
        ("-0.001", "0", "0.001", "-0.02"),  # Z is -20, the discount 2 % and not more
        ("-0.001", "0", "0.001", "0.02"),
        ("-0.09", "-0.1", "-0.11", "-0.12"),  # a discount of 12 %, Z is -2 and not less
        ("0.09", "0.1", "0.11", "0.12"),
    ],
)
def test_one_limit_is_not_enough(spreads: tuple[str, ...]) -> None:
    """Both must be exceeded, to the same side."""
    assert last(spreads).quiet is Quiet.WITHIN_LIMITS


def test_a_signal_holds_every_number() -> None:
    """What led to it can be read from it alone."""
    found = last((*AROUND_ZERO, "-0.05"))
    signal = found.signal
    assert signal is not None
    assert signal.action is Action.ENTER
    assert signal.nav_per_share == 100
    assert signal.spread == Decimal("-0.05")
    assert signal.observation.trust_price == 95
    assert signal.observation.coins_per_share == COINS
    assert signal.score.z == -5
    assert signal.score.mean == 0
    assert (signal.score.standard_deviation, signal.score.observations) == (Decimal("0.01"), 3)
    assert signal.parameters == THREE
    assert signal.at == START + timedelta(days=3)
    assert signal.position is None
    assert signal.exit_reason is None


HELD_LONG = Position(LONG, START, Decimal(-3), Decimal("-0.05"))
HELD_SHORT = Position(SHORT, START, Decimal(3), Decimal("0.05"))


@pytest.mark.parametrize(
    ("held", "spread", "reason"),
    [
        (HELD_LONG, "-0.006", None),
        (HELD_LONG, "-0.005", None),  # Z is -0.5: not below the level
        (HELD_LONG, "-0.00499999999", ExitReason.REVERTED),
        (HELD_LONG, "0", ExitReason.SIGN_TURNED),
        (HELD_LONG, "0.001", ExitReason.SIGN_TURNED),
        (HELD_LONG, "0.3", ExitReason.SIGN_TURNED),
        (HELD_LONG, "-0.3", None),
        (HELD_SHORT, "0.006", None),
        (HELD_SHORT, "0.005", None),
        (HELD_SHORT, "0.00499999999", ExitReason.REVERTED),
        (HELD_SHORT, "-0.001", ExitReason.SIGN_TURNED),
        (HELD_SHORT, "-0.3", ExitReason.SIGN_TURNED),
        (HELD_SHORT, "0.3", None),
    ],
)
def test_exits(held: Position, spread: str, reason: ExitReason | None) -> None:
    """|Z| below 0.5, or Z on the other side of the mean; never an entry while one is held."""
    *before, newest = at_spreads(*AROUND_ZERO, spread)
    found = NavArbitrageDetector(THREE, before).observe(newest, held)
    if reason is None:
        assert (found.signal, found.quiet) == (None, Quiet.HOLDING)
    else:
        assert found.signal is not None
        assert (found.signal.action, found.signal.direction) == (Action.EXIT, held.direction)
        assert (found.signal.exit_reason, found.signal.position) == (reason, held)


@pytest.mark.parametrize(
    ("longest", "exits"), [(None, False), (3.0, True), (2.9, True), (3.1, False)]
)
def test_longest_holding(longest: float | None, exits: bool) -> None:  # noqa: FBT001
    """Held for three days and far from the mean yet: closed when the time is over, not before."""
    limit = None if longest is None else timedelta(days=longest)
    *before, newest = at_spreads(*AROUND_ZERO, "-0.04")
    detector = NavArbitrageDetector(replace(THREE, longest_holding=limit), before)
    signal = detector.observe(newest, HELD_LONG).signal
    assert (signal is not None) == exits
    assert signal is None or signal.exit_reason is ExitReason.HELD_LONG_ENOUGH


@pytest.mark.parametrize("month", [3, 11])
def test_longest_holding_across_a_change_of_clocks(month: int) -> None:
    """Twenty days from close to close, by New York's clocks, which changed between."""
    zone = ZoneInfo("America/New_York")
    entered = datetime(2024, month, 1, 16, tzinfo=zone).astimezone(UTC)
    held = Position(Direction.LONG_TRUST_SHORT_SPOT, entered, Decimal(-3), Decimal("-0.05"))
    *before, newest = at_spreads(*AROUND_ZERO, "-0.04")
    rules = replace(THREE, longest_holding=timedelta(days=20))
    for day, reason in ((20, None), (21, ExitReason.HELD_LONG_ENOUGH)):
        at = datetime(2024, month, day, 16, tzinfo=zone).astimezone(UTC)
        seen = replace(newest, at=at)
        signal = NavArbitrageDetector(rules, before).observe(seen, held).signal
        assert (signal and signal.exit_reason) == reason


def test_the_newest_is_judged_by_the_window_before_it() -> None:
    """Taken into its own window, no spread of six could ever be more than 2.04 deviations away."""
    found = last(("0.01", "0.02", "0.03", "0.02", "0.02", "-0.5"), SMALL)
    before = np.array([0.01, 0.02, 0.03, 0.02, 0.02])
    assert found.score is not None
    expected = (-0.5 - before.mean()) / before.std(ddof=1)
    assert float(found.score.z) == pytest.approx(expected, rel=1e-12)


def test_no_signal_before_the_window_is_full() -> None:
    """With three asked for, the fourth is the first that can be judged."""
    assert told(detect(at_spreads("0", "0.01", "-0.5", "-0.01"), THREE))[:3] == ["WARMING_UP"] * 3


def test_no_signal_on_a_flat_window() -> None:
    """Not even to close: where nothing moved, nobody quoted."""
    *before, newest = at_spreads("0.1", "0.1", "0.1", "-0.5")
    found = NavArbitrageDetector(THREE, before).observe(newest)
    assert (found.signal, found.score, found.quiet) == (None, None, Quiet.FLAT_WINDOW)
    again = NavArbitrageDetector(THREE, before).observe(newest, HELD_SHORT)
    assert (again.signal, again.quiet) == (None, Quiet.FLAT_WINDOW)


@pytest.mark.parametrize("days", [0, -1, -3])
def test_one_observation_an_interval(days: int) -> None:
    """One of an interval that was seen, or of an earlier one, is not judged and changes nothing."""
    *before, newest, following = at_spreads(*AROUND_ZERO, "0.005", "-0.05")
    seen, fresh = NavArbitrageDetector(THREE, before), NavArbitrageDetector(THREE, before)
    assert seen.observe(newest) == fresh.observe(newest)
    again = replace(newest, interval=newest.interval + timedelta(days=days), trust_price=Decimal(1))
    assert seen.observe(again).quiet is Quiet.INTERVAL_SEEN
    assert seen.observe(following) == fresh.observe(following)


def test_a_refused_entry_is_no_position() -> None:
    """What is held is the caller's to say: whoever could not enter is told again."""
    *before, first, second = at_spreads(*AROUND_ZERO, "-0.05", "-0.15")
    detector = NavArbitrageDetector(THREE, before)
    entered = detector.observe(first)
    assert entered.signal is not None
    again = detector.observe(second, None)
    assert again.signal is not None
    assert again.signal.action is Action.ENTER


def test_a_whole_story() -> None:
    """One position at a time: in, held, out, and in again the other way."""
    story = at_spreads(*AROUND_ZERO, "-0.05", "-0.06", "-0.02", "0.04", "0.2")
    assert told(detect(story, THREE))[3:] == [
        f"ENTER {LONG}",
        "HOLDING",
        f"EXIT {LONG}",
        f"ENTER {SHORT}",
        "HOLDING",
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {"window": 1},
        {"window": 1_000_001},
        {"entry_z": Decimal("NaN")},
        {"entry_z": Decimal(-2)},
        {"entry_spread": Decimal("-0.02")},
        {"entry_spread": Decimal("Infinity")},
        {"exit_z": Decimal(-1)},
        {"exit_z": Decimal(2)},
        {"longest_holding": timedelta(0)},
    ],
)
def test_parameters_that_make_no_sense(wrong: dict[str, object]) -> None:
    """They are refused by name."""
    (name,) = wrong
    with pytest.raises(ConfigurationError, match=f"^{name} is "):
        Parameters(**wrong)  # type: ignore[arg-type]


parameters = st.builds(
    Parameters,
    window=st.integers(2, 8),
    entry_z=st.sampled_from([Decimal(1), Decimal(2)]),
    entry_spread=st.sampled_from([Decimal(0), Decimal("0.02")]),
    exit_z=st.sampled_from([Decimal(0), Decimal("0.5")]),
    longest_holding=st.none() | st.integers(1, 5).map(timedelta),
)


def judged(found: list[Assessment]) -> list[object]:
    """All that was said, without the prices it was said of."""
    return [
        (one.spread, one.score, one.quiet, one.signal and (one.signal.action, one.signal.direction))
        for one in found
    ]


@given(histories, parameters, st.decimals(Decimal("0.001"), Decimal(1000), places=7))
def test_scale_invariance(prices: Prices, rules: Parameters, factor: Decimal) -> None:
    """Other money, or other shares after a split, change no digit of spread, Z or signal."""
    found = judged(detect(history(prices), rules))
    money = history([(trust * factor, spot * factor) for trust, spot in prices])
    assert judged(detect(money, rules)) == found
    split = history([(trust * factor, spot) for trust, spot in prices], COINS * factor)
    assert judged(detect(split, rules)) == found


@given(histories, histories, parameters)
def test_no_look_ahead(prices: Prices, future: Prices, rules: Parameters) -> None:
    """What comes later changes nothing that was said before."""
    found = detect(history(prices), rules)
    assert detect(history([*prices, *future]), rules)[: len(prices)] == found


@given(histories, parameters)
def test_streaming_is_batch(prices: Prices, rules: Parameters) -> None:
    """A detector made anew before each observation, from the last window alone, says the same."""
    observations = history(prices)
    position: Position | None = None
    found = []
    for day, observation in enumerate(observations):
        window = observations[max(0, day - rules.window) : day]
        assessment = NavArbitrageDetector(rules, window).observe(observation, position)
        position = followed(position, assessment.signal)
        found.append(assessment)
    assert found == detect(observations, rules)


@given(histories, parameters)
def test_every_signal_keeps_the_rules(prices: Prices, rules: Parameters) -> None:
    """Judged anew from exact fractions, each assessment is what the rules say; one at a time."""
    held: Direction | None = None
    entered = START
    spreads: list[Fraction] = []
    for one in detect(history(prices), rules):
        spread = _spread(one.observation)
        before = spreads[-rules.window :]
        spreads.append(spread)
        if len(before) < rules.window or len(set(before)) == 1:
            assert one.signal is None
            continue
        mean = sum(before, Fraction()) / len(before)
        variance = sum(((value - mean) ** 2 for value in before), Fraction()) / (len(before) - 1)
        far = (spread - mean) ** 2
        beyond = far > Fraction(rules.entry_z) ** 2 * variance
        low = beyond and spread < mean and spread < -Fraction(rules.entry_spread)
        high = beyond and spread > mean and spread > Fraction(rules.entry_spread)
        if held is None:
            expected = LONG if low else SHORT if high else None
            assert (one.signal and one.signal.direction) == expected
            held, entered = expected, one.observation.at
            continue
        turned = spread >= mean if held is LONG else spread <= mean
        near = far < Fraction(rules.exit_z) ** 2 * variance
        longest = rules.longest_holding
        over = longest is not None and one.observation.at - entered >= longest
        assert (one.signal is not None) == (turned or near or over)
        if one.signal is not None:
            assert (one.signal.action, one.signal.direction) == (Action.EXIT, held)
            held = None


def _spread(observation: Observation) -> Fraction:
    """Trust price / NAV - 1, at the 30 decimals that the detector keeps."""
    nav = Fraction(observation.spot_price) * Fraction(observation.coins_per_share)
    return Fraction(round((Fraction(observation.trust_price) / nav - 1) * 10**30), 10**30)


@given(price, price)
def test_a_spread_is_the_nearest_at_30_decimals(trust: Decimal, spot: Decimal) -> None:
    """Rounded once, half to even, from the exact quotient."""
    (observation,) = history([(trust, spot)])
    assert Fraction(observation.spread) == _spread(observation)


def test_the_real_history_as_numpy_judges_it() -> None:
    """Every spread and every Z of seven years of closes."""
    rows = real()
    trust, spot, coins = (
        np.array([float(row[name]) for row in rows])
        for name in ("gbtc_close_usd", "btc_close_usd", "btc_per_share")
    )
    spreads = trust / (spot * coins) - 1
    windows = np.lib.stride_tricks.sliding_window_view(spreads, 60)[:-1]
    expected = (spreads[60:] - windows.mean(axis=1)) / windows.std(axis=1, ddof=1)
    observations = [
        replace(one, coins_per_share=Decimal(row["btc_per_share"]))
        for one, row in zip(
            history([(Decimal(r["gbtc_close_usd"]), Decimal(r["btc_close_usd"])) for r in rows]),
            rows,
            strict=True,
        )
    ]
    found = detect(observations)
    assert [float(one.spread) for one in found] == pytest.approx(list(spreads), rel=1e-12)
    assert [one.score for one in found[:60]] == [None] * 60
    scores = [float(one.score.z) for one in found[60:] if one.score is not None]
    assert scores == pytest.approx(list(expected), rel=1e-9)
