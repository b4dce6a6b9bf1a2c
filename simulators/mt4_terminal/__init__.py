"""A MetaTrader 4 terminal with its trade server; it speaks the bridge's protocol."""
