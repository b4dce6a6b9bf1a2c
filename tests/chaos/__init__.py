"""Faults on purpose, in a fleet of real workers."""
