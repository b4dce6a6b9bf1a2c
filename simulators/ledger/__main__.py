"""Runs the ledger venue as a process: `python -m simulators.ledger --port 0 --control-port 0`."""

from __future__ import annotations

import argparse
import asyncio
from decimal import Decimal
from pathlib import Path

from simulators.ledger.book import VenueOptions
from simulators.ledger.venue import LedgerVenue
from simulators.serving import announce_and_wait


def main() -> None:
    """Serve until SIGTERM or SIGINT; one line of JSON on stdout says where."""
    parser = argparse.ArgumentParser(prog="simulators.ledger", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="of the venue (0 picks one)")
    parser.add_argument("--control-port", type=int, default=0, help="of the strings (0 picks one)")
    parser.add_argument("--state", type=Path, help="journal to remember by, across restarts")
    parser.add_argument(
        "--duplicate-ids", choices=("accept", "refuse-open", "refuse"), default="accept"
    )
    parser.add_argument("--default-price", type=Decimal, help="market of a symbol without one")
    parser.add_argument("--commission-rate", type=Decimal, default=Decimal("0.0001"))
    parser.add_argument("--currency", default="USD", help="of commissions")
    parser.add_argument("--account", action="append", help="may be given several times")
    parser.add_argument("--real", action="store_true", help="say that the account's money is real")
    arguments = parser.parse_args()
    asyncio.run(_serve(arguments))


async def _serve(arguments: argparse.Namespace) -> None:
    accounts = arguments.account or ["main"]
    options = VenueOptions(
        duplicate_ids=arguments.duplicate_ids,
        default_price=arguments.default_price,
        commission_rate=arguments.commission_rate,
        currency=arguments.currency,
        account=accounts[0],
        others=tuple(accounts[1:]),
        real=arguments.real,
    )
    venue = LedgerVenue(
        options,
        port=arguments.port,
        control_port=arguments.control_port,
        state=arguments.state,
    )
    await venue.start()
    await announce_and_wait({"port": venue.port, "control_port": venue.control_port})
    await venue.stop()


if __name__ == "__main__":
    main()
