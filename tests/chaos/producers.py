"""A producer that may die at any moment: `python -m tests.chaos.producers --log FILE ...`.

It writes down what it is about to send, and forces that to the disk, before it sends it. Started
again with the same log it sends again whatever is not known to be accepted, then goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from celery import Celery
from kombu.exceptions import OperationalError

from execution.client import OrderClient
from execution.domain.errors import StoreUnavailable
from execution.settings import load
from execution.supervisor.services import project_root
from tests.chaos.plans import Offer, plan

_AGAIN = 1.0
_RESEND_AFTER = 4.0
_LOOK_EVERY = 0.05
_NOT_YET = frozenset({"ACCEPTED", "PENDING", "SUBMITTING"})


@dataclass(slots=True)
class Said:
    """What a log holds, by client_order_id, oldest first.

    `changing` are the versions that changes were decided on, `changed` what became of them.
    """

    placed: dict[str, dict[str, Any]] = field(default_factory=dict)
    bare: set[str] = field(default_factory=set)
    accepted: set[str] = field(default_factory=set)
    refused: dict[str, str] = field(default_factory=dict)
    to_cancel: set[str] = field(default_factory=set)
    cancelled: set[str] = field(default_factory=set)
    to_change: dict[str, dict[str, str]] = field(default_factory=dict)
    changing: dict[str, int] = field(default_factory=dict)
    changed: dict[str, str] = field(default_factory=dict)
    starts: int = 0
    resends: int = 0

    def add(self, line: dict[str, Any]) -> None:
        """Take one line in."""
        name = line.get("id", "")
        match line["what"]:
            case "start":
                self.starts += 1
            case "place":
                self._place(name, line)
            case "again":
                self.resends += 1
            case "accepted":
                self.accepted.add(name)
            case "refused":
                self.refused[name] = line["reason"]
            case "cancelled":
                self.cancelled.add(name)
            case "changing":
                self.changing[name] = line["version"]
            case "changed":
                self.changed[name] = line["outcome"]
                self.to_cancel.add(name)

    def _place(self, name: str, line: dict[str, Any]) -> None:
        self.placed[name] = line["payload"]
        if line["bare"]:
            self.bare.add(name)
        if line["cancel"]:
            self.to_cancel.add(name)
        if line.get("change"):
            self.to_change[name] = line["change"]


class Log:
    """Lines of JSON; a last one that was cut short was never acted on, and is taken off."""

    def __init__(self, path: Path) -> None:
        self.said = Said()
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        whole = path.read_bytes().rpartition(b"\n")
        os.truncate(self._file, len(whole[0]) + len(whole[1]))
        for line in whole[0].splitlines():
            self.said.add(json.loads(line))

    def write(self, what: str, name: str = "", *, durable: bool = False, **more: Any) -> None:
        """Add a line; a `durable` one is on the disk on return."""
        line = {"what": what, "id": name, **more}
        os.write(self._file, json.dumps(line).encode() + b"\n")
        if durable:
            os.fsync(self._file)
        self.said.add(line)


def read(path: Path) -> Said:
    """What a log says, whoever writes it."""
    said = Said()
    if path.exists():
        for line in path.read_bytes().rpartition(b"\n")[0].splitlines():
            said.add(json.loads(line))
    return said


class Producer:
    """Sends `orders` orders evenly over `seconds` from `began` on, and what is due again."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._arguments = arguments
        self._log = Log(arguments.log)
        self._settings = load()
        self._celery = Celery("bare-producer", broker=self._settings.require_redis_url())
        self._celery.conf.update(
            broker_transport_options={"socket_timeout": 5, "socket_connect_timeout": 5},
            task_ignore_result=True,
        )
        self._client = _client()
        said = self._log.said
        # When each order that is not known to be accepted is looked at next, or sent again.
        self._open = {name: 0.0 for name in said.placed if name not in said.accepted}
        self._sent: dict[str, float] = {}
        self._looked: dict[str, float] = {}
        self._offer = Offer(
            arguments.live_symbol,
            arguments.brackets,
            tuple(filter(None, arguments.accounts.split(","))),
        )

    def run(self) -> None:
        """Return when every order is accepted, and every cancel recorded."""
        said = self._log.said
        self._log.write("start")
        for name in list(self._open):
            self._log.write("again", name)
        while True:
            for number in self._due():
                self._place(number)
            for name, at in list(self._open.items()):
                if at <= time.monotonic():
                    self._press(name)
            for name in said.to_cancel & said.accepted - said.cancelled:
                self._cancel(name)
            for name in said.to_change.keys() & said.accepted - said.changed.keys():
                if self._looked.get(name, 0.0) <= time.monotonic():
                    self._looked[name] = time.monotonic() + _AGAIN
                    self._change(name)
            unchanged = said.to_change.keys() - said.changed.keys()
            waiting = self._open or unchanged or said.to_cancel - said.cancelled
            if len(said.placed) == self._arguments.orders and not waiting:
                return
            time.sleep(_LOOK_EVERY)

    def _due(self) -> Iterator[int]:
        """The numbers of the orders whose time has come; each is asked for when it is sent."""
        wanted = self._arguments
        while (number := len(self._log.said.placed)) < wanted.orders:
            if time.time() < wanted.began + wanted.seconds * number / wanted.orders:
                return
            yield number

    def _place(self, number: int) -> None:
        wanted = self._arguments
        planned = plan(wanted.seed, wanted.name, number, self._offer)
        name = planned.payload["client_order_id"]
        self._log.write(
            "place",
            name,
            durable=True,
            payload=planned.payload,
            bare=planned.bare,
            cancel=planned.cancel,
            change=planned.change,
        )
        self._press(name)

    def _press(self, name: str) -> None:
        """Send an order, or look what became of it; until it is accepted there is a next time."""
        said, payload = self._log.said, self._log.said.placed[name]
        now = time.monotonic()
        self._open[name] = now + _AGAIN
        try:
            if name not in said.bare:
                if name in self._sent:
                    self._log.write("again", name)
                self._sent[name] = now
                receipt = self._client.place(**payload)
            else:
                if now - self._sent.get(name, -_RESEND_AFTER) >= _RESEND_AFTER:
                    if name in self._sent:
                        self._log.write("again", name)
                    self._sent[name] = now
                    self._send_bare(payload)
                found = self._client.receipt(name)
                if found is None:
                    return
                receipt = found
        except StoreUnavailable:
            return
        if receipt.outcome == "ACCEPTED":
            self._log.write("accepted", name)
        else:
            self._log.write("refused", name, reason=receipt.reason)
        del self._open[name]

    def _send_bare(self, payload: dict[str, Any]) -> None:
        """As any Celery application would; whether it arrived shows later."""
        with suppress(OperationalError):
            self._celery.send_task(
                "tasks.place_order",
                kwargs=payload,
                queue="orders",
                retry_policy={"max_retries": 1, "interval_start": 0},
            )

    def _cancel(self, name: str) -> None:
        try:
            self._client.cancel(name, cancel_id=f"cancel-{name}")
        except StoreUnavailable:
            return
        self._log.write("cancelled", name)

    def _change(self, name: str) -> None:
        """Ask for a change of an order that rests; again, the same, until it is done or refused."""
        said = self._log.said
        try:
            order = self._client.get(name)
            # While something is due for it, its version goes up by itself.
            if order is None or order["state"] in _NOT_YET or order["due_at"] is not None:
                return
            if name not in said.changing:
                self._log.write("changing", name, durable=True, version=order["version"])
            command = self._client.modify(
                name,
                modify_id=f"change-{name}",
                expected_version=said.changing[name],
                **said.to_change[name],
            )
            command = self._client.command(command)
        except StoreUnavailable:
            return
        if command.outcome != "PENDING":
            self._log.write("changed", name, outcome=command.outcome)


