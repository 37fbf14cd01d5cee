"""The machine: CPU cores and memory that this process can use, which containers and services often limit to a share of
it, room on the disk, the Python that runs the server, and the event loop for code that has none, such as commands."""

from __future__ import annotations

import asyncio
import math
import os
import platform
import shutil
import signal
import sysconfig
import threading
import time
from collections.abc import Coroutine, Iterator
from contextvars import Context
from pathlib import Path
from typing import Any, TypeVar

MIN_FREE = 268_435_456
"""Bytes that files beside the database leave free: it needs room to write."""


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
    """The memory of the machine in MiB, at least 1. On Linux limited by its control groups (memory.max;
    memory.limit_in_bytes)."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = [
        int(limit) for (limit,) in _limits(root, "memory", ("memory.max",), ("memory.limit_in_bytes",)) if limit > 0
    ]
    return max(1, min([machine, *limits]) >> 20)


def has_free_disk(file: int) -> bool:
    """Test whether an open file may go on to grow. To be asked every few MiB."""
    return shutil.disk_usage(file).free >= MIN_FREE


def python_name() -> str:
    """`CPython 3.13.5, optimized build`. How it was built is left out where the build does not tell."""
    return ", ".join(filter(None, (f"{platform.python_implementation()} {platform.python_version()}", python_build())))


def python_build() -> str:
    """Test whether it was built with profile-guided optimization, which a request takes up to a fifth less CPU with.

    Empty where that is unknown: packages of distributions optimize by other means than `configure`, and do not record
    it.
    """
    options = sysconfig.get_config_var("CONFIG_ARGS")
    if options and "--enable-optimizations" in options:
        return "optimized build"
    if not options or "'--prefix=/usr'" in options:
        return ""
    return "built without --enable-optimizations"


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


T = TypeVar("T")


def process_began() -> float:
    """The time at which this process was started, by `time.perf_counter`; where that can't be told, now."""
    now = time.perf_counter()
    try:
        ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        return now - (time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK"))
    except (OSError, AttributeError):
        return now


class Runner(asyncio.Runner):
    """Ctrl+C cancels what runs in it and raises KeyboardInterrupt, at whatever moment it comes.

    Python's own handler cancels in the midst of whatever the loop does, such as between the test whether a future is
    done and its result: an InvalidStateError on the terminal. Here the loop itself cancels, between its steps.
    """

    def run(self, coro: Coroutine[Any, Any, T], *, context: Context | None = None) -> T:
        loop = self.get_loop()
        interrupted = False

        def interrupt(*_: object) -> None:
            nonlocal interrupted
            interrupted = True
            signal.signal(signal.SIGINT, signal.default_int_handler)  # a second one doesn't wait
            loop.call_soon_threadsafe(lambda: task.cancel())  # `task` is there once the loop runs

        handles = (
            threading.current_thread() is threading.main_thread()
            and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        )
        if handles:
            signal.signal(signal.SIGINT, interrupt)
        try:
            task = loop.create_task(coro, context=context)
            result = loop.run_until_complete(task)
        except asyncio.CancelledError:
            # Nothing else cancels what is run here.
            raise KeyboardInterrupt from None
        finally:
            if handles:
                signal.signal(signal.SIGINT, signal.default_int_handler)
        if interrupted and not task.cancelling():  # it came when all was done
            raise KeyboardInterrupt
        return result


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run it in a loop of its own."""
    with Runner() as runner:
        return runner.run(coroutine)
