"""The MT4 adapter: FX through the REST bridge to a MetaTrader 4 terminal."""