def _client() -> OrderClient:
    while True:
        try:
            return OrderClient()
        except StoreUnavailable:
            time.sleep(_AGAIN)


class ProducerProcess:
    """One producer, started again for as long as it has not come to its end.

    `deaths` are our kills, `crashes` whatever else ended it.
    """

    def __init__(self, name: str, argv: Sequence[str], env: dict[str, str], home: Path) -> None:
        self.name = name
        self.log = home / f"{name}.jsonl"
        self.deaths = self.crashes = 0
        self._argv = (*argv, "--name", name, "--log", str(self.log))
        self._env = env
        self._output = home / "logs" / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def keep(self) -> bool:
        """Start it if it is not running; True when it has done all it had to do."""
        if self._process is not None:
            code = self._process.poll()
            if code == 0:
                return True
            if code is None:
                return False
            self.crashes += 1
        with self._output.open("ab") as output:
            self._process = subprocess.Popen(
                self._argv,
                env=self._env,
                cwd=project_root(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return False

    def kill(self) -> bool:
        """Kill -9; False when it is not running."""
        if self._process is None or self._process.poll() is not None:
            return False
        self._process.kill()
        self._process.wait()
        self._process = None
        self.deaths += 1
        return True


def main() -> None:
    """Run one producer to its end."""
    parser = argparse.ArgumentParser(prog="tests.chaos.producers", description=__doc__)
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--name", required=True, help="what its client_order_ids begin with")
    parser.add_argument("--orders", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--began", type=float, required=True, help="seconds since the epoch")
    parser.add_argument("--live-symbol", required=True, help="what is traded at the venue")
    parser.add_argument("--brackets", action="store_true", help="its venue takes brackets")
    parser.add_argument("--accounts", default="", help="of its venue, with commas between them")
    parser.add_argument("--seconds", type=float, required=True, help="over which they are sent")
    Producer(parser.parse_args()).run()


if __name__ == "__main__":
    main()
