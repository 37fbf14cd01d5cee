"""deploy/rollbook.service: what systemd thinks of it, and that a server runs under what it forbids."""

from __future__ import annotations

import mmap
import os
import re
import sys
from pathlib import Path

import httpx2
import pytest

from rollbook.config import Settings
from tests.deploy.programs import DEPLOY, program, run
from tests.harness import Server, new_user

UNIT = DEPLOY / "rollbook.service"
# prctl(2): refuses memory that is writable and executable, as MemoryDenyWriteExecute does. From Linux 6.3 on.
PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN = 65, 1


class Confined(Server):
    """A server whose system calls are written down, and that can have no memory which is writable and executable."""

    @property
    def trace(self) -> Path:
        return self.data.with_name("trace")

    def command(self) -> list[str]:
        """Through a Python that gives itself the restriction; it is inherited."""
        strace = [program("strace"), "-D", "-f", "-qq", "--signal=none", "-o", str(self.trace)]
        return [
            sys.executable,
            "-c",
            f"import os, sys; {_RESTRICT}; os.execv(sys.argv[1], sys.argv[1:])",
            *strace,
            *super().command(),
        ]


_RESTRICT = f"import ctypes; assert ctypes.CDLL(None).prctl({PR_SET_MDWE}, {PR_MDWE_REFUSE_EXEC_GAIN}, 0, 0, 0) == 0"


def test_the_unit_exposes_little() -> None:
    done = run(program("systemd-analyze"), "security", "--offline=true", "--no-pager", UNIT)
    exposure = re.search(r"Overall exposure level for rollbook.service: ([\d.]+)", done.stdout)
    assert exposure and float(exposure[1]) <= 2, done.stdout


def test_the_unit_waits_as_long_as_the_server_may_take_to_stop() -> None:
    seconds = int(re.findall(r"^TimeoutStopSec=(\d+)$", UNIT.read_text(), re.MULTILINE)[0])
    assert seconds > Settings().drain_timeout + 2


@pytest.mark.parametrize("workers", [1, 2])
def test_a_server_works_under_what_the_unit_forbids(workers: int, tmp_path: Path) -> None:
    refused = run(
        sys.executable, "-c", f"{_RESTRICT}; import mmap; mmap.mmap(-1, 4096, prot={_WRITE_AND_EXECUTE})", check=False
    )
    assert "PermissionError" in refused.stderr
    server = Confined(tmp_path / "data", "--workers", str(workers), cheap=False)
    server.start()
    try:
        with server.http() as http:
            user = new_user(http)
            assert http.get(f"/v1/users/{user['id']}").status_code == 200
            assert http.get("/v1/users?q=alice").status_code == 200
        assert httpx2.get(f"{server.url}/docs", headers={"Accept": "text/html"}, timeout=60).status_code == 200
    finally:
        code = server.stop()
    assert code == 0
    calls = re.findall(r"^\d+ +(\w+)\(", server.trace.read_text(), re.MULTILINE)
    assert len(calls) > 1000 and {"accept4", "fsync"} & set(calls)
    # SQLite hands the files that it makes as root to the database's owner (robustFchown in its os_unix.c), and only
    # then calls this.
    as_root = {"fchown"} if os.geteuid() == 0 else set()
    assert set(calls) - _allowed() - as_root == set()
    families = set(re.findall(r" socket\((AF_\w+)", server.trace.read_text()))
    assert "AF_INET" in families and families <= set(re.findall(r"AF_\w+", UNIT.read_text()))


_WRITE_AND_EXECUTE = mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC


def _allowed() -> set[str]:
    """The system calls that the unit lets through."""
    allowed: set[str] = set()
    for line in re.findall(r"^SystemCallFilter=(.*)$", UNIT.read_text(), re.MULTILINE):
        for name in line.removeprefix("~").split():
            allowed = allowed - _members(name) if line.startswith("~") else allowed | _members(name)
    # What systemd lets through whatever the filter says: execve, exit and the like.
    return allowed | _members("@default") | {"execve", "exit", "exit_group", "rt_sigreturn"}


def _members(name: str) -> set[str]:
    listed = run(program("systemd-analyze"), "syscall-filter", "--no-pager", name).stdout
    found: set[str] = set()
    for member in re.findall(r"^    (@?[\w-]+)$", listed, re.MULTILINE):
        found |= _members(member) if member.startswith("@") else {member}
    return found
