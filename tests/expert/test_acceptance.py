"""FX from the command line to the Expert Advisor and back.

The tests and fixtures are those of tests/brokers/test_mt4.py, with the expert in the place of
the terminal in Python: see `mt4_venue` in conftest.py.
"""

from __future__ import annotations

from tests.brokers.test_mt4 import *  # noqa: F403
