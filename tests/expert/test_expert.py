"""The Expert Advisor, built with g++, at a real bridge over HTTP and a simulated trade server."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from .cases import CASES, Case, run_case


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_case(case: Case, tmp_path: Path, expert: Path) -> None:
    """One of the cases that the terminal in Python passes, too."""
    asyncio.run(run_case(case, tmp_path, expert))
