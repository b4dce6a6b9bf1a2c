"""A producer that may die at any moment: `python -m tests.chaos.producers --log FILE ...`.

It writes down what it is about to send, and forces that to the disk, before it sends it. Started
again with the same log it sends again whatever is not known to be accepted, then goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from celery import Celery
from kombu.exceptions import OperationalError

from execution.client import OrderClient
from execution.domain.errors import StoreUnavailable
from execution.settings import load
from execution.supervisor.services import project_root

PRICES = {"BTC-USDT": "64000", "SPY": "600", "GBTC": "50", "EURUSD": "1.1", "AAPL": "200"}
"""Around these the markets move."""
QUANTITIES = {
    "BTC-USDT": ("0.25", "0.5", "1.5"),
    "SPY": ("1", "7"),
    "GBTC": ("1", "40"),
    "EURUSD": ("1000", "3000"),
    "AAPL": ("2", "5"),
}
DAY_SYMBOLS = frozenset({"SPY", "GBTC", "AAPL"})
"""What is for the day unless it says otherwise; a default that is spelled out is not kept."""
SWING = Decimal("0.002")
"""By this share of a price, both ways."""

_AGAIN = 1.0
_RESEND_AFTER = 4.0
_LOOK_EVERY = 0.05


@dataclass(slots=True)
class Said:
    """What a log holds, by client_order_id, oldest first."""

    placed: dict[str, dict[str, Any]] = field(default_factory=dict)
    bare: set[str] = field(default_factory=set)
    accepted: set[str] = field(default_factory=set)
    refused: dict[str, str] = field(default_factory=dict)
    to_cancel: set[str] = field(default_factory=set)
    cancelled: set[str] = field(default_factory=set)
    starts: int = 0
    resends: int = 0

    def add(self, line: dict[str, Any]) -> None:
        """Take one line in."""
        name = line.get("id", "")
        match line["what"]:
            case "start":
                self.starts += 1
            case "place":
                self.placed[name] = line["payload"]
                if line["bare"]:
                    self.bare.add(name)
                if line["cancel"]:
                    self.to_cancel.add(name)
            case "again":
                self.resends += 1
            case "accepted":
                self.accepted.add(name)
            case "refused":
                self.refused[name] = line["reason"]
            case "cancelled":
                self.cancelled.add(name)


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


@dataclass(frozen=True, slots=True)
class Plan:
    """One order: its payload in its canonical form, how it is sent, and whether it is cancelled."""

    payload: dict[str, str]
    bare: bool
    cancel: bool


def plan(seed: int, producer: str, number: int, live_symbol: str) -> Plan:
    """The order of a number: the same for the same seed, whichever run of a producer sends it.

    Half of the orders are for `live_symbol` at its venue.
    """
    chosen = random.Random(f"{seed}/{producer}/{number}")  # noqa: S311 - test data
    live = chosen.random() < 0.5
    others = tuple(name for name in PRICES if name != live_symbol)
    symbol = live_symbol if live else chosen.choice(others)
    side = chosen.choice(("BUY", "SELL"))
    payload = {
        "client_order_id": f"{producer}-{number}",
        "symbol": symbol,
        "side": side,
        "quantity": chosen.choice(QUANTITIES[symbol]),
    }
    if live and chosen.random() < 0.7:
        payload["on_failure"] = "wait"
    if not live and chosen.random() < 0.9:
        # The others are for brokers that no worker serves, and get here in the long way.
        payload["execution_mode"] = "PAPER"
    kind = chosen.random()
    cancel = kind < 0.06
    if kind < 0.18:
        # Too far off to be filled, or near enough to be filled as the market swings.
        off = Decimal("0.2") if cancel else SWING * chosen.randint(2, 8) / 10
        price = Decimal(PRICES[symbol]) * (1 - off if side == "BUY" else 1 + off)
        payload |= {
            "order_type": "LIMIT",
            "limit_price": format(price.quantize(Decimal("0.00001")).normalize(), "f"),
        }
        if symbol in DAY_SYMBOLS:
            payload["time_in_force"] = "GTC"
    return Plan(payload, bare=chosen.random() < 0.3, cancel=cancel)


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
            waiting = self._open or said.to_cancel - said.cancelled
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
        planned = plan(wanted.seed, wanted.name, number, wanted.live_symbol)
        name = planned.payload["client_order_id"]
        self._log.write(
            "place",
            name,
            durable=True,
            payload=planned.payload,
            bare=planned.bare,
            cancel=planned.cancel,
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
    parser.add_argument("--seconds", type=float, required=True, help="over which they are sent")
    Producer(parser.parse_args()).run()


if __name__ == "__main__":
    main()
