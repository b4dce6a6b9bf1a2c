"""Writes what the images install, with hashes: `make requirements`. Needs a package index.

pip says which files it would take, and their hashes; no address is kept. Hashes of the same
version that are there already stay, so that running it on another platform adds that platform's.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
PYTHON = (3, 11)
"""Of the images."""
BRIDGE = ("fastapi", "uvicorn", "structlog")
PINNED = re.compile(
    r"^([A-Za-z0-9._-]+)==(\S+)((?: \\\n    --hash=sha256:[0-9a-f]{64})+)$", re.MULTILINE
)
HEAD = "# What {} installs: `make requirements` renews it from constraints.txt.\n"


def main() -> int:
    """Write both files. Exit status 1: another Python than that of the images."""
    if sys.version_info[:2] != PYTHON:
        sys.stderr.write(f"needs Python {PYTHON[0]}.{PYTHON[1]}, as the images have it\n")
        return 1
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    write(ROOT / "requirements.txt", "Dockerfile", [*project["dependencies"], "setuptools>=77"])
    write(ROOT / "mt4_bridge" / "requirements.txt", "mt4_bridge/Dockerfile", list(BRIDGE))
    return 0


def normal(name: str) -> str:
    """A package's name in its one spelling."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pinned(text: str) -> dict[tuple[str, str], set[str]]:
    """Name and version of each package in a file, with its hashes."""
    return {
        (normal(name), version): set(re.findall(r"sha256:([0-9a-f]{64})", hashes))
        for name, version, hashes in PINNED.findall(text)
    }


def write(file: Path, image: str, wanted: list[str]) -> None:
    """Write one file; what it had of the same versions stays."""
    before = pinned(file.read_text(encoding="utf-8")) if file.exists() else {}
    lines = [HEAD.format(image)]
    for (name, version), hashes in sorted(_resolved(wanted).items()):
        every = sorted(hashes | before.get((name, version), set()))
        options = "".join(f" \\\n    --hash=sha256:{one}" for one in every)
        lines.append(f"{name}=={version}{options}\n")
    file.write_text("".join(lines), encoding="utf-8")


def _resolved(wanted: list[str]) -> dict[tuple[str, str], set[str]]:
    said = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed"),
            *("--quiet", "--disable-pip-version-check", "--report", "-"),
            *("-c", str(ROOT / "constraints.txt"), *wanted),
        ],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    ).stdout
    return {
        (normal(one["metadata"]["name"]), one["metadata"]["version"]): {
            one["download_info"]["archive_info"]["hashes"]["sha256"]
        }
        for one in json.loads(said)["install"]
    }


if __name__ == "__main__":
    sys.exit(main())
