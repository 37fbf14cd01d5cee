"""JSON as people read it."""

from __future__ import annotations

import msgspec

from rollbook.api.show import for_people


def pretty(text: str) -> str:
    """Indented, where it is JSON."""
    try:
        return for_people(text.encode()).decode()
    except msgspec.DecodeError:
        return text
