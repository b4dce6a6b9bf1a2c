"""Faults of the host: tests that need a compiler, PgBouncer and rights to mount."""
