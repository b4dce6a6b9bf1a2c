"""Venues to practise against: each speaks a real venue's protocol and knows nothing of us."""
