"""Kills, cuts and lost replies under load: `python -m tests.chaos.soak --orders --minutes --seed`.

Real workers, beat, PostgreSQL and Valkey under our own supervisor, and a simulated venue, by
default the ledger venue in the place of Binance. Each server is reached through a proxy that cuts
connections and loses answers; workers, servers and the venue are killed. At the end the producers'
logs, the venue's ledger, the tables and the event stream must say the same.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2
import redis
from celery import Celery
from kombu.exceptions import KombuError
from sqlalchemy.engine import make_url

from execution.supervisor.postgres import EmbeddedPostgres
from execution.supervisor.process import ProcessSpec
from execution.supervisor.services import (
    MIGRATION,
    SERVERS,
    beat_spec,
    module_spec,
    worker_spec,
)
from execution.supervisor.state import Status, alive
from execution.supervisor.supervisor import Supervisor
from execution.supervisor.valkey import EmbeddedValkey
from tests.chaos.accounts import Accounts
from tests.chaos.feed import Feed
from tests.chaos.plans import Offer
from tests.chaos.producers import ProducerProcess, Said, read
from tests.chaos.proxy import FaultProxy, Upstream
from tests.chaos.report import Report, counted
from tests.chaos.strikes import Strike, strikes, workers_of
from tests.fleet import TIMINGS
from tests.oracle import EventTap, Verdict, judge
from tests.venues import VENUES, LedgerVenue, SimulatedVenue

REST_WITHIN = 60.0
"""Seconds from the last fault in which every order must have come to rest."""

_TICK = 0.05
_LOOK_EVERY = 0.2
_REPORT_EVERY = 15.0
_LONGEST_REST = 300
_LONGEST_PAUSE = 2.0
_LONGEST_JUDGING = 20.0


class SoakFailed(Exception):
    """Something did not come back in its time."""


class Soak:
    """One run in `home`, an empty folder of its own. `say` is told how it goes.

    `beside` is a checkout of another release, some of whose workers run beside ours.
    """

    def __init__(
        self,
        home: Path,
        *,
        orders: int,
        seconds: float,
        seed: int,
        producers: int = 3,
        workers_of_venue: int = 2,
        venue: type[SimulatedVenue] = LedgerVenue,
        beside: Path | None = None,
        say: Callable[[str], None] = print,
    ) -> None:
        self.producer_names = [f"p{number}" for number in range(producers)]
        self.report = Report(seed)
        self.postgres, self._valkey = EmbeddedPostgres(home), EmbeddedValkey(home)
        self._home, self._orders, self._seconds = home, orders, seconds
        self._queue, self._beside = venue.broker.lower(), beside
        self.workers = workers_of(self._queue, workers_of_venue)
        self._say = say
        self._accounts = Accounts(self.postgres.url)
        self._venue = venue(home)
        self._taps: list[EventTap] = []
        self._proxies: dict[str, FaultProxy] = {}
        self._producers: dict[str, ProducerProcess] = {}
        self._began = 0.0

    def run(self, plan: Sequence[Strike]) -> Report:
        """Run to the end and judge; whatever was started is gone afterwards."""
        with ExitStack() as stack:
            try:
                self._start(stack)
                self._strike(plan)
                self._rest()
                self._judge()
            except SoakFailed as error:
                self.report.problems.append(str(error))
            if self._began:
                self._total()
        return self.report

    # The parts.

    def _start(self, stack: ExitStack) -> None:
        stack.callback(self._venue.stop)
        self._venue.start()
        seed = self.report.seed
        sockets = Path(self.postgres.place.sockets)
        venue, valkey = urlsplit(self._venue.url), urlsplit(self._valkey.url)
        for name, upstream in (
            ("postgres", Upstream(path=sockets / ".s.PGSQL.5432")),
            ("valkey", Upstream(port=valkey.port or 0)),
            ("venue", Upstream(port=venue.port or 0)),
        ):
            self._proxies[name] = stack.enter_context(FaultProxy(upstream, f"{seed}/{name}"))
        env = self._environment()
        self._supervisor = Supervisor(self._specs(env), self._home)
        stack.callback(self._supervisor.stop)
        self._supervisor.start()
        self._celery = Celery("soak", broker=self._valkey.url)
        stack.callback(self._celery.close)
        # One consumer hears all but what a killed Valkey takes along, one is cut off now and then.
        for url in (self._valkey.url, env["REDIS_URL"]):
            self._taps.append(stack.enter_context(EventTap(url)))
        feed = Feed(self._valkey.url, self._venue)
        stack.callback(feed.stop)
        feed.start()
        self._await(self._sessions_ready, 30, "every broker's session")
        self._start_producers(stack, env)

    def _environment(self) -> dict[str, str]:
        """What everyone but ourselves is told: the servers' addresses are the proxies'."""
        database = make_url(self.postgres.url).set(
            host="127.0.0.1",
            port=self._proxies["postgres"].port,
            query={"sslmode": "disable", "gssencmode": "disable"},
        )
        valkey = urlsplit(self._valkey.url)
        password = f":{valkey.password}@127.0.0.1:{self._proxies['valkey'].port}"
        return {
            **os.environ,
            **TIMINGS,
            "BREAKER_COOLDOWN": "3",
            "PAPER_DEPTH": Offer(self._venue.traded.symbol).paper_depth,
            "DATABASE_URL": database.render_as_string(hide_password=False),
            "REDIS_URL": valkey._replace(netloc=password).geturl(),
            "EXECUTION_HOME": str(self._home),
            **self._venue.environment(f"http://127.0.0.1:{self._proxies['venue'].port}"),
            **self._venue.under_delays,
        }

    def _specs(self, env: dict[str, str]) -> list[ProcessSpec]:
        direct = {**env, "DATABASE_URL": self.postgres.url, "REDIS_URL": self._valkey.url}
        migrate = ["execution.cli", "migrate"]
        workers = []
        for name in self.workers:
            queue, _, number = name.removeprefix("worker-").partition("-")
            worker = worker_spec(queue, self._home, env, int(number or 1))
            if self._beside is not None and (queue == "paper" or number):
                worker = replace(worker, cwd=self._beside)  # where Python finds its code first
            workers.append(worker)
        specs = [
            self.postgres.spec(stage=SERVERS),
            self._valkey.spec(stage=SERVERS),
            *workers,
            beat_spec(self._home, env),
        ]
        return [
            # What is killed again and again must not be left down longer and longer.
            *(replace(spec, longest_pause=_LONGEST_PAUSE) for spec in specs),
            module_spec("migrate", migrate, direct, MIGRATION, restart=False),
        ]

    def _start_producers(self, stack: ExitStack, env: dict[str, str]) -> None:
        names = self.producer_names
        self._began = time.time()
        for number, name in enumerate(names):
            share = len(range(number, self._orders, len(names)))
            argv = (
                *(sys.executable, "-m", "tests.chaos.producers"),
                *("--orders", str(share), "--seed", str(self.report.seed)),
                *("--began", str(self._began), "--seconds", str(self._seconds)),
                *("--live-symbol", self._venue.traded.symbol),
                *("--accounts", ",".join(("main", *self._venue.others[:1]))),
                *(("--brackets",) if self._venue.brackets else ()),
            )
            producer = ProducerProcess(name, argv, env, self._home)
            self._producers[name] = producer
            stack.callback(producer.kill)
            producer.keep()

    def _strike(self, plan: Sequence[Strike]) -> None:
        """Let the faults happen when they are due; what is not there waits for its death."""
        waiting, log, told = list(plan), self._home / "faults.log", 0.0
        while (passed := time.time() - self._began) < self._seconds:
            for producer in self._producers.values():
                producer.keep()
            for strike in [one for one in waiting if one.at <= passed]:
                if self._do(strike):
                    waiting.remove(strike)
                    with log.open("a", encoding="utf-8") as file:
                        moment = datetime.now(UTC).isoformat(timespec="milliseconds")
                        file.write(f"{moment} {strike.what} {strike.whom}\n")
            if passed - told >= _REPORT_EVERY:
                told = passed
                self._progress(passed)
            time.sleep(_TICK)

    def _do(self, strike: Strike) -> bool:
        match strike.what:
            case "kill":
                return self._kill(strike.whom)
            case "producer":
                return self._producers[strike.whom].kill()
            case "venue":
                self._venue.restart(strike.whom)
                self.report.kills["venue"] += 1
                return True
            case "cut":
                return bool(self._proxies[strike.whom].cut())
            case "cut_all":
                return bool(self._proxies[strike.whom].cut_all())
            case "lose":
                self._proxies[strike.whom].lose_reply()
                return True
            case "delay":
                self._venue.delay(strike.whom)
                return True
            case other:
                raise ValueError(f"{other!r} is no fault")

    def _kill(self, name: str) -> bool:
        states = {process.name: process for process in self._supervisor.state.processes}
        process = alive(states[name])
        if process is None:
            return False
        process.kill()
        self.report.kills[_kind(name)] += 1
        return True

    def _rest(self) -> None:
        """No more faults: everybody comes back, everything is sent, every order comes to rest."""
        self._say(f"[{self._seconds:5.0f} s] no more faults")
        for proxy in self._proxies.values():
            proxy.calm()
        began = time.monotonic()
        self._expect(self._producers_done, began, "every producer's end")
        self._expect(self._processes_ready, began, "every process")
        self._expect(lambda: not self._accounts.unrest(), began, "rest")
        self.report.catch_up = time.monotonic() - began
        self.report.problems += self._accounts.unrest()
        self._expect(self._sessions_ready, began, "every broker's session")
        self._expect(self._workers_answer, began, "an answer of every worker")

    def _expect(self, condition: Callable[[], bool], began: float, what: str) -> None:
        """What is not there in time is a problem, but the rest can be judged all the same."""
        try:
            self._await(condition, began + REST_WITHIN - time.monotonic(), what)
        except SoakFailed as error:
            self.report.problems.append(str(error))

    def _await(self, condition: Callable[[], bool], seconds: float, what: str) -> None:
        """Wait until `condition` holds; a server that is not back yet counts as no."""
        deadline = time.monotonic() + seconds
        while True:
            with suppress(psycopg2.Error, redis.RedisError, KombuError, OSError):
                if condition():
                    return
            if time.monotonic() > deadline:
                raise SoakFailed(f"{what}: not within its time ({seconds:.0f} s)")
            time.sleep(_LOOK_EVERY)

    def _producers_done(self) -> bool:
        done = [producer.keep() for producer in self._producers.values()]
        return all(done)

    def _processes_ready(self) -> bool:
        kept = self._supervisor.state.processes
        return all(process.status in {Status.READY, Status.DONE} for process in kept)

    def _sessions_ready(self) -> bool:
        """A living session of each worker that serves a broker; one may have a dead one's, too."""
        live = sum(name.startswith(f"worker-{self._queue}") for name in self.workers)
        sessions = self._accounts.sessions()
        return sessions.get(self._venue.broker, 0) >= live and sessions.get("PAPER") == 2

    def _workers_answer(self) -> bool:
        """Alive is not enough: a worker may hang on a connection that is gone."""
        answers = self._celery.control.ping(timeout=1) or []
        wanted = {name.removeprefix("worker-") for name in self.workers}
        return {node.partition("@")[0] for answer in answers for node in answer} == wanted

    # The judgement.

    def _judge(self) -> None:
        report = self.report
        logs = self._logs()
        placed = sum(len(said.placed) for said in logs)
        if placed != self._orders:
            report.problems.append(f"{placed} of {self._orders} orders were placed")
        report.problems += self._accounts.compare(logs)
        report.problems += [
            f"{name} ended by itself {producer.crashes} times"
            for name, producer in self._producers.items()
            if producer.crashes
        ]
        report.problems += self._breakdowns()
        for tap in self._taps:
            report.verdict = self._verdict(tap)
            report.problems += report.verdict.problems
        report.problems = list(dict.fromkeys(report.problems))

    def _breakdowns(self) -> list[str]:
        """A worker may end when it finds no database to begin with, but never of an error."""
        return [
            f"{name} died of {line[:200]}"
            for name in self.workers
            for line in (self._home / "logs" / f"{name}.log").read_text("utf-8").splitlines()
            if "Unrecoverable error" in line
        ]

    def _verdict(self, tap: EventTap) -> Verdict:
        """The oracle's; what is wrong for a moment may be on its way."""
        deadline = time.monotonic() + _LONGEST_JUDGING
        while True:
            ledgers = {self._venue.broker: self._venue.control_url}
            verdict = judge(self.postgres.url, ledgers, tap, allow_open=True)
            if not verdict.problems or time.monotonic() > deadline:
                return verdict

    def _total(self) -> None:
        """The figures; as many as can be had."""
        report = self.report
        for said in self._logs():
            report.orders += len(said.placed)
            report.resends += said.resends
        for process in self._supervisor.state.processes:
            report.exits[_kind(process.name)] += process.restarts
        report.exits -= report.kills
        report.producer_deaths = sum(producer.deaths for producer in self._producers.values())
        for proxy in self._proxies.values():
            report.cut += proxy.counts.cut
            report.replies_lost += proxy.counts.replies_lost
        with suppress(psycopg2.Error):
            report.ends = self._accounts.ends()
            report.kinds = self._accounts.kinds()
            report.alerts = self._accounts.alerts()
            report.standstill = self._accounts.standstill(self._venue.broker)

    def _logs(self) -> list[Said]:
        return [read(producer.log) for producer in self._producers.values()]

    def _progress(self, passed: float) -> None:
        placed = sum(len(said.placed) for said in self._logs())
        cut = sum(proxy.counts.cut for proxy in self._proxies.values())
        lost = sum(proxy.counts.replies_lost for proxy in self._proxies.values())
        died = sum(producer.deaths for producer in self._producers.values())
        self._say(
            f"[{passed:5.0f} s] {placed} orders placed; killed: {counted(self.report.kills)}; "
            f"{cut} connections cut, {lost} replies lost, {died} producers died"
        )


