"""Tests: unit, contract, integration, acceptance, chaos; and their independent judge."""
