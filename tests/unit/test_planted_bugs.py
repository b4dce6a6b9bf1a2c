"""Each planted bug can still be put in, and its tests are there."""

from __future__ import annotations

from pathlib import Path

import pytest

from execution.supervisor.services import project_root
from tests.chaos.planted import BUGS
from tests.chaos.planted.bug import Bug, misfit, plant


@pytest.mark.parametrize("bug", BUGS, ids=[bug.name for bug in BUGS])
def test_bug_fits(bug: Bug) -> None:
    """Its lines are in the code once, they change, and what must catch it exists."""
    assert misfit(bug, project_root()) is None
    assert all(edit.right != edit.wrong for edit in bug.edits)
    for test in bug.tests:
        file, _, name = test.partition("::")
        text = (project_root() / file).read_text(encoding="utf-8")
        assert not name or f"def {name.partition('[')[0]}(" in text


def test_names_are_their_own() -> None:
    """A survivor is named by its name alone."""
    assert len({bug.name for bug in BUGS}) == len(BUGS)


def test_bug_that_does_not_fit(tmp_path: Path) -> None:
    """Lines that are not there, or there twice, or tests that are gone, are named."""
    bug = Bug("a bug", "a.py", "x = 1\n", "x = 2\n", ("t.py::test_x",))
    assert misfit(bug, tmp_path) == "a.py is gone"
    (tmp_path / "a.py").write_text("y = 1\n")
    assert misfit(bug, tmp_path) == "its lines are 0 times in a.py"
    (tmp_path / "a.py").write_text("x = 1\n")
    assert misfit(bug, tmp_path) == "t.py::test_x is gone"
    (tmp_path / "t.py").write_text("")
    plant(bug, tmp_path)
    assert (tmp_path / "a.py").read_text() == "x = 2\n"
    with pytest.raises(LookupError):
        plant(bug, tmp_path)
