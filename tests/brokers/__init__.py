"""Acceptance with each broker: real workers, the command line, and the simulator as the venue."""
