"""`make planted-bugs`: the mistakes that break a promise, each put in, and who catches it.

Each bug is made in a copy of the checkout, and the tests that guard against it are run there. One
that no test catches fails the run, and so does one whose lines are no longer found, or whose tests
fail without it, too.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.chaos.planted import BUGS
from tests.chaos.planted.trial import Trial, Trials


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.planted", description=__doc__)
    parser.add_argument("--only", default="", help="bugs whose name or file contains this")
    parser.add_argument("--jobs", type=int, default=min(os.cpu_count() or 1, 4))
    parser.add_argument("--trust", action="store_true", help="do not run the tests without a bug")
    parser.add_argument("--list", action="store_true", help="name the bugs and run nothing")
    chosen = parser.parse_args(arguments)
    bugs = [bug for bug in BUGS if chosen.only in bug.name or chosen.only in bug.file]
    if not bugs:
        sys.exit(f"no bug's name or file contains {chosen.only!r}")
    if chosen.list:
        print("\n".join(f"{bug.file}: {bug.name}" for bug in bugs))
        return 0
    trials, began = Trials(Path.cwd()), time.monotonic()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        idle = set[str]()
        if not chosen.trust:
            idle = trials.failing((test for bug in bugs for test in bug.tests), chosen.jobs)
            for test in sorted(idle):
                print(f"fails without any bug: {test}", flush=True)
        done = trials.run(bugs, chosen.jobs, lambda trial: print(_line(trial, idle), flush=True))
    except KeyboardInterrupt:
        trials.stop()
        sys.exit("stopped before the end")
    survivors = [trial.bug.name for trial in done if not _caught(trial, idle)]
    figures = {
        "bugs": len(bugs),
        "caught": len(bugs) - len(survivors),
        "survivors": survivors,
        "seconds": round(time.monotonic() - began),
    }
    print(json.dumps(figures))
    return 1 if survivors else 0


def _caught(trial: Trial, idle: set[str]) -> list[str]:
    """The tests that caught a bug; what fails without it does not count."""
    return [] if trial.problem else [test for test in trial.caught_by if test not in idle]


def _line(trial: Trial, idle: set[str]) -> str:
    caught = _caught(trial, idle)
    what = trial.problem or (f"caught by {caught[0]}" if caught else "SURVIVED")
    return f"{trial.bug.name}: {what} ({trial.seconds:.0f} s)"


if __name__ == "__main__":
    sys.exit(main())
