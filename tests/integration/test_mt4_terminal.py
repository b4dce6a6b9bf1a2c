"""The terminal in Python, at a real bridge over HTTP: the cases that the expert passes, too."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.expert.cases import CASES, Case, run_case


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_case(case: Case, tmp_path: Path) -> None:
    """One of `tests.expert.cases`."""
    asyncio.run(run_case(case, tmp_path))
