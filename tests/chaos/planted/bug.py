"""A mistake, and how it is put into a copy of the checkout."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Bug:
    """One mistake: in `file`, `right` becomes `wrong`; some of `tests` must fail of it.

    `tests` are what pytest takes: files, or tests of them; the fewest and fastest that do.
    """

    name: str
    file: str
    right: str
    wrong: str
    tests: tuple[str, ...]


def misfit(bug: Bug, root: Path) -> str | None:
    """Why a bug can no longer be put in; None when it can."""
    file = root / bug.file
    if not file.exists():
        return f"{bug.file} is gone"
    count = file.read_text(encoding="utf-8").count(bug.right)
    if count != 1:
        return f"its lines are {count} times in {bug.file}"
    missing = [test for test in bug.tests if not (root / test.partition("::")[0]).exists()]
    return f"{missing[0]} is gone" if missing else None


def plant(bug: Bug, copy: Path) -> None:
    """Put the bug into a copy of the checkout. LookupError where it does not fit any more."""
    problem = misfit(bug, copy)
    if problem is not None:
        raise LookupError(problem)
    file = copy / bug.file
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace(bug.right, bug.wrong), encoding="utf-8")
