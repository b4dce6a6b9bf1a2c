"""Starts, watches and ends the processes of a running service, embedded servers included."""
