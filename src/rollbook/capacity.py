"""How many CPU cores and how much memory this process can use. Containers and services are often limited to a share of
the machine."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path


def available_cpus(root: Path = Path("/")) -> int:
    """At least 1. On Linux: the cores it may run on, limited by its control groups, rounded up.

    See https://docs.kernel.org/admin-guide/cgroup-v2.html (cpu.max) and .../scheduler/sched-bwc.html (version 1).
    `root` contains /proc and /sys.
    """
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    shares = []
    for quota, period in _limits(root, "cpu", ("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us")):
        if quota > 0 and period > 0:  # version 1 says -1 for no limit
            shares.append(math.ceil(quota / period))
    return max(1, min([affinity, *shares]))


def available_memory(root: Path = Path("/")) -> int:
    """In MiB, at least 1: what the machine has. On Linux limited by its control groups (memory.max;
    memory.limit_in_bytes)."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = [
        int(limit) for (limit,) in _limits(root, "memory", ("memory.max",), ("memory.limit_in_bytes",)) if limit > 0
    ]
    return max(1, min([machine, *limits]) >> 20)


def _limits(
    root: Path, controller: str, files: tuple[str, ...], files_of_version_1: tuple[str, ...]
) -> Iterator[list[float]]:
    """The numbers in these files of all control groups of this process, but for those without a limit."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:  # not Linux
        return
    for line in lines:
        number, controllers, path = line.split(":", 2)
        if number == "0":
            top, names = root / "sys/fs/cgroup", files
        elif controller in controllers.split(","):
            top, names = root / "sys/fs/cgroup" / controllers, files_of_version_1
        else:
            continue
        # A limit applies to all groups below. Inside a container the groups above are invisible, and its own may be at
        # the top.
        group = top / path.lstrip("/")
        for folder in (group, *group.parents):
            if not folder.is_relative_to(top):
                break
            try:
                yield [float(word) for word in " ".join((folder / name).read_text() for name in names).split()]
            except (OSError, ValueError):  # no limit: the file is missing, or says "max"
                continue
