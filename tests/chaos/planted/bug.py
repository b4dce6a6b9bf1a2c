"""A mistake, and how it is put into a copy of the checkout."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Edit:
    """In `file`, `right` becomes `wrong`."""

    file: str
    right: str
    wrong: str


@dataclass(frozen=True, slots=True)
class Bug:
    """One mistake: in `file`, `right` becomes `wrong`; some of `tests` must fail of it.

    `also` are further edits, where one alone does no harm. `tests` are what pytest takes: files, or
    tests of them; the fewest and fastest that do.
    """

    name: str
    file: str
    right: str
    wrong: str
    tests: tuple[str, ...]
    also: tuple[Edit, ...] = ()

    @property
    def edits(self) -> tuple[Edit, ...]:
        """All of it."""
        return (Edit(self.file, self.right, self.wrong), *self.also)


def misfit(bug: Bug, root: Path) -> str | None:
    """Why a bug can no longer be put in; None when it can."""
    for edit in bug.edits:
        file = root / edit.file
        if not file.exists():
            return f"{edit.file} is gone"
        count = file.read_text(encoding="utf-8").count(edit.right)
        if count != 1:
            return f"its lines are {count} times in {edit.file}"
    missing = [test for test in bug.tests if not (root / test.partition("::")[0]).exists()]
    return f"{missing[0]} is gone" if missing else None


def plant(bug: Bug, copy: Path) -> None:
    """Put the bug into a copy of the checkout. LookupError where it does not fit any more."""
    problem = misfit(bug, copy)
    if problem is not None:
        raise LookupError(problem)
    for edit in bug.edits:
        file = copy / edit.file
        text = file.read_text(encoding="utf-8")
        file.write_text(text.replace(edit.right, edit.wrong), encoding="utf-8")
