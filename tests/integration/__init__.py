"""Against real servers and processes."""
