"""Room on the disk of the data folder: what people send and ask for may use it up only so far."""

from __future__ import annotations

import shutil

MIN_FREE = 268_435_456
"""Bytes that files beside the database leave free: it needs room to write."""


def has_room(file: int) -> bool:
    """Test whether an open file may go on to grow. To be asked every few MiB."""
    return shutil.disk_usage(file).free >= MIN_FREE
