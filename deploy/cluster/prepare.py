#!/usr/bin/env python3
"""Writes the files of each machine of the cluster: configuration, certificates and passwords. Needs Python and openssl.

    python3 deploy/cluster/prepare.py cluster.env FOLDER

FOLDER has passwords.env, the authority's certificate and key and the server's secret, all to be kept safe, and a folder
for each machine. Run again, it writes the configuration anew, and keeps these and the certificates. Certificates are
valid for two years: delete one to have it created again.
"""

from __future__ import annotations

import os
import secrets
import shutil
import string
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

HERE = Path(__file__).parent
DATABASES, NODES = ("db1", "db2", "db3"), ("node1", "node2", "node3")
MACHINES = (*DATABASES, *NODES, "balancer")
OWN = {
    "db": ("patroni.yml", "patroni-alive.sh", "valkey.conf"),
    "node": ("etcd.yml", "sentinel.conf", "haproxy-postgresql.cfg", "pgbouncer.ini", "userlist.txt", "rollbook.env"),
    "balancer": (),
}
"""Files of a machine, by the beginning of its name."""
AS_THEY_ARE = ("patroni-alive.sh", "haproxy-postgresql.cfg")
PASSWORDS = [
    f"{name}_PASSWORD"
    for name in (
        *("POSTGRES", "REPLICATION", "PATRONI", "DATABASE", "DATABASE_OWNER"),
        *("VALKEY", "VALKEY_MACHINES"),
    )
]
DAYS = 730
CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def prepare(settings: Mapping[str, str], folder: Path, openssl: tuple[str, ...] = ("openssl",)) -> None:
    """Write a folder for each machine."""
    os.umask(0o077)
    folder.mkdir(parents=True, exist_ok=True)
    passwords = _passwords(folder / "passwords.env")
    secret = folder / "secret"
    if not secret.exists():
        secret.write_text(secrets.token_hex(32))
    if not (folder / "ca.crt").exists():
        _run(
            *(*openssl, "req", "-x509", *CURVE, "-days", "3650", "-subj", "/CN=Rollbook cluster"),
            *("-keyout", str(folder / "ca.key"), "-out", str(folder / "ca.crt")),
        )
    for name in MACHINES:
        machine = folder / name
        machine.mkdir(exist_ok=True)
        values = {**settings, **passwords, "NAME": name, "ADDRESS": settings[name.upper()]}
        values |= {key: string.Template(settings[key]).substitute(NAME=name) for key in ("FILES", "DATA")}
        certify(folder, machine, name, values["ADDRESS"], openssl)
        shutil.copy(folder / "ca.crt", machine)
        (machine / "ca.crt").chmod(0o644)
        for file in OWN[name.rstrip("123")]:
            text = (HERE / file).read_text()
            (machine / file).write_text(text if file in AS_THEY_ARE else string.Template(text).substitute(values))
        if name in NODES:
            shutil.copy(secret, machine)
        if name in DATABASES[1:]:
            with (machine / "valkey.conf").open("a") as conf:
                conf.write("replicaof {DB1} {VALKEY_PORT}\n".format_map(values))


def certify(folder: Path, machine: Path, name: str, address: str, openssl: tuple[str, ...] = ("openssl",)) -> None:
    """A key and a certificate for the address and name of a machine, as server and as client."""
    certificate, key = machine / "machine.crt", machine / "machine.key"
    if not certificate.exists():
        _run(
            *(*openssl, "req", "-x509", *CURVE, "-days", str(DAYS), "-subj", f"/CN={name}"),
            *("-CA", str(folder / "ca.crt"), "-CAkey", str(folder / "ca.key"), "-addext", "basicConstraints=CA:FALSE"),
            *("-addext", f"subjectAltName=DNS:{name},IP:{address},IP:127.0.0.1"),
            *("-keyout", str(key), "-out", str(certificate)),
        )


def settings_of(file: Path) -> dict[str, str]:
    """Lines NAME=VALUE of a file."""
    lines = [line.strip() for line in file.read_text().splitlines()]
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def _passwords(file: Path) -> dict[str, str]:
    """Passwords that are in a file, where they are created once."""
    if not file.exists():
        file.write_text("".join(f"{name}={secrets.token_hex(24)}\n" for name in PASSWORDS))
    return settings_of(file)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    folder = Path(sys.argv[2])
    prepare(settings_of(Path(sys.argv[1])), folder)
    print(f"Copy {folder}/NAME to each machine. deploy/cluster/README.md says what comes next.")


if __name__ == "__main__":
    main()
