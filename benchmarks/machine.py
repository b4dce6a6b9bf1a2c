"""What the figures were measured on and with."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from execution.supervisor.services import project_root


def describe() -> dict[str, Any]:
    """The machine, the versions and the commit, for the JSON line."""
    return {
        "cpu": _cpu(),
        "cores": psutil.cpu_count(),
        "ram_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        **{name: version(name) for name in ("celery", "kombu", "redis", "sqlalchemy")},
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "load_before": round(os.getloadavg()[0], 2),
    }


def stolen(before: float) -> dict[str, float]:
    """How much of the machine's time its host took away since `before` (see `steal_seconds`)."""
    return {"steal_s": round(steal_seconds() - before, 1)}


def steal_seconds() -> float:
    """Seconds of CPU time that a virtual machine's host has kept, since the start."""
    return float(getattr(psutil.cpu_times(), "steal", 0.0))


def others_seconds() -> float:
    """CPU seconds of processes that are neither this one nor below it; only differences mean much.

    A process of ours that has ended counts among them.
    """
    machine = psutil.cpu_times()
    ours = 0.0
    for process in [me := psutil.Process(), *me.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            used = process.cpu_times()
            ours += used.user + used.system
    return machine.user + machine.nice + machine.system - ours


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    models = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.processor())


def _commit() -> str | None:
    """The commit, with a + when files differ from it; None without git."""
    git, root = shutil.which("git"), project_root()
    if git is None or not (root / ".git").exists():
        return None

    def ask(*arguments: str) -> str:
        return subprocess.check_output([git, *arguments], cwd=root, text=True).strip()

    return ask("rev-parse", "HEAD") + ("+" if ask("status", "--porcelain") else "")
