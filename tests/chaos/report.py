"""What a soak did and what was found."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from tests.oracle import Verdict


@dataclass(slots=True)
class Report:
    """What a run did and what was found: `problems` is empty when all is well. Times: seconds.

    `kills` are ours, by kind of process; `exits` are of processes that ended by themselves.
    """

    seed: int
    orders: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    kinds: dict[str, int] = field(default_factory=dict)
    alerts: Counter[str] = field(default_factory=Counter)
    kills: Counter[str] = field(default_factory=Counter)
    exits: Counter[str] = field(default_factory=Counter)
    cut: int = 0
    replies_lost: int = 0
    producer_deaths: int = 0
    resends: int = 0
    catch_up: float = 0.0
    standstill: float = 0.0
    verdict: Verdict = field(default_factory=Verdict)
    problems: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """For people."""
        verdict = self.verdict
        return [
            f"orders              {self.orders}",
            f"by end state        {counted(self.ends)}; {verdict.rerouted} rerouted to paper",
            f"brackets and such   {counted(Counter(self.kinds))}",
            f"alerts raised       {counted(self.alerts)}",
            f"kills               {self.kills.total()}: {counted(self.kills)}",
            f"ended by themselves {self.exits.total()}: {counted(self.exits)}",
            f"connections cut     {self.cut}",
            f"replies lost        {self.replies_lost}",
            f"producers died      {self.producer_deaths} times, sent {self.resends} orders again",
            f"fills               {verdict.fills}",
            f"events              {verdict.events}, {verdict.replayed} of them replayed",
            f"duplicates          {verdict.duplicates}",
            f"lost                {verdict.lost}",
            f"stuck               {verdict.stuck}",
            f"unprotected         {verdict.unprotected} without an alert",
            f"reversed            {verdict.reversed} without an alert",
            f"all at rest         {self.catch_up:.1f} s after the last fault",
            f"longest standstill  {self.standstill:.1f} s of a market order",
            f"seed                {self.seed}",
            *(f"PROBLEM: {problem}" for problem in self.problems[:50]),
            f"{len(self.problems)} problems" if self.problems else "all records agree",
        ]

    def figures(self) -> dict[str, int | float]:
        """For machines."""
        verdict = self.verdict
        return {
            "orders": self.orders,
            "kills": self.kills.total(),
            "connections_cut": self.cut,
            "replies_lost": self.replies_lost,
            "producer_deaths": self.producer_deaths,
            "fills": verdict.fills,
            "events": verdict.events,
            "duplicates": verdict.duplicates,
            "lost": verdict.lost,
            "stuck": verdict.stuck,
            "unprotected": verdict.unprotected,
            "reversed": verdict.reversed,
            **self.kinds,
            "alerts": self.alerts.total(),
            "catch_up_seconds": round(self.catch_up, 1),
            "problems": len(self.problems),
            "seed": self.seed,
        }


def counted(counter: Counter[str]) -> str:
    """As in `3 beat, 12 worker`."""
    return ", ".join(f"{count} {name}" for name, count in sorted(counter.items())) or "none"
