"""The rolling window: Z, mean and deviation against numpy and against exact fractions."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from execution.domain.arbitrage.window import RollingWindow

spread = st.decimals(Decimal(-1), Decimal(5), places=12)


def window(spreads: list[Decimal], size: int | None = None) -> RollingWindow:
    """A window that has seen `spreads`."""
    made = RollingWindow(size or len(spreads))
    for one in spreads:
        made.add(one)
    return made


def test_worked_by_hand() -> None:
    """1, 2, 3, 4, 5 have mean 3 and sample deviation root of 2.5; 8 is 5 above the mean."""
    score = window([Decimal(number) for number in (1, 2, 3, 4, 5)]).score(Decimal(8))
    assert score is not None
    assert score.mean == 3
    assert str(score.standard_deviation).startswith("1.5811388300841896659994467722")
    assert str(score.z).startswith("3.1622776601683793319988935444")
    assert score.observations == 5


def test_a_whole_z_is_exact() -> None:
    """-1, 0, 1 deviate by 1: a spread of -2 has a Z of -2 to the last digit, not nearly."""
    score = window([Decimal(number) for number in (-1, 0, 1)]).score(Decimal(-2))
    assert score is not None
    assert score.z == -2


@given(st.lists(spread, min_size=2, max_size=80), spread)
def test_as_numpy_says(spreads: list[Decimal], newest: Decimal) -> None:
    """Mean, sample deviation and Z as numpy computes them."""
    values = np.array([float(one) for one in spreads])
    assume(values.std(ddof=1) > 1e-6)
    score = window(spreads).score(newest)
    assert score is not None
    assert float(score.mean) == pytest.approx(values.mean(), abs=1e-12)
    assert float(score.standard_deviation) == pytest.approx(values.std(ddof=1), rel=1e-8)
    expected = (float(newest) - values.mean()) / values.std(ddof=1)
    assert float(score.z) == pytest.approx(expected, rel=1e-8, abs=1e-8)


@given(st.lists(spread, min_size=2, max_size=30), spread, st.integers(-18, 12))
def test_z_is_exact_at_any_scale(spreads: list[Decimal], newest: Decimal, exponent: int) -> None:
    """Z squared is that of exact fractions to 45 digits, with spreads from 1e-30 to 5e12."""
    scaled = [one.scaleb(exponent) for one in spreads]
    score = window(scaled).score(newest.scaleb(exponent))
    values = [Fraction(one) for one in spreads]
    mean = sum(values, Fraction()) / len(values)
    variance = sum(((one - mean) ** 2 for one in values), Fraction()) / (len(values) - 1)
    assert (score is None) == (variance == 0)
    if score is not None:
        exact = (Fraction(newest) - mean) ** 2 / variance
        assert abs(Fraction(score.z) ** 2 - exact) <= exact * Fraction(1, 10**45)
        assert (score.z > 0) == (newest > mean)


@given(st.lists(spread, min_size=3, max_size=60), spread, st.integers(2, 10))
def test_sliding_leaves_no_trace(spreads: list[Decimal], newest: Decimal, size: int) -> None:
    """A window that has slid says exactly what a fresh one of its last spreads says."""
    assume(len(spreads) >= size)
    assert window(spreads, size).score(newest) == window(spreads[-size:]).score(newest)


@given(spread, st.integers(2, 70), spread, st.lists(spread, max_size=20))
def test_flat(level: Decimal, size: int, newest: Decimal, earlier: list[Decimal]) -> None:
    """Equal spreads are flat, whatever came before them; one that differs by 1e-12 is not."""
    assert window([*earlier, *[level] * size], size).score(newest) is None
    other = level + Decimal("1e-12")
    assert window([*earlier, *[level] * (size - 1), other], size).score(newest) is not None


@given(st.lists(spread, max_size=9))
def test_no_score_before_it_is_full(spreads: list[Decimal]) -> None:
    """Nine spreads are no window of ten."""
    assert window(spreads, 10).score(Decimal(1)) is None
    assert not window(spreads, 10).is_full
