"""Example orders and an example price feed, for practice."""
