"""Attacks, each run with what the attacker has and nothing else."""
