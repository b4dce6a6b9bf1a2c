"""NAV arbitrage of a trust against its coin: when its price is away from what a share holds.

Pure: no clock, no randomness, no driver. `prices` makes an observation of what was quoted,
`detector` judges it against the window before it, `legs` turns a signal into two orders of equal
exposure, `backtest` runs all of it over a history.
"""
