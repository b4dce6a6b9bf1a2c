"""What mutmut is given to change: the bodies of decorated functions as functions of their own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.mutation_copy import DOMAIN, STEPS, refresh, without_decorated_bodies

SOURCE = '''
from functools import wraps


def twice(function):
    @wraps(function)
    def inner(*arguments, **named):
        return 2 * function(*arguments, **named)

    return inner


class Box:
    def __init__(self, held):
        self.held = held

    @property
    def half(self):
        """Half of it."""
        return self.held / 2

    @staticmethod
    def plain(held):
        return Box(held)

    @classmethod
    @twice
    def of(cls, *held):
        # All of it.
        return sum(held)

    @twice
    def times(self, factor, /, more=0, *, less=0, **named):
        text = """
        indented"""
        return self.held * factor + more - less + len(text) + len(named)


class Larger(Box):
    @property
    def half(self):
        return super().half + 1


@twice
def add(
    left,
    right=1,
):
    if right:
        return left + right
    return left


def last():
    return add(3)
'''


def names(text: str) -> dict[str, Any]:
    """A module's names."""
    found: dict[str, Any] = {}
    exec(text, found)  # noqa: S102 - the text is this test's own
    return found


USES: list[Callable[[dict[str, Any]], Any]] = [
    lambda module: module["Box"](6).half,
    lambda module: module["Larger"](6).half,
    lambda module: module["Box"].plain(6).held,
    lambda module: module["Box"].of(1, 2, 3),
    lambda module: module["Box"](6).times(5),
    lambda module: module["Box"](6).times(5, 4, less=3, other=2),
    lambda module: module["add"](3, right=0),
    lambda module: module["last"](),
]


@pytest.mark.parametrize("use", USES)
def test_it_does_the_same(use: Callable[[dict[str, Any]], Any]) -> None:
    """Whatever is called, with defaults and without, gives what it gave."""
    assert use(names(without_decorated_bodies(SOURCE))) == use(names(SOURCE))


def test_bodies_stand_alone() -> None:
    """Each decorated body is a plain function now, save where it needs its class."""
    module = names(without_decorated_bodies(SOURCE))
    bodies = {name for name in module if name.startswith("_body_of")}
    assert bodies == {"_body_of_Box_half", "_body_of_Box_of", "_body_of_Box_times", "_body_of_add"}
    assert module["_body_of_add"](3, 4) == 7


def test_only_what_has_changed_is_written(tmp_path: Path) -> None:
    """A second copy leaves alone what is as it was, and takes away what is gone."""
    root, copy = tmp_path / "root", tmp_path / "copy"
    step, gone = root / STEPS / "step.py", root / DOMAIN / "gone.py"
    for path in (root / STEPS / "__init__.py", step, gone, root / "celeryconfig.py"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("@print\ndef step():\n    pass\n", encoding="utf-8")
    refresh(root, copy)
    assert "_body_of_step" in (copy / STEPS / "step.py").read_text(encoding="utf-8")
    assert "install()" in (copy / STEPS / "__init__.py").read_text(encoding="utf-8")
    assert (copy / "celeryconfig.py").read_bytes() == (root / "celeryconfig.py").read_bytes()
    before = (copy / STEPS / "step.py").stat().st_mtime_ns
    (root / "celeryconfig.py").write_text("changed = True\n", encoding="utf-8")
    gone.unlink()
    refresh(root, copy)
    assert (copy / STEPS / "step.py").stat().st_mtime_ns == before
    assert (copy / "celeryconfig.py").read_text(encoding="utf-8") == "changed = True\n"
    assert not (copy / DOMAIN / "gone.py").exists()
