"""In a worker of a mutation run: leave a mark once the mutated function is called.

A test that passes although the change was never reached has not failed to see it, and one that
fails without it has not caught it. The copy's `tasks` package calls `install` when it is imported.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from mutmut.mutation import trampoline

MARK = "EXECUTION_MUTATION_MARK"
"""Names the file that is the mark."""
MUTANT = "MUTANT_UNDER_TEST"
"""Names the mutant, for mutmut's own dispatch: `tasks.submit_order.x__send__mutmut_3`."""


def install() -> None:
    """Mark calls of the mutant under test in modules that are imported from here on."""
    if MARK not in os.environ:
        return
    mark = Path(os.environ[MARK])
    module, _, mutant = os.environ.get(MUTANT, "").rpartition(".")
    original = trampoline.wrap_in_trampoline

    def wrap_in_trampoline(
        mutants: dict[str, Callable[..., Any]],
        is_classmethod: bool = False,  # noqa: FBT001, FBT002
    ) -> Callable[..., Any]:
        wrap = original(mutants, is_classmethod)

        def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
            chosen: Callable[..., Any] = wrap(function)
            if function.__module__ != module:
                return chosen

            @wraps(function)
            def marked(*arguments: Any, **named: Any) -> Any:
                if mutant in mutants:
                    mark.touch()
                return chosen(*arguments, **named)

            return marked

        return decorate

    trampoline.wrap_in_trampoline = wrap_in_trampoline
