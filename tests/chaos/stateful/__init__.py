"""Random lives of brackets and reduce-only orders, with real workers, at simulated venues."""
