"""Fault points: off by default and in production, fired once, by order, at each commit."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from execution import faultpoints
from execution.faultpoints import InjectedFault, committed, committing, reach, within
from tests.fleet import wait_until


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of armed points of this process."""
    monkeypatch.setattr(faultpoints, "_FOLDER", tmp_path)
    return tmp_path


def test_fires_once(folder: Path) -> None:
    """The first to reach an armed point takes it; what is not armed does nothing."""
    (folder / "step:begin").write_text("raise")
    reach("step:end")
    with pytest.raises(InjectedFault, match="raise at step:begin"):
        reach("step:begin", "o1")
    reach("step:begin", "o1")
    assert [path.name for path in folder.iterdir()] == [f"step:begin.fired.{os.getpid()}"]


def test_for_one_order_only(folder: Path) -> None:
    """A point that is armed with a key waits for it."""
    (folder / "step:begin@o2").write_text("raise")
    reach("step:begin", "o1")
    with pytest.raises(InjectedFault):
        reach("step:begin", "o2")


def test_commits_are_numbered_within_a_step(folder: Path) -> None:
    """Before and after each commit is a point of the step that runs in this thread."""
    (folder / "reached").mkdir()
    committing()
    committed()
    with within("outer"):
        committing()
        committed()
        with within("inner", "o1"):
            committing()
        committing()
    committing()
    assert {path.name for path in (folder / "reached").iterdir()} == {
        "outer:commit_1:before",
        "outer:commit_1:after",
        "outer:commit_2:before",
        "inner:commit_1:before",
    }


def test_a_hang_goes_on_when_it_is_let_go(folder: Path) -> None:
    """It ends with its file, and the process goes on as if nothing had happened."""
    (folder / "step:begin").write_text("hang")
    thread = threading.Thread(target=reach, args=("step:begin",))
    thread.start()
    taken = folder / f"step:begin.fired.{os.getpid()}"
    wait_until(taken.exists, what="the hang")
    assert thread.is_alive()
    taken.unlink()
    thread.join(10)
    assert not thread.is_alive()


@pytest.mark.parametrize(
    ("environment", "fires"),
    [
        ({"EXECUTION_FAULT_FOLDER": "{}"}, True),
        ({"EXECUTION_FAULT_FOLDER": "{}", "EXECUTION_ENVIRONMENT": "production"}, False),
        ({}, False),
    ],
)
def test_never_in_production(tmp_path: Path, environment: dict[str, str], fires: bool) -> None:  # noqa: FBT001
    """Without the folder, and in production with it, an armed point does nothing."""
    (tmp_path / "step:begin").write_text("kill")
    ran = subprocess.run(
        [sys.executable, "-c", "from execution.faultpoints import reach; reach('step:begin')"],
        env={
            **{name: value for name, value in os.environ.items() if "EXECUTION" not in name},
            **{name: value.format(tmp_path) for name, value in environment.items()},
        },
        check=False,
        timeout=30,
    )
    assert ran.returncode == (-9 if fires else 0)
