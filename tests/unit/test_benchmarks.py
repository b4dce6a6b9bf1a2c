"""The benchmarks' own arithmetic: percentiles, verdicts, the table, the line of JSON."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from benchmarks.__main__ import SIZES, _needs, _parse
from benchmarks.copies import Column, Identity, Left, Numbering, expression, insert
from benchmarks.figures import FIGURES, Reading, Results, Row
from benchmarks.measure import Burst, Measured, Spread, percentile
from benchmarks.report import disturbed, json_line, table, trial
from benchmarks.variants import WAITING, Need

BY_NAME = {figure.name: figure for figure in FIGURES}


def of_rate(variant: str, number: int, rate: float) -> Measured:
    """A round with a burst of one second."""
    return Measured(variant, number, Burst(int(rate * 1000), 1000.0))


def of_idle(variant: str, number: int, *latencies: float) -> Measured:
    """A round with idle latencies in ms."""
    return Measured(variant, number, idle=list(latencies))


@pytest.mark.parametrize(
    ("percent", "expected"), [(1, 1), (50, 50), (95, 95), (99, 99), (99.1, 100), (100, 100)]
)
def test_percentile_is_the_nearest_rank(percent: float, expected: float) -> None:
    """It is one of the samples, whatever their order."""
    assert percentile(list(range(100, 0, -1)), percent) == expected


def test_percentile_at_the_ends() -> None:
    """Of one sample it is that sample; p0 is the least."""
    assert [percentile([7.0], percent) for percent in (0, 50, 99)] == [7.0, 7.0, 7.0]
    assert percentile([3.0, 1.0, 2.0], 0) == 1.0


def test_spread() -> None:
    """Median (between the middle two), p95, p99 and the most."""
    spread = Spread.of([float(value) for value in range(1, 201)])
    assert spread == Spread(200, 100.5, 190.0, 198.0, 200.0)


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("burst", 4.0, 3.999),
        ("idle", 0.5, 0.501),
        ("tail", 3.0, 3.001),
        ("hop-burst", 1.0, 0.999),
        ("hop-idle", 1.3, 1.301),
        ("million", 0.9, 0.899),
        ("stalled", 0.9, 0.899),
        ("execution", 20.0, 20.01),
    ],
)
def test_verdict(name: str, good: float, bad: float) -> None:
    """The bound itself is met, a little beyond it is missed."""
    verdicts = [Row(BY_NAME[name], Reading(value, "")).verdict for value in (good, bad)]
    assert verdicts == ["met", "MISSED"]


def test_every_target_is_tried() -> None:
    """The cases above are all figures with a target."""
    with_target = [figure.name for figure in FIGURES if figure.target is not None]
    assert with_target == [
        *("burst", "idle", "tail", "hop-burst", "hop-idle", "million", "stalled", "execution")
    ]


def test_verdict_without_a_target_or_a_value() -> None:
    """What has no target is reported; what could not be measured never passes."""
    assert Row(BY_NAME["place"], Reading(1.0, "")).verdict == "reported"
    assert Row(BY_NAME["burst"], None).verdict == "NOT MEASURED"


@pytest.mark.parametrize(
    ("name", "over", "under", "make"),
    [
        ("burst", "ours", "stock", of_rate),
        ("hop-burst", "hop", "stock", of_rate),
        ("million", "million", "ours", of_rate),
        ("stalled", "stalled", "calm", of_rate),
        ("idle", "ours", "stock", of_idle),
        ("hop-idle", "hop", "stock", of_idle),
    ],
)
def test_quotient_is_of_the_same_round(
    name: str, over: str, under: str, make: Callable[[str, int, float], Measured]
) -> None:
    """The median over rounds of each round's quotient, not a quotient of medians."""
    results = {
        over: [make(over, 3, 90.0), make(over, 1, 20.0), make(over, 2, 30.0)],
        under: [make(under, 1, 10.0), make(under, 2, 20.0), make(under, 3, 30.0)],
    }
    reading = BY_NAME[name].read(results)
    assert reading is not None
    assert reading.rounds == (3.0, 2.0, 1.5)
    assert reading.value == 2.0


def test_round_without_its_partner_does_not_count() -> None:
    """A run that broke in its second round gives the first one's quotient."""
    results = {
        "ours": [of_rate("ours", 1, 20.0), of_rate("ours", 2, 1.0)],
        "stock": [of_rate("stock", 1, 10.0)],
    }
    reading = BY_NAME["burst"].read(results)
    assert reading is not None
    assert reading.rounds == (2.0,)


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.name)
def test_nothing_measured(figure: object) -> None:
    """No figure comes of no results."""
    empty: Results = {}
    assert BY_NAME[getattr(figure, "name", "")].read(empty) is None


