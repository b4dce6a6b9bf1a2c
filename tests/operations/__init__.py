"""Whole runs for those who operate it: compose, locks, limits, secrets, decisions by hand."""
