"""What the images install: the versions that are tested, by their hashes, and nothing else."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from operations.requirements import BRIDGE, HEAD, PINNED, normal, pinned

ROOT = Path(__file__).parents[2]
BUILDING = {"setuptools"}
"""What is needed to install our own package; nothing of it runs later."""
IMAGES = {
    ROOT / "requirements.txt": "Dockerfile",
    ROOT / "mt4_bridge" / "requirements.txt": "mt4_bridge/Dockerfile",
}


def constraints() -> dict[str, str]:
    """The versions that this project is tested with."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {normal(name): number for name, number in pairs}


def needed(wanted: list[str]) -> set[str]:
    """The packages that these need, and what those need, as it is installed here."""
    found: set[str] = set()
    pending = [(Requirement(one), "") for one in wanted]
    while pending:
        one, extra = pending.pop()
        if one.marker is not None and not one.marker.evaluate({"extra": extra}):
            continue
        name = normal(one.name)
        new = name not in found
        found.add(name)
        extras = [*one.extras, *([""] if new else [])]
        pending += [(Requirement(text), each) for each in extras for text in requires(name) or ()]
    return found


@pytest.mark.parametrize("file", IMAGES, ids=str)
def test_versions_are_those_that_are_tested(file: Path) -> None:
    """Every pin is that of constraints.txt, and has a hash; no line says anything else."""
    text = file.read_text(encoding="utf-8")
    packages = pinned(text)
    assert packages
    wanted = constraints()
    for (name, number), hashes in packages.items():
        assert wanted.get(name) == number or name in BUILDING, name
        assert hashes, name
    assert PINNED.sub("", text).strip() == HEAD.format(IMAGES[file]).strip()
    assert "://" not in text


def test_nothing_is_missing() -> None:
    """The files hold all that the service and the bridge need."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for file, wanted in zip(IMAGES, (project["dependencies"], list(BRIDGE)), strict=True):
        there = {name for name, _ in pinned(file.read_text(encoding="utf-8"))}
        assert needed(wanted) <= there


@pytest.mark.parametrize(("file", "image"), IMAGES.items(), ids=str)
def test_images_install_nothing_else(file: Path, image: str) -> None:
    """Pip takes what has one of these hashes, builds nothing, and asks for nothing further."""
    text = (ROOT / image).read_text(encoding="utf-8")
    installs = re.findall(r"pip install (.*)", text)
    ours = [one for one in installs if one != "--no-deps --no-build-isolation -e ."]
    assert len(ours) == 1
    assert {"--require-hashes", "--only-binary", "requirements.txt"} <= set(ours[0].split())
    assert f"COPY {file.relative_to(ROOT)} ./" in text