def test_tail() -> None:
    """The median over rounds of p99 over p50."""
    rounds = [of_idle("ours", number, *[10.0] * 98, 10.0 * number, 500.0) for number in (1, 2, 9)]
    reading = BY_NAME["tail"].read({"ours": rounds})
    assert reading is not None
    assert reading.value == 2.0


def test_samples_are_pooled() -> None:
    """Calls of all rounds count alike."""
    rounds = [
        Measured("ours", 1, place=[1.0, 2.0], send=[7.0]),
        Measured("ours", 2, place=[9.0], send=[8.0, 9.0]),
    ]
    place, send = (BY_NAME[name].read({"ours": rounds}) for name in ("place", "send"))
    assert place == Reading(2.0, "p95 9.00 ms, 3 calls")
    assert send == Reading(8.0, "p95 9.00 ms, 3 calls")


def test_memory_is_the_sum_of_medians() -> None:
    """By process, over rounds."""
    rounds = [
        Measured("ours", number, memory={"orders": orders, "paper": 100.0})
        for number, orders in enumerate((80.0, 81.0, 90.0))
    ]
    assert BY_NAME["memory"].read({"ours": rounds}) == Reading(181.0, "orders 81, paper 100")


def test_waiting_memory_is_for_a_thousand() -> None:
    """Whatever else rested in the run."""
    results = {
        "waiting-0": [Measured("waiting-0", 1)],
        "waiting-5000": [Measured("waiting-5000", 1, waiting=5000, waiting_memory=20.0)],
        "waiting-1000": [Measured("waiting-1000", 1, waiting=WAITING, waiting_memory=3.5)],
    }
    detail = "5,000 waiting: +20.0 MB, 1,000 waiting: +3.5 MB"
    assert BY_NAME["waiting"].read(results) == Reading(3.5, detail)


def test_growth_is_the_last_over_the_first() -> None:
    """With every rate beside it; nothing while one is missing."""
    results = {"ours": [of_rate("ours", 1, 100.0)]}
    assert BY_NAME["growth-workers"].read(results) is None
    results["pairs"] = [of_rate("pairs", 1, 150.0)]
    expected = Reading(1.5, "orders/s with one: 100.0, two: 150.0")
    assert BY_NAME["growth-workers"].read(results) == expected


def test_table() -> None:
    """Columns line up under their heads; every row has its verdict."""
    rows = [
        Row(BY_NAME["burst"], Reading(3.991, "399.1 / 100.0 per s")),
        Row(BY_NAME["place"], Reading(2.5, "p95 3.00 ms")),
        Row(BY_NAME["million"], None),
    ]
    head, burst, place, million = table(rows).splitlines()
    for line in (burst, place, million):
        verdict = line[head.index("verdict") : head.index("medians")].strip()
        assert verdict in {"MISSED", "reported", "NOT MEASURED"}
    assert burst.split() == [
        *("burst", "burst,", "orders/s", "÷", "stock", "chains/s", "3.99", ">=", "4", "MISSED"),
        *("399.1", "/", "100.0", "per", "s"),
    ]
    assert place[head.index("value") :].startswith("2.50 ms")
    assert million.endswith("NOT MEASURED")


def test_json_line() -> None:
    """One line, with everything that is in the table and whatever else was measured."""
    measured = of_idle("ours", 2, 1.0, 2.0, 3.0)
    measured.burst = Burst(500, 2.0, 0.25, 0.125)
    measured.memory = {"worker-paper": 96.04}
    rows = [
        Row(BY_NAME["burst"], Reading(4.25, "detail", (4.0, 4.25, 5.0))),
        Row(BY_NAME["million"], None),
    ]
    line = json_line(rows, rounds=[measured.as_json()], machine={"cores": 2})
    assert "\n" not in line
    assert json.loads(line) == {
        "figures": [
            {
                "figure": "burst",
                "verdict": "met",
                "target": ">= 4",
                "value": 4.25,
                "detail": "detail",
                "rounds": [4.0, 4.25, 5.0],
            },
            {"figure": "million", "verdict": "NOT MEASURED", "target": ">= 0.9"},
        ],
        "rounds": [
            {
                "variant": "ours",
                "round": 2,
                "orders": 500,
                "burst_s": 2.0,
                "orders_per_s": 250.0,
                "harness_cpu_s": 0.25,
                "others_cpu_s": 0.125,
                "idle_ms": {"samples": 3, "p50": 2.0, "p95": 3.0, "p99": 3.0, "max": 3.0},
                "memory_mb": {"worker-paper": 96.0},
            }
        ],
        "machine": {"cores": 2},
    }


