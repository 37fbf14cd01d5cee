"""How many passwords are hashed at once by default: one for each core, in a quarter of the memory, that control groups
leave to the process."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rollbook.machine import available_cpus, available_memory

MACHINE = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@pytest.mark.parametrize(
    ("groups", "files", "share"),
    [
        ("0::/\n", {"cpu.max": "50000 100000\n"}, 1),
        ("0::/\n", {"cpu.max": "100000 100000\n"}, 1),
        ("0::/\n", {"cpu.max": "110000 100000\n"}, 2),
        ("0::/\n", {"cpu.max": "max 100000\n"}, MACHINE),
        ("0::/\n", {"cpu.max": "100000000 100000\n"}, MACHINE),
        ("0::/\n", {}, MACHINE),
        # A service whose own group has no limit, in a slice that has one.
        (
            "0::/api.slice/rollbook.service\n",
            {"api.slice/cpu.max": "100000 100000", "api.slice/rollbook.service/cpu.max": "max 100000"},
            1,
        ),
        # The path of the machine, seen inside a container, where its own group is the top.
        (
            "4:cpu,cpuacct:/docker/1a2b\n",
            {"cpu,cpuacct/cpu.cfs_quota_us": "50000", "cpu,cpuacct/cpu.cfs_period_us": "100000"},
            1,
        ),
        (
            "4:cpu,cpuacct:/\n0::/\n",
            {"cpu,cpuacct/cpu.cfs_quota_us": "-1", "cpu,cpuacct/cpu.cfs_period_us": "100000"},
            MACHINE,
        ),
        ("3:memory:/\n2:cpuset:/\n", {"cpu.cfs_quota_us": "1", "cpu.cfs_period_us": "1"}, MACHINE),
        (None, {}, MACHINE),
    ],
)
def test_cpus_are_those_of_the_control_group(
    groups: str | None, files: dict[str, str], share: int, tmp_path: Path
) -> None:
    write(tmp_path, groups, files)
    assert available_cpus(tmp_path) == min(share, MACHINE)


def write(root: Path, groups: str | None, files: dict[str, str]) -> None:
    written = {f"sys/fs/cgroup/{name}": text for name, text in files.items()}
    for name, text in {**written, **({"proc/self/cgroup": groups} if groups is not None else {})}.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


@pytest.mark.parametrize(
    ("groups", "files", "mebibytes"),
    [
        ("0::/\n", {"memory.max": "67108864\n"}, 64),
        ("0::/\n", {"memory.max": "max\n"}, None),
        (
            "0::/api.slice/rollbook.service\n",
            {"api.slice/memory.max": "67108864", "api.slice/rollbook.service/memory.max": "max"},
            64,
        ),
        ("4:memory:/docker/1a2b\n", {"memory/memory.limit_in_bytes": "67108864"}, 64),
        ("4:memory:/\n", {"memory/memory.limit_in_bytes": "9223372036854771712"}, None),
        ("3:cpu:/\n", {"memory/memory.limit_in_bytes": "1"}, None),
        (None, {}, None),
    ],
)
def test_memory_is_that_of_the_control_group(
    groups: str | None, files: dict[str, str], mebibytes: int | None, tmp_path: Path
) -> None:
    write(tmp_path, groups, files)
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
    assert available_memory(tmp_path) == (mebibytes or machine)


def test_this_machine_has_some() -> None:
    assert 1 <= available_cpus() <= MACHINE
    assert available_memory() >= 64
