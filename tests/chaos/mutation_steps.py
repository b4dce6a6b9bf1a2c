"""A sample of mutants of the steps, each judged by tests that run real workers with it.

mutmut forks its own process for each mutant; a step runs in worker processes that a test starts.
They take the mutant's name from their environment, import the copy that holds all mutants, and
leave a mark when the mutated function is called (`tests.chaos.mutation_mark`).
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import psutil

from tests.chaos.mutation_mark import MARK, MUTANT

RUN = "EXECUTION_MUTATION_RUN"
_LONGEST = 400  # seconds for all of a mutant's tests
_ORDERS = "tests/acceptance/test_orders.py"
_COMMANDS = "tests/acceptance/test_cancel_modify.py"
_FIRST = "tests/chaos/test_first_faults.py"
_DUPLICATES = "tests/chaos/test_duplicates.py"
_LIFE = (
    "tests/acceptance/test_every_step_a_message.py",
    _ORDERS,
    f"{_DUPLICATES}::test_every_message_again",
    f"{_FIRST}::test_a_step_that_fails_is_taken_up_again",
)
_ALSO = {
    "tasks.arbitrage": ("tests/brokers/test_nav_groups.py",),
    "tasks.await_fill": ("tests/acceptance/test_executions.py",),
    "tasks.cancel_order": (_COMMANDS,),
    "tasks.modify_order": (_COMMANDS,),
    "tasks.instruct": (_COMMANDS,),
    "tasks.execute_command": (_COMMANDS, "tests/acceptance/test_modify_faults.py"),
    "tasks.connect_gateway": (f"{_FIRST}::test_a_broker_nobody_serves",),
    "tasks.persist_fill": ("tests/acceptance/test_brackets.py",),
    "tasks.persist_order": (f"{_COMMANDS}::test_cancel_before_place",),
    "tasks.recover_orders": (
        f"{_FIRST}::test_valkey_loses_everything",
        f"{_FIRST}::test_a_broker_nobody_serves",
    ),
    "tasks.submit_order": (
        f"{_DUPLICATES}::test_every_message_at_once_on_the_way",
        f"{_FIRST}::test_a_worker_that_hangs_in_a_send",
        f"{_FIRST}::test_kill_on_either_side_of_the_send",
    ),
}
# What only a few tests call is judged by these alone.
_ONLY_ALSO = ("cancel_order", "modify_order", "instruct", "execute_command", "recover_orders")


def tests_for(mutant: str) -> tuple[str, ...]:
    """The tests that fit a mutant, by its module; those that see the most come first."""
    module = ".".join(mutant.split(".")[:2])
    if module.removeprefix("tasks.") in _ONLY_ALSO:
        return _ALSO[module]
    return (*_LIFE, *_ALSO.get(module, ()))


def judge(mutant: str, copy: Path) -> tuple[str, str]:
    """What became of one mutant, and which test says so.

    Killed is only what was called, made a test fail, and does not make it fail when it is not
    called: "killed", "survived", "timeout", "no tests" (nothing called it) or "suspicious".
    """
    copy = copy.resolve()
    mark = copy / "marks" / uuid4().hex
    mark.parent.mkdir(exist_ok=True)
    code, said = _pytest(copy, tests_for(mutant), mutant, mark)
    called = mark.exists()
    mark.unlink(missing_ok=True)
    if code is None:
        return "timeout", said
    if code == 0:
        return ("survived" if called else "no tests"), ""
    failed = re.search(r"^(?:FAILED|ERROR) (.+?::.+?)(?: - .*)?$", said, re.MULTILINE)
    test = failed.group(1) if failed else None
    if code != 1 or test is None or not called:
        return "suspicious", f"pytest ended with {code}, failed: {test}, called: {called}"
    if _pytest(copy, (test,), "", mark)[0] != 0:
        return "suspicious", f"{test} fails without it, too"
    return "killed", test


def _pytest(copy: Path, tests: tuple[str, ...], mutant: str, mark: Path) -> tuple[int | None, str]:
    """Run tests in the copy: pytest's exit status (None: too long) and what it said."""
    mutants, run = copy / "mutants", uuid4().hex
    command = [sys.executable, "-m", "pytest", "-q", "-x", "--no-header", "--tb=no", "-rfE"]
    with subprocess.Popen(
        [*command, "-p", "no:cacheprovider", *tests],
        cwd=mutants,
        env={
            **os.environ,
            "PYTHONPATH": str(mutants),
            MUTANT: mutant,
            MARK: str(mark),
            RUN: run,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            said, _ = process.communicate(timeout=_LONGEST)
        except subprocess.TimeoutExpired:
            said = ""
        finally:
            # Its workers live in sessions of their own.
            _end_all(run)
    return (process.returncode if said else None), said


def _end_all(run: str) -> None:
    """Kill every process that carries a run's mark in its environment."""
    for process in psutil.process_iter():
        try:
            if process.environ().get(RUN) == run:
                process.send_signal(signal.SIGKILL)
        except psutil.Error:
            continue
