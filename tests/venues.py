"""Simulated venues as processes of their own, and what a worker needs to find them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_urlsafe
from typing import Any, ClassVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from execution.supervisor.services import project_root

# Where it is about noon: no run sees a day of TWS end.
NOON = ZoneInfo(f"Etc/GMT{datetime.now(UTC).hour - 12:+d}")


@dataclass(frozen=True, slots=True)
class Traded:
    """What is traded at a venue in the fault runs, and its prices as texts.

    `far_below` and `just_below` are limits of a BUY that rests, `far_above` a target that is not
    reached; at `reached` (bid, ask) the market has come to the second. `refusal` is a code and a
    reason with which the venue refuses one order.
    """

    symbol: str
    quantity: str
    far_below: str
    just_below: str
    far_above: str
    reached: tuple[str, str]
    refusal: tuple[str, str]


BITCOIN = Traded(
    symbol="BTC-USDT",
    quantity="1",
    far_below="50000",
    just_below="63000",
    far_above="80000",
    reached=("62000", "62001"),
    refusal=("-2010", "Account has insufficient balance."),
)
EURO = Traded(
    symbol="EURUSD",
    quantity="100000",
    far_below="0.9",
    just_below="1.08",
    far_above="1.4",
    reached=("1.07", "1.07008"),
    refusal=("134", "not enough money"),
)


SHARES = Traded(
    symbol="GBTC",
    quantity="100",
    far_below="30",
    just_below="49",
    far_above="70",
    reached=("48", "48.02"),
    refusal=("201", "Order rejected - reason: insufficient funds"),
)


class SimulatedVenue(ABC):
    """A simulator with its control port; it remembers by its journal, in `folder`."""

    broker: ClassVar[str] = "BINANCE"
    """The broker that it is, or stands in for, in the tables."""
    module: ClassVar[str]
    traded: ClassVar[Traded] = BITCOIN
    thin: ClassVar[bool] = True
    """Whether its markets can have a size, so that orders fill in parts."""
    brackets: ClassVar[bool] = False
    """Whether its broker takes brackets."""
    parts: ClassVar[tuple[str, ...]] = ("simulator",)
    """Processes that may die each by itself."""
    options: tuple[str, ...] = ()
    delays: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """Faults of the venue's own, by name, that come over a run again and again."""
    under_delays: ClassVar[Mapping[str, str]] = {}
    """What workers are told besides, in a run with these delays."""
    others: ClassVar[tuple[str, ...]] = ()
    """Accounts of the login beside its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ports = (0, 0)
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start on the ports of the first time."""
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", self.module),
                *("--port", str(self._ports[0]), "--control-port", str(self._ports[1])),
                *self.state,
                *self.options,
            ],
            stdout=subprocess.PIPE,
            text=True,
            cwd=project_root(),
            start_new_session=True,
        )
        assert self._process.stdout is not None
        said = json.loads(self._process.stdout.readline())
        self._ports = (said["port"], said["control_port"])

    def stop(self) -> None:
        """End it at once; a venue forgets nothing."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None

    def restart(self, _part: str) -> None:
        """Kill -9 of one of its parts, which is then started again."""
        self.stop()
        self.start()

    @abstractmethod
    def environment(self, url: str | None = None) -> dict[str, str]:
        """What a worker is told, so that it finds the venue (at `url`, through a proxy)."""

    @property
    def state(self) -> tuple[str, ...]:
        """The options that name its memory."""
        return ("--state", str(self._folder / "venue.jsonl"))

    @property
    def url(self) -> str:
        """Where the adapter finds it."""
        return f"http://127.0.0.1:{self._ports[0]}"

    @property
    def control_url(self) -> str:
        """Where the strings are."""
        return f"http://127.0.0.1:{self._ports[1]}"

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """Ask the control port."""
        request = urllib.request.Request(  # noqa: S310 - loopback
            f"{self.control_url}/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310 - loopback
            return json.loads(answer.read())

    def arm(self, kind: str, **options: Any) -> None:
        """Arm a fault."""
        self.control("POST", "faults", {"kind": kind, **options})

    def delay(self, name: str) -> None:
        """Arm one of the venue's own delays, once; nothing while it is away."""
        with suppress(OSError):
            self.arm(**self.delays[name])

    def disarm(self) -> None:
        """Clear every fault."""
        self.control("DELETE", "faults")

    def fired(self, kind: str) -> int:
        """How often faults of a kind have fired."""
        return int(self.control("GET", "faults")["fired"].get(kind, 0))

    def orders(self) -> list[dict[str, Any]]:
        """Every order the venue ever took."""
        return list(self.control("GET", "ledger")["orders"])

    def executions(self) -> list[dict[str, Any]]:
        """Every execution."""
        return list(self.control("GET", "ledger")["executions"])

    def price(self, symbol: str, bid: str, ask: str) -> None:
        """Set a market."""
        self.control("POST", "prices", {"symbol": symbol, "bid": bid, "ask": ask})

    def prices(self, prices: Mapping[str, tuple[str, str]]) -> None:
        """Set the markets that it has."""
        for symbol, (bid, ask) in prices.items():
            self.price(symbol, bid, ask)


