"""Bridge and terminal killed under load, as processes: nothing lost, nothing doubled."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.expert.kills import run_kills


def test_kills(tmp_path: Path) -> None:
    """Eight kill -9 among twenty-four orders and their closes."""
    asyncio.run(run_kills(tmp_path, None, seed=7))