def _kind(name: str) -> str:
    return name.partition("-")[0]


def lacks(venue: type[SimulatedVenue]) -> list[str]:
    """What a soak leaves out at a venue; paper orders are of every kind in each."""
    name = venue.broker
    return [
        *([] if venue.brackets else [f"live brackets: {name} does not take them"]),
        *([] if venue.others else [f"live orders of a second account: {name} has one here"]),
        *([] if venue.thin else [f"live fills in parts: the simulated {name} fills at once"]),
    ]


def main() -> None:
    """Run, print what came of it, and exit with 1 when anything is off."""
    parser = argparse.ArgumentParser(prog="tests.chaos.soak", description=__doc__)
    parser.add_argument("--orders", type=int, default=2000)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, help="of an earlier run, for the same faults")
    parser.add_argument("--venue", choices=VENUES, default="ledger", help="what live orders go to")
    parser.add_argument(
        "--beside",
        type=Path,
        help="a checkout of another release: the worker for paper and the second one of the venue "
        "are its own, beside ours",
    )
    wanted = parser.parse_args()
    seconds = 60 * wanted.minutes
    seed = int.from_bytes(os.urandom(3)) if wanted.seed is None else wanted.seed
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(int(seconds + _LONGEST_REST))
    _print(f"seed {seed}: {wanted.orders} orders in {wanted.minutes:g} minutes")
    for what in lacks(VENUES[wanted.venue]):
        _print(f"left out: {what}")
    home = Path(tempfile.mkdtemp(prefix="execution-soak-"))
    soak = Soak(
        home,
        orders=wanted.orders,
        seconds=seconds,
        seed=seed,
        venue=VENUES[wanted.venue],
        beside=wanted.beside,
        say=_print,
    )
    keep = True
    try:
        venue = VENUES[wanted.venue]
        delays = tuple(venue.delays)
        plan = strikes(seed, seconds, soak.producer_names, soak.workers, venue.parts, delays)
        report = soak.run(plan)
        keep = bool(report.problems)
        _print("\n".join(report.lines()))
    except KeyboardInterrupt:
        keep = False
        sys.exit("stopped before the end")
    finally:
        if keep:
            shutil.rmtree(soak.postgres.place.sockets, ignore_errors=True)
            _print(f"logs and data are kept in {home}")
        else:
            soak.postgres.destroy()
            shutil.rmtree(home)
    _print(json.dumps(report.figures()))
    sys.exit(keep)


def _print(line: str) -> None:
    print(line, flush=True)


def _too_long(*_: object) -> None:
    raise SoakFailed("it took too long altogether")


if __name__ == "__main__":
    main()
