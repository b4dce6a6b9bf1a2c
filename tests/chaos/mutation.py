"""`make mutation`: mutmut changes the domain and the steps, and the tests are to notice.

Prints each survivor with its change, the counts, and one line of JSON. The score is a figure, not
a bound: only a run that breaks exits with 1. Killed is a mutant that a test failed of, and nothing
else; what no test reaches counts against the score, and what was not tried for nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from mutmut.stats import status_by_exit_code

from tests.chaos.mutation_copy import DOMAIN, STEPS, refresh
from tests.chaos.mutation_steps import judge

COPY = Path(".mutation_cache")
KILLED, NOT_RUN = "killed", "not run"
OUTCOMES = (KILLED, "survived", "timeout", "suspicious", "no tests", NOT_RUN)
# These run in the copy, where mutmut finds its settings and its files.
_GENERATE = """
from pathlib import Path
from mutmut.__main__ import copy_also_copy_files, copy_src_dir, create_mutants
Path("mutants").mkdir(exist_ok=True)
copy_src_dir()
copy_also_copy_files()
create_mutants(1)
"""
_SHOW = """
import sys
from mutmut.mutation.diff_apply import get_diff_for_mutant
for name in sys.argv[1:]:
    print(name)
    for line in get_diff_for_mutant(name).splitlines():
        if line[:1] in "+-" and line[:3] not in ("+++", "---"):
            print(f"    {line}")
"""
# A loop that never ends may also fill the memory: two gigabytes are enough for any test.
_RUN = """
import resource, sys
from mutmut.__main__ import cli
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
cli(["run", "--max-children", sys.argv[1]])
"""
_PATIENCE = 60


class BrokenRun(Exception):
    """The run cannot go on; the message says why."""


def prepare(root: Path, copy: Path) -> None:
    """Bring the copy up to date and let mutmut write all mutants into it."""
    refresh(root, copy)
    made = _python(copy, _GENERATE)
    if made.returncode:
        raise BrokenRun(f"mutmut made no mutants:\n{made.stdout[-1000:]}{made.stderr[-3000:]}")


def _python(copy: Path, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=copy,
        capture_output=True,
        text=True,
        check=False,
    )


def noted(copy: Path, part: str) -> dict[str, str]:
    """What mutmut has noted of each mutant of a part, by its name."""
    found = {}
    for meta in sorted((copy / "mutants" / part).rglob("*.py.meta")):
        for mutant, code in json.loads(meta.read_text())["exit_code_by_key"].items():
            status = NOT_RUN if code is None else status_by_exit_code[code]
            found[mutant] = status if status in OUTCOMES else "suspicious"
    return found


def forget(copy: Path) -> None:
    """Let everything that was not killed be tried again."""
    for meta in (copy / "mutants" / DOMAIN).rglob("*.py.meta"):
        known = json.loads(meta.read_text())
        known["exit_code_by_key"] = {
            mutant: code if status_by_exit_code[code] == KILLED else None
            for mutant, code in known["exit_code_by_key"].items()
        }
        meta.write_text(json.dumps(known))


def run_domain(copy: Path, jobs: int, seconds: float) -> dict[str, str]:
    """Let mutmut try the mutants of the domain, as many as the time allows."""
    forget(copy)
    log = copy / "mutmut.log"
    with log.open("w") as said:
        process = subprocess.Popen(
            [sys.executable, "-c", _RUN, str(jobs)],
            cwd=copy,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)  # it writes down what it has so far
            process.wait(_PATIENCE)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    outcomes = noted(copy, DOMAIN)
    left = sum(outcome == NOT_RUN for outcome in outcomes.values())
    if left == len(outcomes) or process.returncode:
        raise BrokenRun(f"mutmut ended with {process.returncode}:\n{log.read_text()[-3000:]}")
    return outcomes


def run_steps(copy: Path, chosen: Sequence[str], seconds: float) -> dict[str, str]:
    """Try mutants of the steps, as many as the time allows."""
    outcomes, until = dict.fromkeys(chosen, NOT_RUN), time.monotonic() + seconds
    for mutant in chosen:
        if time.monotonic() > until:
            break
        began = time.monotonic()
        outcomes[mutant], what = judge(mutant, copy)
        print(
            f"{outcomes[mutant]:10} {time.monotonic() - began:4.0f} s  {mutant}  {what}", flush=True
        )
    return outcomes


def expect_kills(outcomes: Mapping[str, str]) -> None:
    """Refuse a sample of which nothing was killed: then the workers did not run the mutants."""
    if KILLED not in outcomes.values():
        raise BrokenRun(f"none of {len(outcomes)} mutants of the steps was killed")


def summary(outcomes: Mapping[str, str]) -> dict[str, float]:
    """The counts, and the score: what part of all that were tried was killed, in percent."""
    counted = Counter(outcomes.values())
    tried = len(outcomes) - counted[NOT_RUN]
    counts = {outcome.replace(" ", "_"): counted[outcome] for outcome in OUTCOMES}
    score = round(100 * counted[KILLED] / tried, 1) if tried else 0.0
    return {"mutants": len(outcomes), **counts, "score": score}


def show_survivors(copy: Path, outcomes: Mapping[str, str]) -> None:
    """Print every mutant that was tried and not killed, with its change."""
    for outcome in OUTCOMES:
        those = [mutant for mutant, became in outcomes.items() if became == outcome]
        if those and outcome not in {KILLED, NOT_RUN}:
            print(f"\n{outcome}:\n{_python(copy, _SHOW, *those).stdout}")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.mutation", description=__doc__)
    parser.add_argument("--only", choices=("domain", "steps"), help="one of the two parts")
    parser.add_argument("--jobs", type=int, default=2, help="mutants of the domain at once")
    parser.add_argument("--sample", type=int, default=40, help="how many mutants of the steps")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the sample")
    parser.add_argument("--minutes", type=float, default=30, help="at most, for each part")
    parser.add_argument("--again", action="store_true", help="of the domain what survived")
    parser.add_argument("--mutant", action="append", help="a mutant of the steps, for the sample")
    options = parser.parse_args(arguments)
    found: dict[str, dict[str, float]] = {}
    try:
        if not options.again:
            shutil.rmtree(COPY, ignore_errors=True)
        prepare(Path.cwd(), COPY)
        if options.only != "steps":
            outcomes = run_domain(COPY, options.jobs, options.minutes * 60)
            show_survivors(COPY, outcomes)
            found["domain"] = summary(outcomes)
        if options.only != "domain":
            every = sorted(noted(COPY, STEPS))
            # S311: a sample is no secret.
            draw = random.Random(options.seed)  # noqa: S311
            chosen = options.mutant or draw.sample(every, min(options.sample, len(every)))
            print(f"steps: {len(chosen)} of {len(every)} mutants, seed {options.seed}", flush=True)
            outcomes = run_steps(COPY, chosen, options.minutes * 60)
            if not options.mutant:
                expect_kills(outcomes)
            show_survivors(COPY, outcomes)
            found["steps"] = {"of": len(every), "seed": options.seed, **summary(outcomes)}
    except BrokenRun as broken:
        print(f"broken: {broken}")
        return 1
    for part, counts in found.items():
        print(f"{part}: {', '.join(f'{name} {value}' for name, value in counts.items())}")
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
