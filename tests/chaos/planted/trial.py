"""Tries bugs: each in a copy of the checkout of its own, some of them at once."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.chaos.planted.bug import Bug, plant

TRIAL_SECONDS = 300
"""For the tests of one bug."""
_IGNORED = shutil.ignore_patterns(
    *(".venv", ".git", "__pycache__", ".*_cache", ".execution", "build", "*.egg-info")
)


@dataclass(frozen=True, slots=True)
class Trial:
    """What became of a bug: the tests that failed of it, or why it could not be tried."""

    bug: Bug
    caught_by: tuple[str, ...] = ()
    problem: str | None = None
    seconds: float = 0.0


class Trials:
    """Runs tests in copies of `root`; `stop` ends what runs."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._running: set[subprocess.Popen[str]] = set()
        self._lock = threading.Lock()
        self._stopped = False

    def run(self, bugs: Sequence[Bug], jobs: int, say: Callable[[Trial], None]) -> list[Trial]:
        """Try some bugs, `jobs` at once; `say` is called as each is done."""
        with ThreadPoolExecutor(jobs) as pool:
            futures = [pool.submit(self._try, bug, say) for bug in bugs]
            return [future.result() for future in futures]

    def failing(self, tests: Iterable[str], jobs: int) -> set[str]:
        """Which of some tests fail without any bug: they prove nothing."""
        parallel = ("-n", str(jobs), "--dist", "loadfile") if jobs > 1 else ()
        seconds = TRIAL_SECONDS * 6
        with self._copy() as copy:
            return set(self._failures(copy, sorted(set(tests)), parallel, seconds))

    def stop(self) -> None:
        """End what runs, with all its processes, and begin nothing more."""
        with self._lock:
            self._stopped = True
            for process in self._running:
                _end(process)

    def _try(self, bug: Bug, say: Callable[[Trial], None]) -> Trial:
        began = time.monotonic()
        try:
            with self._copy() as copy:
                plant(bug, copy)
                caught = self._failures(copy, bug.tests, ("-x",), TRIAL_SECONDS)
            trial = Trial(bug, tuple(caught), None, time.monotonic() - began)
        except (LookupError, subprocess.TimeoutExpired) as error:
            trial = Trial(bug, (), str(error), time.monotonic() - began)
        say(trial)
        return trial

    def _failures(
        self, copy: Path, tests: Sequence[str], options: Sequence[str], seconds: float
    ) -> list[str]:
        """The tests that failed; LookupError when they did not run."""
        with self._lock:
            if self._stopped:
                raise LookupError("stopped")
            process = subprocess.Popen(
                [sys.executable, "-m", "pytest", "-q", "--no-header", "-rfE", *options, *tests],
                cwd=copy,
                env={**os.environ, "PYTHONPATH": str(copy)},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
            self._running.add(process)
        try:
            output, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            _end(process)
            raise
        finally:
            with self._lock:
                self._running.discard(process)
        if process.returncode not in {0, 1}:
            raise LookupError(f"the tests did not run\n{output[-2000:]}")
        return re.findall(r"^(?:FAILED|ERROR) (\S+)", output, re.MULTILINE)

    @contextmanager
    def _copy(self) -> Iterator[Path]:
        folder = Path(tempfile.mkdtemp(prefix="planted-"))
        folder.chmod(0o755)
        copy = folder / "checkout"
        try:
            shutil.copytree(self._root, copy, ignore=_IGNORED)
            yield copy
        finally:
            _end_all_of(copy)
            shutil.rmtree(folder, ignore_errors=True)


def _end_all_of(copy: Path) -> None:
    """End what tests in a copy have left behind, such as servers of a run that was stopped."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get("PYTHONPATH") == str(copy):
                process.kill()


def _end(process: subprocess.Popen[str]) -> None:
    """Let pytest end what it started; then end it."""
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
