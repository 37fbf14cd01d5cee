"""The cluster of docs/scaling.md loses a process of each kind, and its clients nothing of what they were told."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.cluster.cluster import ROOT

KILLS = "kill primary,kill patroni,kill etcd leader,kill valkey primary,kill node"
"""Those that are over soon. The others are left to `make cluster`."""


@pytest.mark.timeout(900)
def test_processes_that_are_killed_take_no_acknowledged_change_with_them() -> None:
    # --patient: what times are kept on a machine that runs other tests says nothing.
    command = [sys.executable, "-m", "tests.cluster", "chaos", "--only", KILLS, "--rounds", "1", "--seed", "1"]
    environment = {**os.environ, "ROLLBOOK_CLUSTER": "7"}  # beside that of who works on this machine
    done = subprocess.run(
        [*command, "--patient"], check=False, capture_output=True, text=True, cwd=ROOT, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 faults" in done.stdout
