"""Runs the simulated Binance as a process: `python -m simulators.binance --port 0 ...`."""

from __future__ import annotations

import argparse
import asyncio
import ssl
from decimal import Decimal
from pathlib import Path

from simulators.binance.options import DEFAULT_BALANCES, VenueOptions
from simulators.binance.venue import BinanceVenue
from simulators.serving import announce_and_wait

_STANDARD = VenueOptions()


def main() -> None:
    """Serve until SIGTERM or SIGINT; one line of JSON on stdout says where."""
    parser = argparse.ArgumentParser(prog="simulators.binance", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="of the REST API (0 picks one)")
    parser.add_argument("--control-port", type=int, default=0, help="of the strings (0 picks one)")
    parser.add_argument("--state", type=Path, help="journal to remember by, across restarts")
    parser.add_argument("--tls-certificate", type=Path, help="PEM; the REST API speaks HTTPS")
    parser.add_argument("--tls-key", type=Path, help="PEM; not needed when it is in the other file")
    parser.add_argument("--api-key", default=_STANDARD.api_key)
    parser.add_argument("--api-secret", default=_STANDARD.api_secret)
    parser.add_argument("--account-id", type=int, default=_STANDARD.account_id, help="the uid")
    parser.add_argument(
        "--balance",
        action="append",
        default=[],
        metavar="ASSET=AMOUNT",
        help="hold this much, in place of the standard amount; may be repeated",
    )
    parser.add_argument(
        "--price",
        action="append",
        default=[],
        metavar="SYMBOL=BID/ASK",
        help="a market to begin with; may be repeated",
    )
    parser.add_argument("--fee-rate", type=Decimal, default=_STANDARD.fee_rate)
    parser.add_argument("--bnb-fees", action="store_true", help="pay fees in BNB, at a discount")
    for name in ("weight-limit", "raw-limit", "order-limit-10s", "order-limit-day"):
        parser.add_argument(f"--{name}", type=int, default=_standard(name))
    for name in ("ban-after", "ban-seconds", "max-orders", "max-algo-orders"):
        parser.add_argument(f"--{name}", type=int, default=_standard(name))
    asyncio.run(_serve(parser.parse_args()))


async def _serve(arguments: argparse.Namespace) -> None:
    given = dict(text.split("=", 1) for text in arguments.balance)
    options = VenueOptions(
        api_key=arguments.api_key,
        api_secret=arguments.api_secret,
        account_id=arguments.account_id,
        balances={**DEFAULT_BALANCES, **{name: Decimal(text) for name, text in given.items()}},
        fee_rate=arguments.fee_rate,
        bnb_fees=arguments.bnb_fees,
        weight_limit=arguments.weight_limit,
        raw_limit=arguments.raw_limit,
        order_limit_10s=arguments.order_limit_10s,
        order_limit_day=arguments.order_limit_day,
        ban_after=arguments.ban_after,
        ban_seconds=arguments.ban_seconds,
        max_orders=arguments.max_orders,
        max_algo_orders=arguments.max_algo_orders,
    )
    venue = BinanceVenue(
        options,
        port=arguments.port,
        control_port=arguments.control_port,
        state=arguments.state,
        tls=_tls(arguments),
    )
    for text in arguments.price:
        symbol, _, prices = text.partition("=")
        bid, _, ask = prices.partition("/")
        venue.set_price(symbol, Decimal(bid), Decimal(ask or bid))
    await venue.start()
    await announce_and_wait({"port": venue.port, "control_port": venue.control_port})
    await venue.stop()


def _tls(arguments: argparse.Namespace) -> ssl.SSLContext | None:
    if arguments.tls_certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(arguments.tls_certificate, arguments.tls_key)
    return context


def _standard(name: str) -> int:
    return int(getattr(_STANDARD, name.replace("-", "_")))


if __name__ == "__main__":
    main()
