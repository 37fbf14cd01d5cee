"""deploy/cluster/prepare.py: the files of each machine. `make cluster` starts the cluster from them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

DEPLOY = Path(__file__).parents[2] / "deploy/cluster"


def test_each_machine_gets_its_files_and_keeps_its_passwords_and_certificates(tmp_path: Path) -> None:
    settings, folder = tmp_path / "my.env", tmp_path / "cluster"
    settings.write_text((DEPLOY / "cluster.env").read_text().replace("10.0.0.", "10.1.2."))
    command = [sys.executable, str(DEPLOY / "prepare.py"), str(settings), str(folder)]
    assert (
        "README.md says what comes next" in subprocess.run(command, check=True, capture_output=True, text=True).stdout
    )
    files = {file.relative_to(folder): file for file in folder.rglob("*") if file.is_file()}
    written = {file for file in files if not re.search(r"patroni-alive|haproxy", file.name)}
    assert {file for file in written if "$" in files[file].read_text()} == set()
    assert {file.parent.name for file in written} == {
        *("", "balancer"),
        *(f"{kind}{number}" for kind in ("db", "node") for number in (1, 2, 3)),
    }
    assert {name for name, file in files.items() if file.stat().st_mode & 0o077 and file.name != "ca.crt"} == set()
    assert "connect_address: 10.1.2.2:5432" in (folder / "db2/patroni.yml").read_text()
    assert "replicaof 10.1.2.1 6379" in (folder / "db2/valkey.conf").read_text()
    assert "replicaof" not in (folder / "db1/valkey.conf").read_text()
    before = {name: file.read_bytes() for name, file in files.items()}
    subprocess.run(command, check=True, capture_output=True)
    assert {name: file.read_bytes() for name, file in files.items()} == before


def test_the_certificate_of_a_machine_is_for_its_address_as_server_and_as_client(tmp_path: Path) -> None:
    folder = tmp_path / "cluster"
    command = [sys.executable, str(DEPLOY / "prepare.py"), str(DEPLOY / "cluster.env"), str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    for purpose in ("sslserver", "sslclient"):
        ask = ["openssl", "verify", "-CAfile", str(folder / "ca.crt"), "-purpose", purpose, "-verify_ip", "10.0.0.13"]
        good = subprocess.run([*ask, str(folder / "node3/machine.crt")], check=False, capture_output=True, text=True)
        assert good.returncode == 0, good.stderr
        other = subprocess.run([*ask, str(folder / "node2/machine.crt")], check=False, capture_output=True, text=True)
        assert "IP address mismatch" in other.stderr
