"""Whole runs: real workers, real servers, the command line as a subprocess."""
