"""Runs a terminal with its trade server as a process, against a bridge that runs elsewhere.

--port is the trade server's own, for the expert built with g++; the terminal in Python needs none.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from decimal import Decimal
from pathlib import Path

from simulators.mt4_terminal.book import ServerOptions
from simulators.mt4_terminal.terminal import TerminalOptions
from simulators.mt4_terminal.venue import Mt4Venue
from simulators.serving import announce_and_wait


def main() -> None:
    """Serve until SIGTERM or SIGINT; one line of JSON on stdout says where."""
    parser = argparse.ArgumentParser(prog="simulators.mt4_terminal", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="of the trade server (0 picks one)")
    parser.add_argument("--control-port", type=int, default=0, help="of the strings (0 picks one)")
    parser.add_argument("--bridge-url", default="http://127.0.0.1:8005")
    parser.add_argument("--token-file", type=Path, required=True, help="the terminal's token")
    parser.add_argument("--folder", type=Path, help="journal and memory; without it none is kept")
    parser.add_argument("--expert", type=Path, help="the built expert; else the one in Python")
    parser.add_argument("--poll-seconds", type=float, default=0.2)
    parser.add_argument("--look-seconds", type=float, default=60.0)
    parser.add_argument("--request-timeout", type=float, default=5.0)
    parser.add_argument("--retry-seconds", type=float, default=0.3)
    parser.add_argument("--login", type=int, default=7001)
    parser.add_argument("--real", action="store_true", help="say that the account is no demo")
    parser.add_argument("--allow-real", action="store_true", help="trade even so")
    parser.add_argument("--suffix", default="", help="of every symbol at this server")
    parser.add_argument("--commission-per-lot", type=Decimal, default=Decimal("7.00"))
    parser.add_argument("--server-offset", type=int, default=10_800, help="seconds ahead of UTC")
    parser.add_argument(
        "--default-price", type=Decimal, help="bid and ask of every symbol at first"
    )
    arguments = parser.parse_args()
    if arguments.folder is not None:
        asyncio.run(_serve(arguments, arguments.folder))
        return
    with tempfile.TemporaryDirectory(prefix="mt4-terminal-") as folder:
        asyncio.run(_serve(arguments, Path(folder)))


async def _serve(arguments: argparse.Namespace, folder: Path) -> None:
    try:
        token = arguments.token_file.read_text(encoding="utf-8").strip()
    except OSError as error:
        sys.exit(f"--token-file {arguments.token_file}: {error.strerror}")
    terminal = TerminalOptions(
        bridge_url=arguments.bridge_url,
        token=token,
        folder=folder,
        poll_seconds=arguments.poll_seconds,
        request_timeout=arguments.request_timeout,
        look_seconds=arguments.look_seconds,
        retry_seconds=arguments.retry_seconds,
        allow_real=arguments.allow_real,
    )
    options = ServerOptions(
        login=arguments.login,
        real=arguments.real,
        suffix=arguments.suffix,
        commission_per_lot=arguments.commission_per_lot,
        server_offset=arguments.server_offset,
    )
    venue = Mt4Venue(
        terminal,
        options,
        expert=arguments.expert,
        port=arguments.port,
        control_port=arguments.control_port,
        state=folder / "trade-server.jsonl",
    )
    if arguments.default_price is not None:
        for name in [name for name, symbol in venue.book.symbols.items() if not symbol.has_market]:
            venue.server.set_price(name, arguments.default_price, arguments.default_price)
    await venue.start()
    await announce_and_wait({"port": venue.port, "control_port": venue.control_port})
    await venue.stop()


if __name__ == "__main__":
    main()
