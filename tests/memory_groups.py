"""A group of processes that has only so much memory, as in a container: whoever takes more is killed by the kernel."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TOP = Path("/sys/fs/cgroup")


@contextmanager
def memory_group(mebibytes: int) -> Iterator[Path | None]:
    """The folder of a control group, of version 2 or 1. None where this process may make none, as in most containers:
    then tests look at what the server took instead."""
    try:
        group = _made(mebibytes << 20)
    except OSError:
        yield None
        return
    try:
        yield group
    finally:
        group.rmdir()


def command_in(group: Path | None, command: list[str]) -> list[str]:
    """The command, which moves itself into the group before it begins."""
    return command if group is None else ["sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', str(group), *command]


def kills(group: Path) -> int:
    """How many of its processes were killed."""
    for name in ("memory.events", "memory.oom_control"):
        if (file := group / name).exists():
            return int(dict(line.split() for line in file.read_text().splitlines())["oom_kill"])
    raise AssertionError(f"{group} tells nothing")


def peak(pid: int) -> int:
    """The most that a process ever had in memory, in MiB."""
    [line] = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) >> 10


def _made(size: int) -> Path:
    name = f"rollbook-test-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    if "memory" in (TOP / "cgroup.controllers").read_text().split() if (TOP / "cgroup.controllers").exists() else False:
        (TOP / "cgroup.subtree_control").write_text("+memory")
        group, limits = TOP / name, {"memory.max": size, "memory.swap.max": 0}
    else:
        group, limits = TOP / "memory" / name, {"memory.limit_in_bytes": size, "memory.memsw.limit_in_bytes": size}
    group.mkdir()
    try:
        for file, limit in limits.items():
            if (group / file).exists():  # without swap, the kernel has no limit for it
                (group / file).write_text(str(limit))
    except OSError:
        group.rmdir()
        raise
    return group