def test_trial_says_what_differs() -> None:
    """Only a run of the default size gives verdicts that count."""
    default = {"rounds": 5, "orders": 500}
    assert trial(default, default) is None
    said = trial({"rounds": 1, "orders": 500}, default)
    assert said == "a trial, no verdict counts: rounds 1 instead of 5"


def test_disturbed_by_others() -> None:
    """Above 10 % of all cores' time in any burst; the table then says so."""

    def took(seconds: float) -> Measured:
        return Measured("ours", 1, Burst(500, 10.0, 0.0, seconds))

    assert disturbed([], 2) is None
    assert disturbed([took(0.2), took(2.0), Measured("ours", 2)], 2) is None
    expected = "disturbed: other processes took up to 25% of the machine (2 bursts)"
    assert disturbed([took(2.1), took(0.2), took(5.0)], 2) == expected


def test_only_what_is_needed_runs() -> None:
    """Figures share variants; idle orders are sent only where one of them asks for it."""
    _, figures = _parse(["--only", "burst,tail,million,hop-idle"])
    assert _needs(figures) == [
        Need("ours", idle=True),
        Need("stock", idle=True),
        Need("hop", idle=True),
        Need("million"),
    ]
    _, figures = _parse(["--only", "place"])
    assert _needs(figures) == [Need("ours", place=True)]


def test_growth_is_asked_for() -> None:
    """By the option, or by the name of a figure of it."""
    options, figures = _parse([])
    assert not options.growth
    assert not any(figure.growth for figure in figures)
    assert _parse(["--growth"])[0].growth
    assert _parse(["--only", "growth-workers"])[0].growth
    assert set(SIZES) <= set(options.__slots__)


@pytest.mark.parametrize("wrong", [["--only", "speed"], ["--rounds", "0"], ["--loaded", "-1"]])
def test_wrong_usage(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 2, and why."""
    with pytest.raises(SystemExit) as exited:
        _parse(wrong)
    assert exited.value.code == 2
    assert wrong[-1] in capsys.readouterr().err or wrong[0] in wrong


IDS = (
    Identity("aaaa", "order_id"),
    Identity("venue", "venue_order_id"),
    Identity("SPY", "symbol", whole=True),
)


@pytest.mark.parametrize(
    ("value", "type_", "expected"),
    [
        (None, "text", "NULL"),
        ("FILLED", "text", "'FILLED'"),
        ("it's", "text", "'it''s'"),
        ("", "text", "''"),
        ("aaaa", "uuid", "c.order_id"),
        ("venue-1", "text", "c.venue_order_id || '-1'"),
        ("SPY", "text", "c.symbol"),
        ("SPYDER", "text", "'SPYDER'"),
        ('{"symbol": "SPY"}', "jsonb", "'{\"symbol\": ' || to_json(c.symbol) || '}'"),
        (
            "2026-01-02 03:04:05+00",
            "timestamp with time zone",
            "'2026-01-02 03:04:05+00'::timestamptz - c.age",
        ),
    ],
)
def test_copied_value(value: str | None, type_: str, expected: str) -> None:
    """Ids and times become the copy's own; all else stays."""
    assert expression(value, type_, IDS) == expected


def test_copied_rows_are_numbered_on() -> None:
    """Each copy takes as many numbers as the original did, in the same order, per stream."""
    columns = (
        Column("event_no", "bigint", numbered=True),
        Column("stream", "text"),
        Column("sequence", "bigint"),
    )
    rows = (("7", "orders", "3"), ("9", "fills", "1"), ("10", "orders", "4"))
    numberings = {
        ("event_no", ""): Numbering(10, ("7", "9", "10")),
        ("sequence", "orders"): Numbering(4, ("3", "4")),
        ("sequence", "fills"): Numbering(1, ("1",)),
    }
    statement = " ".join(insert(Left("events", columns, rows), IDS, numberings).split())
    assert statement == (
        "INSERT INTO events (event_no, stream, sequence) OVERRIDING SYSTEM VALUE "
        "SELECT v.* FROM copies c CROSS JOIN LATERAL (VALUES "
        "((11 + (c.n - 1) * 3)::bigint, ('orders')::text, (5 + (c.n - 1) * 2)::bigint), "
        "((12 + (c.n - 1) * 3)::bigint, ('fills')::text, (2 + (c.n - 1) * 1)::bigint), "
        "((13 + (c.n - 1) * 3)::bigint, ('orders')::text, (6 + (c.n - 1) * 2)::bigint)"
        ") v ORDER BY c.n"
    )
