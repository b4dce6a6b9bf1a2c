"""The Binance adapter: spot orders through ccxt, polled."""
