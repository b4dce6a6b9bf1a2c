"""Runs the gateway as a process: `python -m simulators.ib_gateway --port 0 --control-port 0`."""

from __future__ import annotations

import argparse
import asyncio
from decimal import Decimal
from pathlib import Path

from simulators.ib_gateway.gateway import IbGateway
from simulators.ib_gateway.options import GatewayOptions
from simulators.ib_gateway.spelling import CODES, WORDS
from simulators.serving import announce_and_wait

_DEFAULT = GatewayOptions()


def main() -> None:
    """Serve until SIGTERM or SIGINT; one line of JSON on stdout says where."""
    parser = argparse.ArgumentParser(prog="simulators.ib_gateway", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="of the TWS API (0 picks one)")
    parser.add_argument("--control-port", type=int, default=0, help="of the strings (0 picks one)")
    parser.add_argument("--state", type=Path, help="journal to remember by, across restarts")
    parser.add_argument("--account", action="append", help="may be given several times")
    parser.add_argument("--master-client-id", type=int, help="hears of every client's orders")
    parser.add_argument("--cash", type=Decimal, default=_DEFAULT.cash, help="of each account, USD")
    parser.add_argument("--default-price", type=Decimal, help="market of a contract without one")
    parser.add_argument("--max-rate", type=int, default=_DEFAULT.max_rate, help="messages a second")
    parser.add_argument("--enforce-hours", action="store_true", help="keep the exchanges' hours")
    parser.add_argument("--time-zone", default=_DEFAULT.time_zone, help="of the times it tells")
    parser.add_argument(
        "--name-zone",
        action=argparse.BooleanOptionalAction,
        default=_DEFAULT.name_zone,
        help="name it with executions' times",
    )
    parser.add_argument(
        "--local-symbols",
        choices=(CODES, WORDS),
        default=_DEFAULT.local_symbols,
        help="of futures: ESZ6 or ES   DEC 26",
    )
    parser.add_argument("--cancel-status-first", action="store_true", help="before code 202")
    arguments = parser.parse_args()
    asyncio.run(_serve(arguments))


async def _serve(arguments: argparse.Namespace) -> None:
    options = GatewayOptions(
        accounts=tuple(arguments.account or _DEFAULT.accounts),
        master_client_id=arguments.master_client_id,
        cash=arguments.cash,
        default_price=arguments.default_price,
        max_rate=arguments.max_rate,
        enforce_hours=arguments.enforce_hours,
        time_zone=arguments.time_zone,
        name_zone=arguments.name_zone,
        local_symbols=arguments.local_symbols,
        cancel_status_first=arguments.cancel_status_first,
    )
    gateway = IbGateway(
        options, port=arguments.port, control_port=arguments.control_port, state=arguments.state
    )
    await gateway.start()
    await announce_and_wait({"port": gateway.port, "control_port": gateway.control_port})
    await gateway.stop()


if __name__ == "__main__":
    main()
