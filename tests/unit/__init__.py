"""Fast and pure."""