class LedgerVenue(SimulatedVenue):
    """The ledger venue, in the place of Binance, with accounts for whoever wants one alone."""

    module = "simulators.ledger"
    others = tuple(f"desk-{number}" for number in range(1, 100))
    options = ("--account", "main", *(word for name in others for word in ("--account", name)))

    def environment(self, url: str | None = None) -> dict[str, str]:
        return {"LEDGER_BROKER_URL": url or self.url, "LEDGER_BROKERS": self.broker}


class LedgerForShares(LedgerVenue):
    """The ledger venue in the place of Interactive Brokers, where it takes brackets."""

    broker = "IBKR"
    traded = SHARES
    brackets = True


class BinanceVenue(SimulatedVenue):
    """The simulated Binance, with room for as many requests as impatient tests make."""

    module = "simulators.binance"
    # Shorter than absence takes to prove (`under_delays`), as 45 to 55 s are of a minute.
    delays: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "an order that no query shows": {"kind": "invisible", "seconds": 5},
        "an answer that comes late": {"kind": "delay_reply", "seconds": 2},
        "nothing before some seconds are over": {
            "kind": "rate_limit",
            "on": "any",
            "seconds": 2,
            "status": 429,
            "times": 1,
        },
        "a status that nobody knows": {
            "kind": "strange_status",
            "on": "query",
            "code": "SUSPENDED",
            "times": 3,
        },
    }
    # Absence takes longer than an order may be hidden, as in service (60 s, and 45 to 55 s were
    # seen): one that ended unfilled and that no query shows has left no trace at all.
    under_delays: ClassVar[Mapping[str, str]] = {"BINANCE_ABSENCE_WAIT": "6"}
    options: tuple[str, ...] = (
        *("--weight-limit", "1000000", "--order-limit-10s", "100000", "--max-orders", "1000"),
        *("--balance", "USDT=1000000000", "--balance", "BTC=10000"),
    )

    def environment(self, url: str | None = None) -> dict[str, str]:
        return {
            "BINANCE_API_URL": url or self.url,
            "BINANCE_API_KEY": "simulated-key",
            "BINANCE_API_SECRET": "simulated-secret",
            "BINANCE_POLL_INTERVAL": "0.2",
            "BINANCE_ABSENCE_WAIT": "0.3",
        }

    def prices(self, prices: Mapping[str, tuple[str, str]]) -> None:
        super().prices({name: price for name, price in prices.items() if "-" in name})


