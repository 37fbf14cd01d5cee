"""How many CPU cores this process can use. Containers and services are often limited to a share of the machine."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path


def available_cpus(root: Path = Path("/")) -> int:
    """At least 1. On Linux: the cores it may run on, limited by its control groups, rounded up.

    See https://docs.kernel.org/admin-guide/cgroup-v2.html (cpu.max) and .../scheduler/sched-bwc.html (version 1). `root` contains /proc
    and /sys.
    """
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([affinity, *map(math.ceil, _shares(root))]))


def _shares(root: Path) -> Iterator[float]:
    """The limits of all control groups of this process, in cores."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:  # not Linux
        return
    for line in lines:
        number, controllers, path = line.split(":", 2)
        if number == "0":
            top, files = root / "sys/fs/cgroup", ("cpu.max",)
        elif "cpu" in controllers.split(","):
            top, files = root / "sys/fs/cgroup" / controllers, ("cpu.cfs_quota_us", "cpu.cfs_period_us")
        else:
            continue
        # A limit applies to all groups below. Inside a container the groups above are invisible, and its own may be at the top.
        group = top / path.lstrip("/")
        for folder in (group, *group.parents):
            if not folder.is_relative_to(top):
                break
            try:
                quota, period = map(float, " ".join((folder / name).read_text() for name in files).split())
            except (OSError, ValueError):  # no limit: the file is missing, or says "max"
                continue
            if quota > 0 and period > 0:  # version 1 says -1 for no limit
                yield quota / period
