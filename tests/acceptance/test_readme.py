"""The README's Python is run as it stands."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fleet import Fleet

ROOT = Path(__file__).parents[2]
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)


@pytest.fixture
def consumer(fleet: Fleet) -> subprocess.Popen[str]:
    """The README's consumer, subscribed."""
    program = BLOCKS[2].replace("for message in", "print('listening', flush=True)\nfor message in")
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", program],
        env=fleet.environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "listening\n"
    return process


def test_producers_and_consumer(fleet: Fleet, consumer: subprocess.Popen[str]) -> None:
    """Both producers' orders are filled, and the consumer prints both fills."""
    for program in BLOCKS[:2]:
        done = subprocess.run(
            [sys.executable, "-c", program],
            env=fleet.environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("ACCEPTED None\n64001")
    assert consumer.stdout is not None
    heard = {consumer.stdout.readline().split()[1] for _ in range(2)}
    consumer.kill()
    consumer.wait()
    consumer.stdout.close()
    assert heard == {"a-1", "a-2"}
