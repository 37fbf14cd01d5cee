"""What tests cost: CPU seconds of the process that runs them and of all it has started, those that still run among
them."""

from __future__ import annotations

import ctypes
import json
import os
import sys
import time
from pathlib import Path

FOLDER = os.environ.get("PYTEST_COST_FOLDER", "")
"""Where each process of a run that is recorded notes its tests, see tools/suite.py. Empty: nothing is noted."""
_TICK = os.sysconf("SC_CLK_TCK")
_SET_CHILD_SUBREAPER = 36
"""From linux/prctl.h."""


def spent() -> float:
    """So far. By the kernel's clock, which ticks a hundred times a second."""
    processes = sys.modules.get("tests.processes")
    origin = processes._origin() if processes and processes._origin.cache_info().currsize else None
    ticks, open_ = 0, [os.getpid(), *(origin.running if origin else ())]
    while open_:
        pid = open_.pop()
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, fields[11:15]))  # its own, and those of children it has waited for
            for task in Path(f"/proc/{pid}/task").iterdir():
                open_ += map(int, (task / "children").read_text().split())
        except OSError:
            continue  # it has ended in this moment: whoever waits for it has its ticks
    return ticks / _TICK + (origin.spent if origin else 0)


class Meter:
    """Notes for each test what it cost since the one before it in this process ended."""

    def __init__(self) -> None:
        # What outlives its parent, as parts of a browser do, becomes a child of this process, and still counts.
        ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1)
        self._file = open(Path(FOLDER) / str(os.getpid()), "w")  # noqa: SIM115 - for as long as the process lives
        self._cpu, self._clock = spent(), time.monotonic()

    def note(self, test: str) -> None:
        cpu, clock = spent(), time.monotonic()
        print(json.dumps([test, round(cpu - self._cpu, 2), round(clock - self._clock, 3)]), file=self._file, flush=True)
        self._cpu, self._clock = cpu, clock
