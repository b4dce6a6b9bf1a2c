"""Alembic migrations of the execution database."""