class Mt4Venue(SimulatedVenue):
    """A bridge and a terminal with its trade server, each a process of its own."""

    broker = "MT4"
    thin = False
    parts = ("bridge", "terminal")
    # What is carried out late shows within the long look, which is 2 s here.
    delays: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "a time-out, and carried out after all": {
            "kind": "taken_late",
            "code": "128",
            "seconds": 1,
        },
        "no connection, and carried out after all": {
            "kind": "taken_late",
            "code": "6",
            "seconds": 0.7,
        },
        "a busy broker that fills": {"kind": "taken_late", "code": "137", "seconds": 0.7},
        "a send that blocks": {"kind": "delay", "seconds": 2.5},
        "a busy server": {"kind": "reject", "code": "146", "times": 12},
    }
    own: ClassVar[tuple[str, ...]] = ()
    module = "simulators.mt4_terminal"
    traded = EURO

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._bridge: subprocess.Popen[str] | None = None
        self._bridge_port = 0
        self._tokens = {name: token_urlsafe(24) for name in ("bridge", "terminal")}

    def start(self) -> None:
        self.start_bridge()
        token = self._folder / "terminal-token"
        token.write_text(self._tokens["terminal"], encoding="utf-8")
        self.options = (
            *("--bridge-url", self.url, "--token-file", str(token)),
            *("--folder", str(self._folder / "terminal"), "--suffix", ".x"),
            *("--poll-seconds", "0.02", "--look-seconds", "0.2", "--retry-seconds", "0.05"),
            *self.own,
        )
        super().start()

    def restart(self, part: str) -> None:
        if part == "bridge":
            self.stop_bridge()
            self.start_bridge()
        else:
            super().stop()
            super().start()

    def start_bridge(self) -> None:
        """Start the bridge on the port of the first time."""
        with (self._folder / "bridge.log").open("ab") as log:
            self._bridge = subprocess.Popen(
                [sys.executable, "-m", "mt4_bridge"],
                env={
                    **os.environ,
                    "MT4_BRIDGE_TOKEN": self._tokens["bridge"],
                    "MT4_TERMINAL_TOKEN": self._tokens["terminal"],
                    "MT4_BRIDGE_DATABASE": str(self._folder / "bridge.sqlite3"),
                    "MT4_BRIDGE_PORT": str(self._bridge_port),
                    "MT4_BRIDGE_STALE_AFTER": "2",
                },
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=project_root(),
                start_new_session=True,
            )
        assert self._bridge.stdout is not None
        self._bridge_port = json.loads(self._bridge.stdout.readline())["port"]

    def stop_bridge(self) -> None:
        """Kill -9 of the bridge."""
        if self._bridge is not None:
            self._bridge.kill()
            self._bridge.wait()
            assert self._bridge.stdout is not None
            self._bridge.stdout.close()
            self._bridge = None

    def stop(self) -> None:
        super().stop()
        self.stop_bridge()

    def environment(self, url: str | None = None) -> dict[str, str]:
        return {
            "MT4_BRIDGE_URL": url or self.url,
            "MT4_BRIDGE_TOKEN": self._tokens["bridge"],
            "MT4_SYMBOL_SUFFIX": ".x",
            "MT4_POLL_INTERVAL": "0.2",
        }

    @property
    def url(self) -> str:
        """The bridge's."""
        return f"http://127.0.0.1:{self._bridge_port}"

    @property
    def state(self) -> tuple[str, ...]:
        return ()

    def prices(self, prices: Mapping[str, tuple[str, str]]) -> None:
        super().prices({name: price for name, price in prices.items() if name == "EURUSD"})


class Mt4ExpertVenue(Mt4Venue):
    """The same with the Expert Advisor that `make test-expert` builds."""

    expert: ClassVar[Path] = project_root() / "build" / "mt4-expert"
    own = ("--expert", str(expert))


class IbGatewayVenue(SimulatedVenue):
    """The simulated IB Gateway."""

    broker = "IBKR"
    module = "simulators.ib_gateway"
    traded = SHARES
    brackets = True
    client_ids: ClassVar[str] = "1"
    others: ClassVar[tuple[str, ...]] = ("DU7654321",)
    options: tuple[str, ...] = ("--account", "DU1234567", *("--account", "DU7654321"))

    def environment(self, url: str | None = None) -> dict[str, str]:
        where = urlsplit(url or self.url)
        return {
            "IBKR_HOST": str(where.hostname),
            "IBKR_PORT": str(where.port),
            "IBKR_ACCOUNT": "DU1234567",
            "IBKR_CLIENT_ID": self.client_ids,
            "IBKR_TIMEZONE": NOON.key,
        }

    def prices(self, prices: Mapping[str, tuple[str, str]]) -> None:
        super().prices({name: price for name, price in prices.items() if "-" not in name})


class SharedIbGatewayVenue(IbGatewayVenue):
    """The same for several workers, with client ids to spare for those that come back."""

    client_ids = "1-9"


VENUES: dict[str, type[SimulatedVenue]] = {
    "ledger": LedgerVenue,
    "ledger-shares": LedgerForShares,
    "binance": BinanceVenue,
    "mt4": Mt4Venue,
    "mt4-expert": Mt4ExpertVenue,
    "ibkr": SharedIbGatewayVenue,
}
"""By the name that commands take."""
