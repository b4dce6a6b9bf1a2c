"""The Interactive Brokers adapter: shares, options and futures through ib_insync, by events."""
