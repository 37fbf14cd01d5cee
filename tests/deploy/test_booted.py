"""deploy/rollbook.service and litestream.conf on a Debian that systemd has booted, by the commands of docs/deployment.md
and docs/backups.md. Its network has no one but itself."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.deploy import image
from tests.deploy.programs import ROOT, program, run

pytestmark = pytest.mark.timeout(900)  # Debian is installed first

UNIT = """[Unit]
After=multi-user.target
[Service]
Type=oneshot
Environment=HOME=/root PATH=/opt/rollbook/bin:/usr/sbin:/usr/bin:/sbin:/bin
WorkingDirectory=/src
ExecStart=/bin/bash /steps
ExecStopPost=systemctl poweroff
[Install]
WantedBy=default.target
"""
BEGIN = r"""exec >/said 2>&1
state() { systemctl show rollbook --property=ActiveState,SubState,Type,NRestarts,Result,ExecMainStatus | sort | xargs; }
step() { echo "=== $1"; }
users() { rollbook users list --url http://127.0.0.1:8000 | cut -f 3 | grep @ | xargs; }
create() { rollbook users create --name $1 --email $1@example.com --status invited --url http://127.0.0.1:8000 --quiet >/dev/null; }
"""


def commands(page: str, heading: str, *containing: str) -> list[str]:
    """The lines of a section's blocks, or those of them with one of these words."""
    section = (ROOT / "docs" / page).read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"^ *```console\n(.*?)^ *```", section, re.DOTALL | re.MULTILINE)
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    chosen = [line for line in lines if not containing or any(word in line for word in containing)]
    assert chosen, (page, heading)
    return chosen


def test_systemd_starts_watches_and_stops_it_and_what_was_copied_is_restored(tmp_path: Path) -> None:
    root = tmp_path / "root"
    try:
        _install(root)
        said = _boot(root)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    started = {"ActiveState=active", "SubState=running", "Type=notify"}
    # It answers at once: a unit of this type has started when the server says so.
    first = said["started"]
    assert started | {"NRestarts=0"} <= set(first.split()) and "database ok" in first
    assert said["verified"] == "", "systemd finds no mistake"
    confined = said["confined"]
    (uid,) = re.findall(r"Uid:\t(\d+)", confined)
    assert 61184 <= int(uid) <= 65519, "a user of systemd's own"
    assert all(line in confined for line in ("CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"))
    assert float(re.findall(r"exposure level for rollbook.service: ([\d.]+)", first)[0]) <= 2
    assert started | {"NRestarts=1", "owner@example.com"} <= set(said["killed"].split())
    assert started | {"NRestarts=2", "owner@example.com"} <= set(said["ended"].split())
    assert "ActiveState=activating" in said["failing"] and "\nowner@example.com\n" in said["failing"]
    # What changed after the backup is gone, and more can be written.
    assert "owner@example.com before@example.com after@example.com\n" in said["before it is restored"]
    assert "owner@example.com before@example.com restored@example.com\n" in said["restored"]
    assert started <= set(said["copied"].split()) and "/backup/rollbook/ltx/" in said["copied"]
    assert "Run: chown" in said["restored by root"], "`doctor` says why it could not write"
    everyone = "owner@example.com before@example.com restored@example.com copied@example.com\n"
    assert everyone in said["restored from the copy"] and "written@example.com" in said["restored from the copy"]
    assert {"ActiveState=inactive", "Result=success", "ExecMainStatus=0"} <= set(said["stopped"].split())


def _install(root: Path) -> None:
    """Debian, and Rollbook by the lines of the docs that need a network."""
    image.install_debian(root, "systemd", "systemd-sysv", "dbus")
    listed = run("git", "-C", ROOT, "ls-files", "--cached", "--others", "--exclude-standard").stdout.splitlines()
    for name in listed:
        if name.startswith(("deploy/", "docs/", "requirements/", "sdk/python/", "src/", "tools/")) or "/" not in name:
            if (ROOT / name).is_file():
                (root / "src" / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, root / "src" / name)
    shutil.copy("/etc/resolv.conf", root / "etc" / "resolv.conf")
    shutil.copy(f"{image.CERTIFICATES}/ca-certificates.crt", root / image.CERTIFICATES.lstrip("/"))
    lines = commands("deployment.md", "One node under systemd", "python3 -m", "pip", "install -m")
    lines += commands("backups.md", "Copy every change", "pip")
    variables = {**image.network(), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"}
    run("chroot", root, "bash", "-ec", "\n".join(["cd /src", *lines]), environment=variables)


def _boot(root: Path) -> dict[str, str]:
    """What the steps said, by their names."""
    copying = commands("backups.md", "Copy every change", "install -D", "useradd", "systemctl")
    removed, backup, lost, restore, owner = commands(
        "backups.md", "Restore", "rm -f", "cp ", "litestream restore", "chown"
    )
    steps = [
        BEGIN,
        *commands("deployment.md", "One node under systemd", "systemctl"),
        "step started; state; rollbook health --data /var/lib/rollbook; systemd-analyze security rollbook | tail -1",
        "step verified; systemd-analyze verify --man=no --recursive-errors=no /etc/systemd/system/rollbook.service",
        "step confined; cat /proc/$(systemctl show rollbook --property=MainPID --value)/status",
        "export ROLLBOOK_KEY=$(grep -o 'rbk_[A-Za-z0-9]*' /var/lib/rollbook/first-start.txt | head -1)",
        "step killed; kill -9 $(systemctl show rollbook --property=MainPID --value)",
        "for each in $(seq 100); do sleep 0.2; rollbook health --data /var/lib/rollbook && break; done; state; users",
        # It ends well, but no one asked systemd for that.
        "step ended; kill $(systemctl show rollbook --property=MainPID --value); sleep 1",
        "for each in $(seq 100); do sleep 0.2; rollbook health --data /var/lib/rollbook && break; done; state; users",
        "step failing; mkdir -p /etc/rollbook; echo nonsense = 1 >/etc/rollbook/rollbook.toml",
        "kill $(systemctl show rollbook --property=MainPID --value); sleep 20; state; rm /etc/rollbook/rollbook.toml",
        "for each in $(seq 100); do sleep 0.2; rollbook health --data /var/lib/rollbook && break; done; users",
        "create before; mkdir -p /backup; rollbook backup /backup/before.db --data /var/lib/rollbook; create after",
        "step 'before it is restored'; users; systemctl stop rollbook",
        f"{removed}; {backup}; systemctl start rollbook; create restored; step restored; users",
        *copying,
        "step copied; create copied; sleep 3; state; find /backup/rollbook -name '*.ltx'; systemctl stop rollbook",
        f"{lost}; {restore}; step 'restored by root'; rollbook doctor --data /var/lib/rollbook",
        f"{owner}; systemctl start rollbook; step 'restored from the copy'; users; create written; users",
        "systemctl stop rollbook; step stopped; state; journalctl --unit=rollbook --no-pager --output=cat | tail -50",
    ]
    (root / "steps").write_text("\n".join(steps) + "\n")
    unit = root / "etc" / "systemd" / "system" / "steps.service"
    unit.write_text(UNIT)
    run("systemctl", f"--root={root}", "enable", "steps.service")
    # Where both versions of control groups are mounted, this systemd starts with the second alone.
    groups = "umount --recursive /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup"
    nspawn = (
        f"{program('systemd-nspawn')} --quiet --register=no --keep-unit --boot --private-network --directory={root}"
    )
    command = ["unshare", "--mount", "--propagation=private", "sh", "-c", f"{groups} && exec {nspawn}"]
    console = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600, check=False
    )
    assert (root / "said").exists(), console.stdout + console.stderr
    parts = (root / "said").read_text().split("=== ")[1:]
    said = {part.partition("\n")[0]: part.partition("\n")[2] for part in parts}
    assert "stopped" in said, (root / "said").read_text()
    return said
