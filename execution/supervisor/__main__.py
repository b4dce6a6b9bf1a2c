"""The supervisor process: `python -m execution.supervisor --home DIR`; stops on a signal."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import pkgutil
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from execution.domain.errors import ExecutionError
from execution.settings import load
from execution.supervisor.claim import HomeClaim
from execution.supervisor.supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import Callable

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
logger = logging.getLogger("execution.supervisor")


def main(arguments: list[str] | None = None) -> int:
    """Run until a signal, or until the parent is gone, or until a start fails.

    Returns the exit status: 0 after a stop that was asked for, 1 when something failed.
    """
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    # The kernel may give a signal to any thread, and a Python handler runs in the main thread only,
    # which is asleep below and would not be woken: the byte must come from the C handler itself.
    wake_reader, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    for number in STOP_SIGNALS:
        signal.signal(number, lambda *_: None)
    if options.parent_pid is not None:
        _in_thread("parent", _wait_for_end, options.parent_pid, wake)
    try:
        return _run(options, wake_reader, wake)
    except ExecutionError as error:
        logger.error("%s", error)  # noqa: TRY400  a message for the operator
        return 1


def _run(options: argparse.Namespace, wake_reader: int, wake: int) -> int:
    with HomeClaim(options.home) as claim:
        for name in claim.ended:
            logger.warning("ended %s, left by a supervisor that was killed", name)
        settings = load().model_copy(update={"execution_home": claim.home})
        service_specs = pkgutil.resolve_name(options.services)
        specs = service_specs(settings, claim.home, feed=options.feed)
        supervisor = Supervisor(specs, claim.home, claim=claim)
        failures: list[Exception] = []

        def start() -> None:
            try:
                supervisor.start()
                logger.info("everything is ready")
            except Exception as error:  # noqa: BLE001  it must not die with its thread
                failures.append(error)
                _write(wake)

        starting = _in_thread("start", start)
        os.read(wake_reader, 1)
        logger.info("stopping")
        asked = not failures
        supervisor.stop()
        starting.join()
        for failure in [] if asked else failures:
            logger.error("%s", failure)
    return 0 if asked else 1


def _in_thread(name: str, target: Callable[..., None], *arguments: int) -> threading.Thread:
    thread = threading.Thread(target=target, args=arguments, name=name, daemon=True)
    thread.start()
    return thread


def _wait_for_end(pid: int, wake: int) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(pid).wait()
    _write(wake)


def _write(wake: int) -> None:
    os.write(wake, b".")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m execution.supervisor", description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="folder of data, logs, passwords")
    parser.add_argument("--parent-pid", type=int, help="stop when this process is gone")
    parser.add_argument("--no-feed", dest="feed", action="store_false", help="no example feed")
    parser.add_argument(
        "--services",
        default="execution.supervisor.services:service_specs",
        help="module:function that returns what to run",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
