"""Modules that Windows lacks. No server runs there, only commands on servers elsewhere, which import these and use
none."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import fcntl
    import resource
else:
    try:
        import fcntl
        import resource
    except ImportError:
        fcntl = resource = None

__all__ = ["fcntl", "resource"]
