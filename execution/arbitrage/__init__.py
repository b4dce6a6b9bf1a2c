"""The NAV arbitrage at work: watching the pair, opening groups and bringing them to their end.

`watching` observes and acts on signals, `moving` moves on every group that stands still, `plan` is
what the settings say, `knowledge` what both read before they decide. They know no Celery: whoever
runs them says how messages are sent.
"""
