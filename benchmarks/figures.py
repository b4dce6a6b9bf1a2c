"""The figures: what each compares, its target, and the verdict."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.measure import Measured, Spread, percentile
from benchmarks.variants import HUNDRED, WAITING, WAITING_GROWN, Need

Results = Mapping[str, Sequence[Measured]]
"""The rounds of each variant."""
Value = Callable[[Measured], float]


@dataclass(frozen=True, slots=True)
class Target:
    """A bound that a figure must keep."""

    bound: float
    at_least: bool

    def met_by(self, value: float) -> bool:
        """The bound itself is good."""
        return value >= self.bound if self.at_least else value <= self.bound

    def __str__(self) -> str:
        return f"{'>=' if self.at_least else '<='} {self.bound:g}"


@dataclass(frozen=True, slots=True)
class Reading:
    """What a figure comes to; `rounds` are the values whose median it is."""

    value: float
    detail: str
    rounds: tuple[float, ...] = ()


Read = Callable[[Results], Reading | None]


@dataclass(frozen=True, slots=True)
class Figure:
    """A row of the table, read off what `needs` names; None when the run broke before it."""

    name: str
    title: str
    needs: tuple[Need, ...]
    read: Read
    target: Target | None = None
    unit: str = ""
    growth: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A figure as measured; None when it could not be."""

    figure: Figure
    reading: Reading | None

    @property
    def verdict(self) -> str:
        """What is to be said of it."""
        if self.reading is None:
            return "NOT MEASURED"
        if self.figure.target is None:
            return "reported"
        return "met" if self.figure.target.met_by(self.reading.value) else "MISSED"

    def as_json(self) -> dict[str, Any]:
        """The row for the JSON line."""
        said: dict[str, Any] = {"figure": self.figure.name, "verdict": self.verdict}
        if self.figure.target is not None:
            said["target"] = str(self.figure.target)
        if self.reading is not None:
            said |= {"value": round(self.reading.value, 4), "detail": self.reading.detail}
            if self.reading.rounds:
                said["rounds"] = [round(value, 4) for value in self.reading.rounds]
        return said


def rate(measured: Measured) -> float:
    """Orders per second of its burst."""
    if measured.burst is None:
        raise ValueError(f"{measured.variant} had no burst")
    return measured.burst.rate


def idle_median(measured: Measured) -> float:
    """Of its idle latencies, in ms."""
    return statistics.median(measured.idle)


def idle_p99(measured: Measured) -> float:
    """Of its idle latencies, in ms."""
    return percentile(measured.idle, 99)


def quotient(over: str, under: str, value: Value, unit: str) -> Read:
    """The median over rounds of one variant's value over another's in the same round."""

    def read(results: Results) -> Reading | None:
        others = {measured.number: value(measured) for measured in results.get(under, ())}
        rounds = tuple(
            value(measured) / others[measured.number]
            for measured in results.get(over, ())
            if measured.number in others
        )
        if not rounds:
            return None
        tops = [value(measured) for measured in results[over]]
        detail = (
            f"{statistics.median(tops):.1f} / {statistics.median(others.values()):.1f} {unit}, "
            f"rounds {min(rounds):.2f} to {max(rounds):.2f}"
        )
        return Reading(statistics.median(rounds), detail, rounds)

    return read


def tail_of(variant: str) -> Read:
    """The median over rounds of a variant's idle p99 over its p50."""

    def read(results: Results) -> Reading | None:
        found = results.get(variant)
        if not found:
            return None
        p99, p50 = list(map(idle_p99, found)), list(map(idle_median, found))
        rounds = tuple(most / middle for most, middle in zip(p99, p50, strict=True))
        detail = (
            f"{statistics.median(p99):.1f} / {statistics.median(p50):.1f} ms, "
            f"rounds {min(rounds):.2f} to {max(rounds):.2f}"
        )
        return Reading(statistics.median(rounds), detail, rounds)

    return read


def pooled(
    variant: str, samples_of: Callable[[Measured], Sequence[float]], what: str = "calls"
) -> Read:
    """The median and p95 of samples in ms, those of all rounds together."""

    def read(results: Results) -> Reading | None:
        samples = [value for found in results.get(variant, ()) for value in samples_of(found)]
        if not samples:
            return None
        spread = Spread.of(samples)
        return Reading(spread.p50, f"p95 {spread.p95:.2f} ms, {spread.samples} {what}")

    return read


def memory_of(variant: str) -> Read:
    """The median memory of each of a variant's processes, and their sum."""

    def read(results: Results) -> Reading | None:
        found = results.get(variant)
        if not found:
            return None
        used = {
            name: statistics.median(measured.memory[name] for measured in found)
            for name in found[0].memory
        }
        detail = ", ".join(f"{name} {megabytes:.0f}" for name, megabytes in used.items())
        return Reading(sum(used.values()), detail)

    return read


