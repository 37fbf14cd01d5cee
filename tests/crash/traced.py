"""FILE COMMAND…: runs the command, and writes its writes and fsyncs to FILE, one a line: `fdatasync 7`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.storage.syscalls import watch

with open(sys.argv[1], "w", buffering=1) as lines:
    for call in watch(sys.argv[2:], os.dup(1)):
        lines.write(f"{call.name} {call.first}\n")
