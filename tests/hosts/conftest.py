"""Judged as the other acceptance tests are."""

from __future__ import annotations

from tests.acceptance.conftest import judged

__all__ = ["judged"]
