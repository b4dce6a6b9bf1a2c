"""`make planted-bugs`: the mistakes that lose or double orders, each put in, and who catches it.

Each bug is made in a copy of the checkout, and the tests that guard against it are run there. One
that no test catches fails the run, and so does one whose lines are no longer found.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_TIMEOUT = 600


@dataclass(frozen=True, slots=True)
class Bug:
    """One mistake: in `file`, `right` becomes `wrong`; some of `tests` must fail of it."""

    name: str
    file: str
    right: str
    wrong: str
    tests: tuple[str, ...]


BUGS: tuple[Bug, ...] = ()


def plant(bug: Bug, copy: Path) -> None:
    """Put the bug into a copy of the checkout."""
    file = copy / bug.file
    text = file.read_text(encoding="utf-8")
    if text.count(bug.right) != 1:
        raise LookupError(f"{bug.name}: its lines are {text.count(bug.right)} times in {bug.file}")
    file.write_text(text.replace(bug.right, bug.wrong), encoding="utf-8")


def caught_by(bug: Bug, root: Path) -> list[str]:
    """The tests that fail with the bug in; LookupError when it cannot be put in."""
    folder = Path(tempfile.mkdtemp(prefix="planted-"))
    try:
        copy = folder / "checkout"
        ignored = shutil.ignore_patterns(".venv", ".git", "__pycache__", ".*_cache", ".execution")
        shutil.copytree(root, copy, ignore=ignored)
        plant(bug, copy)
        ran = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-x", "--no-header", "-rf", *bug.tests],
            cwd=copy,
            env={**os.environ, "PYTHONPATH": str(copy)},
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
            check=False,
        )
        if ran.returncode not in {0, 1}:
            raise LookupError(f"{bug.name}: the tests did not run\n{ran.stdout[-2000:]}")
        return re.findall(r"^(?:FAILED|ERROR) (\S+)", ran.stdout, re.MULTILINE)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.planted", description=__doc__)
    parser.add_argument("--only", default="", help="bugs whose name contains this")
    only = parser.parse_args(arguments).only
    root, survivors, began = Path.cwd(), [], time.monotonic()
    chosen = [bug for bug in BUGS if only in bug.name]
    for bug in chosen:
        try:
            caught = caught_by(bug, root)
        except (LookupError, subprocess.TimeoutExpired) as error:
            survivors.append(bug.name)
            print(f"{bug.name}: {error}", flush=True)
            continue
        if not caught:
            survivors.append(bug.name)
        print(f"{bug.name}: {'caught by ' + caught[0] if caught else 'SURVIVED'}", flush=True)
    seconds = time.monotonic() - began
    print(f"{len(chosen)} bugs planted, {len(chosen) - len(survivors)} caught in {seconds:.0f} s")
    return 1 if survivors or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
