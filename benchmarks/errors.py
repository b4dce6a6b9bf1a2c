"""What ends a run."""

from __future__ import annotations


class MeasurementFailed(Exception):
    """Something was broken, an order missing for one; there is no figure to speak of."""
