"""Binance Spot as its REST clients see it: API v3, one account, prices that a test sets."""
