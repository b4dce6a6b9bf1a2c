"""Every task that workers have registered: it is ours, and who may send it."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from datetime import timedelta

import pytest

from execution.signing import HEADER, KeyRole, Signed, Signer
from execution.supervisor.services import project_root
from tests.security.frames import frame
from workers.admission import INTAKE, Admitted, Policy, Refusal

NOW = 1_800_000_000.0
HOUR = timedelta(hours=1)
SERVICE, PRODUCERS = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
WORKER = Signer({KeyRole.SERVICE: [SERVICE], KeyRole.PRODUCER: [PRODUCERS]}, HOUR)
PRODUCER = Signer({KeyRole.PRODUCER: [PRODUCERS]}, HOUR)


@pytest.fixture(scope="module")
def registered() -> frozenset[str]:
    """The names of all tasks of the application that workers run."""
    said = subprocess.run(
        [
            sys.executable,
            "-c",
            "import json; from workers.app import app; app.finalize();"  # noqa: ISC004
            "app.loader.import_default_modules(); print(json.dumps(list(app.tasks)))",
        ],
        cwd=project_root(),
        env={
            **os.environ,
            "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
            "REDIS_URL": "redis://127.0.0.1:1/0",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return frozenset(json.loads(said.stdout))


def test_they_are_ours(registered: frozenset[str]) -> None:
    """Celery's own would run and send whatever their arguments name."""
    assert registered > INTAKE
    assert {name for name in registered if not name.startswith("tasks.")} == set()


def test_what_each_needs(registered: frozenset[str]) -> None:
    """A producer's key is enough for the intake's tasks; all others need the service's."""
    policy = Policy(registered, WORKER, signed_intake=True)
    for name in sorted(registered):
        message = frame(name)
        headers, body = message["headers"], b"[[], {}, {}]"
        signed = Signed("orders", headers, body)
        assert isinstance(policy.judge("orders", headers, body, NOW), Refusal), name
        for signer, allowed in ((WORKER, True), (PRODUCER, name in INTAKE)):
            claimed = headers | {HEADER: signer.sign(signed, NOW)}
            verdict = policy.judge("orders", claimed, body, NOW)
            assert isinstance(verdict, Admitted) is allowed, name
