"""`make stateful`: random lives of brackets and reduce-only orders; see `machine`."""

from __future__ import annotations

import argparse
import json
import math
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from benchmarks.servers import Servers, servers
from tests.chaos.stateful.places import PLACES
from tests.chaos.stateful.running import lines, live


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.stateful", description=__doc__)
    parser.add_argument("--venue", choices=PLACES, action="append", help="default: all of them")
    parser.add_argument("--lives", type=int, default=20, help="of each kind, at each venue")
    parser.add_argument("--steps", type=int, default=30, help="of a life")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kind", choices=("clean", "faulty"), help="default: both")
    parser.add_argument("--shrink", action="store_true", help="look for a shorter failing life")
    parser.add_argument(
        "--minutes", type=float, default=math.inf, help="of each kind, at each venue, at most"
    )
    chosen = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))  # ends what was started, too
    kinds = (False, True) if chosen.kind is None else (chosen.kind == "faulty",)
    totals: Counter[str] = Counter()
    problems = 0
    home = Path(tempfile.mkdtemp(prefix="stateful-"))
    home.chmod(0o755)
    began = time.monotonic()
    try:
        with servers(home / "servers") as running:
            for name in chosen.venue or PLACES:
                for faulty in kinds:
                    problems += not _run(running, home, name, chosen, totals, faulty=faulty)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    figures = {
        **totals,
        "problems": problems,
        "seconds": round(time.monotonic() - began),
        "seed": chosen.seed,
    }
    print(json.dumps(figures))
    return 1 if problems else 0


def _run(
    of: Servers,
    home: Path,
    name: str,
    chosen: argparse.Namespace,
    totals: Counter[str],
    *,
    faulty: bool,
) -> bool:
    """One kind of lives at one place; True when nothing was wrong."""
    of.come_to_rest()
    place = PLACES[name]()
    label = f"{name}_{'faulty' if faulty else 'clean'}"
    with place.made(of.database(label), of.valkey.url, home / label):
        try:
            tally = live(
                place,
                faulty=faulty,
                lives=chosen.lives,
                steps=chosen.steps,
                seeded=chosen.seed,
                shrink=chosen.shrink,
                seconds=60 * chosen.minutes,
            )
        except AssertionError as error:
            print(f"PROBLEM at {name}: {error}", flush=True)
            return False
    print("\n".join(lines(name, tally, faulty=faulty)), flush=True)
    totals["lives"] += tally.lives
    totals["steps"] += tally.steps.total()
    totals["faults"] += tally.faults.total()
    totals["alerts"] += tally.alerts.total()
    for what, count in tally.events.items():
        totals[what] += count
    return True


if __name__ == "__main__":
    sys.exit(main())
