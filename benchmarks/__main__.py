"""Measures, prints the table, and ends with one line of JSON: `python -m benchmarks --help`."""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.errors import MeasurementFailed
from benchmarks.figures import FIGURES, Figure, Row
from benchmarks.measure import Measured
from benchmarks.report import disturbed, json_line, table, trial
from benchmarks.servers import servers
from benchmarks.variants import Bench, Need, Options
from execution.domain.errors import ExecutionError
from execution.settings import Settings

SIZES = ("rounds", "orders", "idle", "loaded")
"""The options that make a run a trial when they are not the default."""
ONCE = "waiting"
"""The variant that is measured once: in it a fleet grows."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 0 unless something was broken; what misses its target only says so."""
    options, figures = _parse(arguments)
    for name in Settings.model_fields:  # what the service runs with is its defaults
        os.environ.pop(name.upper(), None)
        os.environ.pop(f"{name.upper()}_FILE", None)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    facts: dict[str, Any] = {"options": asdict(options), "machine": machine.describe()}
    results: dict[str, list[Measured]] = {}
    stolen = machine.steal_seconds()
    home = Path(tempfile.mkdtemp(prefix="execution-bench-"))
    try:
        _measure(home / "home", options, figures, results, facts)
    except (MeasurementFailed, ExecutionError, TimeoutError) as error:
        facts["error"] = str(error)
        sys.stderr.write(f"broken: {error}; the logs are in {home}\n")
    finally:
        if "error" not in facts:
            shutil.rmtree(home)
    facts["machine"] |= machine.stolen(stolen)
    everything = [found for rounds in results.values() for found in rounds]
    facts["rounds"] = [found.as_json() for found in everything]
    rows = [Row(figure, figure.read(results)) for figure in figures]
    sizes = {name: asdict(options)[name] for name in SIZES}
    facts["trial"] = trial(sizes, {name: asdict(Options())[name] for name in SIZES})
    facts["disturbed"] = disturbed(everything, facts["machine"]["cores"])
    notes = filter(None, [facts["trial"], facts["disturbed"]])
    lines = [table(rows), *notes, json_line(rows, **facts)]
    sys.stderr.flush()
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if "error" in facts else 0


def _measure(
    home: Path,
    options: Options,
    figures: Sequence[Figure],
    results: dict[str, list[Measured]],
    facts: dict[str, Any],
) -> None:
    needs = _needs(figures)
    chance = random.Random(options.seed)  # noqa: S311 - the order of variants
    with servers(home) as running:
        facts["machine"] |= running.versions()
        bench = Bench(running, options)
        for need in needs:
            bench.prepare(need.variant)
        facts["loaded"] = {name: asdict(loaded) for name, loaded in bench.loaded.items()}
        for number in range(1, options.rounds + 1):
            order = [need for need in needs if number == 1 or need.variant != ONCE]
            chance.shuffle(order)
            for need in order:
                for measured in bench.run(need, number):
                    results.setdefault(measured.variant, []).append(measured)


def _needs(figures: Sequence[Figure]) -> list[Need]:
    """What the figures need, each variant once."""
    merged: dict[str, Need] = {}
    for need in (need for figure in figures for need in figure.needs):
        known = merged.get(need.variant, need)
        merged[need.variant] = Need(
            need.variant, idle=known.idle or need.idle, place=known.place or need.place
        )
    return list(merged.values())


def _parse(arguments: Sequence[str] | None) -> tuple[Options, list[Figure]]:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    default = Options()
    parser.add_argument("--rounds", type=int, default=default.rounds)
    parser.add_argument("--orders", type=int, default=default.orders, help="in a burst")
    parser.add_argument("--idle", type=int, default=default.idle, help="idle orders in a round")
    parser.add_argument("--loaded", type=int, default=default.loaded, help="orders of `million`")
    parser.add_argument("--seed", type=int, default=default.seed, help="of order and pauses")
    parser.add_argument("--growth", action="store_true", help="how cost grows, too (slow)")
    parser.add_argument(
        "--only", help=f"figures, separated by commas: {', '.join(f.name for f in FIGURES)}"
    )
    said = parser.parse_args(arguments)
    only = said.only.split(",") if said.only else None
    unknown = set(only or ()) - {figure.name for figure in FIGURES}
    if unknown:
        parser.error(f"no figure is called {', '.join(sorted(unknown))}")
    if min(said.rounds, said.orders, said.idle, said.loaded) < 1:
        parser.error("--rounds, --orders, --idle and --loaded must be 1 or more")
    figures = [
        figure
        for figure in FIGURES
        if (figure.name in only if only is not None else said.growth or not figure.growth)
    ]
    growth = any(figure.growth for figure in figures)
    options = Options(said.rounds, said.orders, said.idle, said.loaded, said.seed, growth)
    return options, figures


if __name__ == "__main__":
    sys.exit(main())
