"""`make planted-bugs`: the mistakes that lose or double orders, each put in, and who catches it.

Each bug is made in a copy of the checkout, and the tests that guard against it are run there. One
that no test catches fails the run, and so does one whose lines are no longer found.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_TIMEOUT = 600


@dataclass(frozen=True, slots=True)
class Bug:
    """One mistake: in `file`, `right` becomes `wrong`; some of `tests` must fail of it."""

    name: str
    file: str
    right: str
    wrong: str
    tests: tuple[str, ...]


_FIRST = "tests/chaos/test_first_faults.py"
_DUPLICATES = "tests/chaos/test_duplicates.py"
_ORDERS = "tests/acceptance/test_orders.py"

BUGS = (
    Bug(
        "no intent commit: the order is sent, and that it will be is not on disk",
        "tasks/submit_order.py",
        """    try:
        intended = shared.gate.intend(
            order,
            session.price_of,
            lambda link, controls: orders.commit_intent(
                link, order, session.session_id, shared.timing, controls
            ),
        )
    except NotAllowed as refusal:
        not_allowed(order, refusal, step=Step.SUBMIT_ORDER)
        task.end_chain()
        return True
    if intended is None:
        return False
    if order.reason is not None and order.state is OrderState.PENDING:
        with shared.store.transaction() as connection:
            alerts.resolve(connection, alerts.WAITING, order.order_id)
    _send_intended(""",
        """    intended = order
    _send_intended(""",
        (f"{_FIRST}::test_kill_on_either_side_of_the_send",),
    ),
    Bug(
        "a timeout is treated as a failure",
        "tasks/submit_order.py",
        "        _in_doubt(intended, str(error), _AGAIN, counts=True)",
        "        _never_left(task, intended, session, str(error))",
        (_ORDERS,),
    ),
    Bug(
        "no lease: whoever gets a second message asks and sends at once",
        "tasks/submit_order.py",
        "    return until is None or until < order.read_at",
        "    return True",
        (f"{_DUPLICATES}::test_every_message_at_once_on_the_way",),
    ),
    Bug(
        "no fence: the venue is not told until when it may take an order",
        "execution/domain/orders.py",
        "            send_by=self.attempt.send_by,",
        "            send_by=None,",
        ("tests/chaos/test_small_matrix.py::test_late_sends_are_fenced",),
    ),
    Bug(
        "absence is believed at once: sent again while the first may be on its way",
        "tasks/submit_order.py",
        "    if proof_at is not None and proof_at > held.read_at:",
        "    if False and proof_at:",
        (_ORDERS, _FIRST),
    ),
    Bug(
        "no duplicate check: a step does not look at the version it read",
        "execution/store/transitions.py",
        "            WHERE order_id = CAST(:order_id AS uuid) AND version = :version {also.guard}",
        """            WHERE order_id = CAST(:order_id AS uuid)
                AND CAST(:version AS integer) > 0 {also.guard}""",
        (_DUPLICATES,),
    ),
    Bug(
        "no duplicate check: every submission of an id is a request of its own",
        "execution/intake.py",
        '        client_order_id = readable_id(payload.get("client_order_id"))\n        digest',
        """        client_order_id = readable_id(payload.get("client_order_id"))
        if client_order_id is not None:
            client_order_id = f"{client_order_id[:50]}.{os.urandom(4).hex()}"
        digest""",
        (f"{_DUPLICATES}::test_one_order_however_often_it_is_asked_for",),
    ),
    Bug(
        "a position is moved twice by one fill",
        "execution/store/positions.py",
        "            {_SELECT} WHERE f.positioned_at IS NULL AND {which}",
        "            {_SELECT} WHERE {which}",
        (f"{_DUPLICATES}::test_every_message_again",),
    ),
    Bug(
        "reroute while unknown: an order whose answer was lost goes to paper",
        "tasks/submit_order.py",
        "        _in_doubt(intended, str(error), _AGAIN, counts=True)",
        "        _refused(task, intended, BrokerRejected(str(error)))",
        (_ORDERS,),
    ),
    Bug(
        "an event is published before its number is committed",
        "execution/events/publisher.py",
        """            with self._store.direct() as link:
                waiting, more = outbox.number(link)
""",
        """            with self._store.brief() as link:
                waiting, more = outbox.number(link)
                if waiting:
                    outbox.publish_numbered(link, self._publish)
""",
        ("tests/integration/test_outbox.py",),
    ),
    Bug(
        "what is accepted is not due: a lost message is never missed",
        "execution/store/requests.py",
        "            CASE WHEN :outcome = 'ACCEPTED' THEN",
        "            CASE WHEN :outcome = 'ACCEPTED' AND false THEN",
        (f"{_FIRST}::test_a_producer_that_stops_before_its_wake_up",),
    ),
    Bug(
        "the wake-up is sent before the request is committed",
        "execution/client.py",
        """        receipt = self._intake.receive(payload)
        reach("client:committed", receipt.client_order_id)
""",
        """        self._send("tasks.place_order", payload)
        reach("client:committed", payload["client_order_id"])
        receipt = self._intake.receive(payload)
""",
        ("tests/integration/test_client.py",),
    ),
)


def plant(bug: Bug, copy: Path) -> None:
    """Put the bug into a copy of the checkout."""
    file = copy / bug.file
    text = file.read_text(encoding="utf-8")
    if text.count(bug.right) != 1:
        raise LookupError(f"{bug.name}: its lines are {text.count(bug.right)} times in {bug.file}")
    file.write_text(text.replace(bug.right, bug.wrong), encoding="utf-8")


def caught_by(bug: Bug, root: Path) -> list[str]:
    """The tests that fail with the bug in; LookupError when it cannot be put in."""
    folder = Path(tempfile.mkdtemp(prefix="planted-"))
    try:
        copy = folder / "checkout"
        ignored = shutil.ignore_patterns(".venv", ".git", "__pycache__", ".*_cache", ".execution")
        shutil.copytree(root, copy, ignore=ignored)
        plant(bug, copy)
        ran = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-x", "--no-header", "-rf", *bug.tests],
            cwd=copy,
            env={**os.environ, "PYTHONPATH": str(copy)},
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
            check=False,
        )
        if ran.returncode not in {0, 1}:
            raise LookupError(f"{bug.name}: the tests did not run\n{ran.stdout[-2000:]}")
        return re.findall(r"^(?:FAILED|ERROR) (\S+)", ran.stdout, re.MULTILINE)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.planted", description=__doc__)
    parser.add_argument("--only", default="", help="bugs whose name contains this")
    only = parser.parse_args(arguments).only
    root, survivors, began = Path.cwd(), [], time.monotonic()
    chosen = [bug for bug in BUGS if only in bug.name]
    for bug in chosen:
        try:
            caught = caught_by(bug, root)
        except (LookupError, subprocess.TimeoutExpired) as error:
            survivors.append(bug.name)
            print(f"{bug.name}: {error}", flush=True)
            continue
        if not caught:
            survivors.append(bug.name)
        print(f"{bug.name}: {'caught by ' + caught[0] if caught else 'SURVIVED'}", flush=True)
    seconds = time.monotonic() - began
    print(f"{len(chosen)} bugs planted, {len(chosen) - len(survivors)} caught in {seconds:.0f} s")
    figures = {"bugs": len(chosen), "caught": len(chosen) - len(survivors), "survivors": survivors}
    print(json.dumps(figures))
    return 1 if survivors or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
