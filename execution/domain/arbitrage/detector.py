"""NavArbitrageDetector: judges each observation of the pair against the window before it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from execution.domain.arbitrage.holding import held_for
from execution.domain.arbitrage.prices import Observation
from execution.domain.arbitrage.signals import (
    Action,
    Assessment,
    Direction,
    ExitReason,
    Parameters,
    Position,
    Quiet,
    Signal,
    followed,
)
from execution.domain.arbitrage.window import RollingWindow, Score


class NavArbitrageDetector:
    """The window of spreads, and the rules by which the newest is judged.

    `window` is what was observed before, oldest first (from the database at start); more than the
    window holds does no harm. What is held is the caller's to say with each observation, since only
    the caller knows whether a signal was carried out.
    """

    def __init__(
        self, parameters: Parameters | None = None, window: Iterable[Observation] = ()
    ) -> None:
        self.parameters = parameters or Parameters()
        self._window = RollingWindow(self.parameters.window)
        self._last: datetime | None = None
        for observation in window:
            if self._is_new(observation):
                self._take(observation)

    def score(self, observation: Observation) -> Score | None:
        """What an observation would be judged by; nothing is taken into the window."""
        return self._window.score(observation.spread) if self._is_new(observation) else None

    def observe(self, observation: Observation, position: Position | None = None) -> Assessment:
        """Judge an observation by the window before it, then take it into the window.

        One of an interval that was observed already, or of an earlier one, is judged by nothing and
        changes nothing. Without a position there may be an ENTER, with one an EXIT of it.
        """
        if not self._is_new(observation):
            return self._quiet(observation, None, Quiet.INTERVAL_SEEN)
        score = self._window.score(observation.spread)
        full = self._window.is_full
        self._take(observation)
        if score is None:
            return self._quiet(observation, None, Quiet.FLAT_WINDOW if full else Quiet.WARMING_UP)
        if position is None:
            return self._entry(observation, score)
        return self._exit(observation, score, position)

    def _is_new(self, observation: Observation) -> bool:
        return self._last is None or observation.interval > self._last

    def _take(self, observation: Observation) -> None:
        self._window.add(observation.spread)
        self._last = observation.interval

    def _entry(self, observation: Observation, score: Score) -> Assessment:
        rules, spread = self.parameters, observation.spread
        if score.z < rules.entry_z.copy_negate() and spread < rules.entry_spread.copy_negate():
            direction = Direction.LONG_TRUST_SHORT_SPOT
        elif score.z > rules.entry_z and spread > rules.entry_spread:
            direction = Direction.SHORT_TRUST_LONG_SPOT
        else:
            return self._quiet(observation, score, Quiet.WITHIN_LIMITS)
        return self._signal(observation, score, direction)

    def _exit(self, observation: Observation, score: Score, position: Position) -> Assessment:
        reason = self._exit_reason(observation, score, position)
        if reason is None:
            return self._quiet(observation, score, Quiet.HOLDING)
        return self._signal(observation, score, position.direction, position, reason)

    def _exit_reason(
        self, observation: Observation, score: Score, position: Position
    ) -> ExitReason | None:
        # A long position was entered below the mean, a short one above it. At the mean itself
        # there is nothing left to revert, even where the exit level is 0.
        long = position.direction is Direction.LONG_TRUST_SHORT_SPOT
        if score.z >= 0 if long else score.z <= 0:
            return ExitReason.SIGN_TURNED
        if score.z.copy_abs() < self.parameters.exit_z:
            return ExitReason.REVERTED
        longest = self.parameters.longest_holding
        if longest is not None and held_for(position.entered_at, observation.at) >= longest:
            return ExitReason.HELD_LONG_ENOUGH
        return None

    def _signal(
        self,
        observation: Observation,
        score: Score,
        direction: Direction,
        position: Position | None = None,
        reason: ExitReason | None = None,
    ) -> Assessment:
        nav, spread = observation.nav_per_share, observation.spread
        signal = Signal(
            action=Action.ENTER if position is None else Action.EXIT,
            direction=direction,
            observation=observation,
            nav_per_share=nav,
            spread=spread,
            score=score,
            parameters=self.parameters,
            position=position,
            exit_reason=reason,
        )
        return Assessment(observation, nav, spread, score, signal, None)

    @staticmethod
    def _quiet(observation: Observation, score: Score | None, why: Quiet) -> Assessment:
        nav, spread = observation.nav_per_share, observation.spread
        return Assessment(observation, nav, spread, score, None, why)


def detect(
    observations: Iterable[Observation], parameters: Parameters | None = None
) -> list[Assessment]:
    """Judge a history, oldest first, as if every signal had been carried out at once."""
    detector = NavArbitrageDetector(parameters)
    position: Position | None = None
    found = []
    for observation in observations:
        assessment = detector.observe(observation, position)
        position = followed(position, assessment.signal)
        found.append(assessment)
    return found