def waiting_memory(results: Results) -> Reading | None:
    """What 1,000 waiting orders add to the worker that waits for them."""
    if f"waiting-{WAITING}" not in results:
        return None
    waited = [measured for found in results.values() for measured in found if measured.waiting]
    detail = ", ".join(f"{one.waiting:,} waiting: {one.waiting_memory:+.1f} MB" for one in waited)
    value = next(one.waiting_memory for one in waited if one.waiting == WAITING)
    return Reading(value, detail)


def rates_of(variants: Mapping[str, str]) -> Read:
    """The orders/s of several variants, by what is said of each; last one over first one."""

    def read(results: Results) -> Reading | None:
        if variants.keys() - results.keys():
            return None
        rates = {
            said: statistics.median(map(rate, results[name])) for name, said in variants.items()
        }
        first, *_, last = rates.values()
        detail = ", ".join(f"{said}: {found:.1f}" for said, found in rates.items())
        return Reading(last / first, f"orders/s with {detail}")

    return read


_STOCK, _OURS, _HOP = Need("stock"), Need("ours"), Need("hop")
_STOCK_IDLE, _OURS_IDLE = Need("stock", idle=True), Need("ours", idle=True)
FIGURES = (
    Figure(
        "burst",
        "burst, orders/s ÷ stock chains/s",
        (_OURS, _STOCK),
        quotient("ours", "stock", rate, "per s"),
        Target(4.0, at_least=True),
    ),
    Figure(
        "idle",
        "idle latency p50 ÷ stock's",
        (_OURS_IDLE, _STOCK_IDLE),
        quotient("ours", "stock", idle_median, "ms"),
        Target(0.5, at_least=False),
    ),
    Figure(
        "tail",
        "idle latency p99 ÷ p50",
        (_OURS_IDLE,),
        tail_of("ours"),
        Target(3.0, at_least=False),
    ),
    Figure(
        "hop-burst",
        "every step a message: burst ÷ stock's",
        (_HOP, _STOCK),
        quotient("hop", "stock", rate, "per s"),
        Target(1.0, at_least=True),
    ),
    Figure(
        "hop-idle",
        "every step a message: idle p50 ÷ stock's",
        (Need("hop", idle=True), _STOCK_IDLE),
        quotient("hop", "stock", idle_median, "ms"),
        Target(1.3, at_least=False),
    ),
    Figure(
        "million",
        "orders/s with a million orders in the tables ÷ with none",
        (Need("million"), _OURS),
        quotient("million", "ours", rate, "per s"),
        Target(0.9, at_least=True),
    ),
    Figure(
        "stalled",
        "orders/s of the others beside a stalled broker ÷ without",
        (Need("stalled"), Need("calm")),
        quotient("stalled", "calm", rate, "per s"),
        Target(0.9, at_least=True),
    ),
    Figure(
        "execution",
        "IBKR: from the execution message to the fills event, median",
        (Need("ibkr"),),
        pooled("ibkr", lambda measured: measured.told, "executions"),
        Target(20.0, at_least=False),
        unit="ms",
    ),
    Figure(
        "place",
        "OrderClient.place: a commit and a send, median",
        (Need("ours", place=True),),
        pooled("ours", lambda measured: measured.place),
        unit="ms",
    ),
    Figure(
        "send",
        "a bare send, median",
        (_OURS_IDLE,),
        pooled("ours", lambda measured: measured.send),
        unit="ms",
    ),
    Figure(
        "memory", "memory after the burst, all processes", (_OURS,), memory_of("ours"), unit="MB"
    ),
    Figure(
        "memory-stock",
        "stock Celery's memory after its burst",
        (_STOCK,),
        memory_of("stock"),
        unit="MB",
    ),
    Figure(
        "waiting", "memory of 1,000 waiting orders", (Need("waiting"),), waiting_memory, unit="MB"
    ),
    Figure(
        "growth-orders",
        "growth with orders in the tables, last ÷ first",
        (_OURS, Need("hundred"), Need("million")),
        rates_of({"ours": "none", "hundred": f"{HUNDRED:,}", "million": "a million"}),
        growth=True,
    ),
    Figure(
        "growth-waiting",
        "growth with waiting orders, last ÷ first",
        (Need("waiting"),),
        rates_of({f"waiting-{n}": f"{n:,}" for n in (0, *WAITING_GROWN)}),
        growth=True,
    ),
    Figure(
        "growth-workers",
        "two processes for each queue ÷ one",
        (_OURS, Need("pairs")),
        rates_of({"ours": "one", "pairs": "two"}),
        growth=True,
    ),
)
