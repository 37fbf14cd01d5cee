"""The version: the server's own, which this client was generated for."""

from __future__ import annotations

__version__ = "1.0.0"
