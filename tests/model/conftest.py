"""Users behave so on each database."""

from __future__ import annotations

from tests.engines import engine

__all__ = ["engine"]
